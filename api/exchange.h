/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request and its answer between libmicrohttpd and the handlers: its callbacks. */
#pragma once

#include <microhttpd.h>

/* The request line is there; returns what libmicrohttpd keeps as *con_cls. cls is the listener. */
void *exchange_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
/* Called with the head, with each piece of body, and at the end. */
enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
				    const char *method, const char *version, const char *data,
				    size_t *length, void **con_cls);
void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			   enum MHD_RequestTerminationCode code);

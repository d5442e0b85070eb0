/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling the service manager, by the sd_notify(3) protocol. */
#pragma once

/*
 * Sends state ("READY=1") to $NOTIFY_SOCKET. 0, also where there is none;
 * negative errno when it could not be sent.
 */
int notify(const char *state);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last faults of our own that requests met, for /v1/status. */
#pragma once

#include <jansson.h>

#include "api/request.h"

#define ERRORS_KEPT 8

struct errors {
	struct {
		int64_t at;
		char instance[REQUEST_ID_SIZE];
		char text[FAULT_TEXT_MAX];
	} rows[ERRORS_KEPT]; /* a ring */
	uint64_t n;	     /* that there ever were */
};

void errors_note(struct errors *errors, const char *instance, const char *text);
/* The newest first. */
json_t *errors_json(const struct errors *errors);

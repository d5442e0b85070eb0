/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What went wrong with a command, in words for the person who sent it. */
#pragma once

#include <stdint.h>

#include "agent/base/limits.h"
#include "agent/base/macros.h"

/*
 * A command that a user can get wrong returns a negative errno and fills a
 * fault; the API turns it into RFC 9457 problem details.
 *
 * problem: slug of the problem type, from api/problems.def ("conflict").
 * Each item names one wrong member: a JSON pointer ("/peers/0/name"), a short
 * machine-readable code ("host_bits") and one sentence.
 */
#define FAULT_ITEMS_MAX 100

struct fault_item {
	char pointer[FAULT_POINTER_MAX];
	const char *code;
	char text[FAULT_TEXT_MAX];
};

struct fault {
	const char *problem;
	char text[FAULT_TEXT_MAX];
	char existing_id[ID_MAX + 1]; /* conflict: the object in the way; else "" */
	uint64_t current_revision;    /* precondition_failed; else 0 */
	size_t n_items, n_left_out;   /* left out: there were more than fit */
	struct fault_item items[FAULT_ITEMS_MAX];
};

/* Sets problem and text; keeps the items. Returns err, so that a caller can return it. */
int fault_set(struct fault *fault, int err, const char *problem, const char *format, ...)
	FORMAT(4, 5);

/* Adds one item (past FAULT_ITEMS_MAX it is left out, and counted). Returns -EINVAL. */
int fault_add(struct fault *fault, const char *pointer, const char *code, const char *format, ...)
	FORMAT(4, 5);

/* Puts "/peers/3" in front of the pointers from item first on: they were of one object. */
void fault_move(struct fault *fault, size_t first, const char *format, ...) FORMAT(3, 4);

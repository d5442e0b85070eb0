/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling a fault. */
#include "agent/base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fault_set(struct fault *fault, int err, const char *problem, const char *format, ...)
{
	fault->problem = problem;

	va_list args;
	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);

	return err;
}

int fault_add(struct fault *fault, const char *pointer, const char *code, const char *format, ...)
{
	if (fault->n_items == FAULT_ITEMS_MAX) {
		fault->n_left_out++;
		return -EINVAL;
	}

	struct fault_item *item = &fault->items[fault->n_items++];
	snprintf(item->pointer, sizeof(item->pointer), "%s", pointer);
	item->code = code;

	va_list args;
	va_start(args, format);
	vsnprintf(item->text, sizeof(item->text), format, args);
	va_end(args);

	return -EINVAL;
}

void fault_move(struct fault *fault, size_t first, const char *format, ...)
{
	char at[FAULT_POINTER_MAX], pointer[2 * FAULT_POINTER_MAX];

	va_list args;
	va_start(args, format);
	vsnprintf(at, sizeof(at), format, args);
	va_end(args);

	for (size_t i = first; i < fault->n_items; i++) {
		char *place = fault->items[i].pointer;
		snprintf(pointer, sizeof(pointer), "%s%s", at, place);
		pointer[FAULT_POINTER_MAX - 1] = '\0';
		memcpy(place, pointer, FAULT_POINTER_MAX);
	}
}

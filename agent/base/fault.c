/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling a fault. */
#include "agent/base/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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
	if (fault->n_items == FAULT_ITEMS_MAX)
		return -EINVAL;

	struct fault_item *item = &fault->items[fault->n_items++];
	snprintf(item->pointer, sizeof(item->pointer), "%s", pointer);
	item->code = code;

	va_list args;
	va_start(args, format);
	vsnprintf(item->text, sizeof(item->text), format, args);
	va_end(args);

	return -EINVAL;
}

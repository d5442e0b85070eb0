/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vectors are written in hexadecimal. */
#pragma once

#include "tests/test.h"

/* Returns the number of bytes. */
static inline size_t unhex(const char *text, void *ret_bytes, size_t size)
{
	size_t n = strlen(text) / 2;
	CHECK(n <= size);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;
		CHECK_EQ(sscanf(text + 2 * i, "%2x", &byte), 1);
		((uint8_t *)ret_bytes)[i] = (uint8_t)byte;
	}
	return n;
}

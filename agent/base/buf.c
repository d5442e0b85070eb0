/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing byte buffer with a mandatory maximum. */
#include "agent/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf){ .max = max };
}

void buf_release(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void buf_release_secret(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->capacity);
	buf_release(buf);
}

/* Room for length more bytes and the zero. Copies by hand: realloc would leave secrets behind. */
static int reserve(struct buf *buf, size_t length)
{
	if (buf->failed || length > buf->max - buf->length) {
		buf->failed = true;
		return -ENOSPC;
	}
	if (buf->length + length + 1 <= buf->capacity)
		return 0;

	size_t capacity = MAX(buf->capacity * 2, (size_t)256);
	while (capacity < buf->length + length + 1)
		capacity *= 2;

	char *data = malloc(capacity);
	if (!data) {
		buf->failed = true;
		return -ENOMEM;
	}
	if (buf->data) {
		memcpy(data, buf->data, buf->length);
		explicit_bzero(buf->data, buf->capacity);
		free(buf->data);
	}
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int buf_add(struct buf *buf, const void *data, size_t length)
{
	int r = reserve(buf, length);
	if (r < 0)
		return r;

	if (length > 0)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
	return 0;
}

int buf_add_text(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return -EINVAL;

	int r = reserve(buf, (size_t)n);
	if (r < 0)
		return r;

	va_start(args, format);
	vsnprintf(buf->data + buf->length, (size_t)n + 1, format, args);
	va_end(args);
	buf->length += (size_t)n;
	return 0;
}

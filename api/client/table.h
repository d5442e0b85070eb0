/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns, and numbers as people say them. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#define TABLE_COLUMNS_MAX 10
#define TABLE_CELL_SIZE 320

struct table {
	size_t n_columns, n_rows, capacity;
	char (*cells)[TABLE_CELL_SIZE]; /* row after row; the first are the headings */
};

/* headings end with NULL. */
void table_init(struct table *table, const char *const headings[]);
void table_release(struct table *table);
/* One text for each column; they are copied. */
void table_add(struct table *table, const char *const cells[]);
void table_print(const struct table *table);

/* "1.5 MiB", "12 kbit/s", "3 min": texts that live until the eighth next call. */
const char *size_text(const json_t *bytes);
const char *rate_text(const json_t *bps);
const char *span_text(int64_t seconds);
/* A time of the API: "3 min ago", "in 2 d"; never for null. */
const char *age_text(const json_t *time);
/* The same without "ago"; "" for null. */
const char *since_text(const json_t *time);
/* A string or a number as text. */
const char *value_text(const json_t *value);
/* Items of a list of strings with commas; empty for none. */
const char *list_text(const json_t *list, const char *empty);

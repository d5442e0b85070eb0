/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns, and numbers as people say them. */
#include "api/client/table.h"

#include <inttypes.h>
#include <string.h>

#include "agent/base/loop.h"
#include "agent/base/macros.h"

#define TEXTS 8

/* A text to return: one of a few that take turns. */
static char *turn(void)
{
	static char texts[TEXTS][TABLE_CELL_SIZE];
	static unsigned next;

	return texts[next++ % TEXTS];
}

/* Width in characters: continuation bytes of UTF-8 take no place. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_init(struct table *table, const char *const headings[])
{
	*table = (struct table){ 0 };
	while (table->n_columns < TABLE_COLUMNS_MAX && headings[table->n_columns])
		table->n_columns++;
	table_add(table, headings);
}

void table_release(struct table *table)
{
	free(table->cells);
	table->cells = NULL;
}

void table_add(struct table *table, const char *const cells[])
{
	if ((table->n_rows + 1) * table->n_columns > table->capacity) {
		size_t capacity = MAX(table->capacity * 2, (size_t)TABLE_COLUMNS_MAX * 16);
		void *grown = realloc(table->cells, capacity * TABLE_CELL_SIZE);
		if (!grown)
			return;
		table->cells = grown;
		table->capacity = capacity;
	}
	for (size_t i = 0; i < table->n_columns; i++)
		snprintf(table->cells[table->n_rows * table->n_columns + i], TABLE_CELL_SIZE, "%s",
			 cells[i]);
	table->n_rows++;
}

void table_print(const struct table *table)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	size_t n = table->n_columns;

	for (size_t i = 0; i < table->n_rows * n; i++)
		widths[i % n] = MAX(widths[i % n], width(table->cells[i]));
	for (size_t i = 0; i < table->n_rows * n; i++) {
		const char *text = table->cells[i];
		bool last = i % n == n - 1;
		int padding = last ? 0 : (int)(widths[i % n] - width(text) + 2);
		printf("%s%*s%s", text, padding, "", last ? "\n" : "");
	}
}

static const char *scaled(double value, double step, const char *const units[])
{
	char *text = turn();
	size_t unit = 0;

	while (value >= step && units[unit + 1]) {
		value /= step;
		unit++;
	}
	snprintf(text, TABLE_CELL_SIZE, value < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", value,
		 units[unit]);
	return text;
}

const char *size_text(const json_t *bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", NULL };
	return scaled(json_number_value(bytes), 1024, units);
}

const char *rate_text(const json_t *bps)
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", NULL };
	return scaled(json_number_value(bps), 1000, units);
}

const char *span_text(int64_t seconds)
{
	char *text = turn();

	if (seconds < 120)
		snprintf(text, TABLE_CELL_SIZE, "%" PRId64 " s", seconds);
	else if (seconds < 120 * 60)
		snprintf(text, TABLE_CELL_SIZE, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(text, TABLE_CELL_SIZE, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(text, TABLE_CELL_SIZE, "%" PRId64 " d", seconds / 86400);
	return text;
}

/* Seconds since a time of the API. false: it is none. */
static bool seconds_since(const json_t *time, int64_t *ret_seconds)
{
	const char *value = json_string_value(time);
	struct tm tm = { 0 };

	if (!value || !strptime(value, "%Y-%m-%dT%H:%M:%S", &tm))
		return false;
	*ret_seconds = loop_wall_ns() / NS_PER_S - timegm(&tm);
	return true;
}

const char *age_text(const json_t *time)
{
	char *text = turn();
	int64_t age;

	if (!seconds_since(time, &age))
		return "never";
	if (age >= 0)
		snprintf(text, TABLE_CELL_SIZE, "%s ago", span_text(age));
	else
		snprintf(text, TABLE_CELL_SIZE, "in %s", span_text(-age));
	return text;
}

const char *since_text(const json_t *time)
{
	int64_t age;

	return seconds_since(time, &age) ? span_text(MAX(age, INT64_C(0))) : "";
}

const char *value_text(const json_t *value)
{
	char *text = turn();

	if (json_is_string(value))
		return json_string_value(value);
	snprintf(text, TABLE_CELL_SIZE, "%lld", (long long)json_integer_value(value));
	return text;
}

const char *list_text(const json_t *list, const char *empty)
{
	char *text = turn();
	size_t n = 0, i;
	json_t *item;

	if (json_is_string(list))
		return json_string_value(list);
	if (json_array_size(list) == 0)
		return empty;
	text[0] = '\0';
	json_array_foreach(list, i, item)
	{
		int added = snprintf(text + n, TABLE_CELL_SIZE - n, "%s%s", i > 0 ? ", " : "",
				     value_text(item));
		n = MIN(n + (size_t)added, (size_t)TABLE_CELL_SIZE - 1);
	}
	return text;
}

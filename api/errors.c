/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last faults of our own that requests met, for /v1/status. */
#include "api/errors.h"

#include "agent/base/loop.h"
#include "api/json.h"

void errors_note(struct errors *errors, const char *instance, const char *text)
{
	__typeof__(errors->rows[0]) *row = &errors->rows[errors->n++ % ERRORS_KEPT];

	row->at = loop_wall_ns();
	snprintf(row->instance, sizeof(row->instance), "%s", instance);
	snprintf(row->text, sizeof(row->text), "%s", text);
}

json_t *errors_json(const struct errors *errors)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < MIN(errors->n, (uint64_t)ERRORS_KEPT); i++) {
		__typeof__(errors->rows[0]) *row = &errors->rows[(errors->n - 1 - i) % ERRORS_KEPT];
		json_array_append_new(
			list, json_pack("{s:o, s:s, s:o}", "at", codec_time.encode(&row->at, NULL),
					"instance", row->instance, "detail", json_text(row->text)));
	}
	return list;
}

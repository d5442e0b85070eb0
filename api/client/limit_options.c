/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The limits of a peer as options: numbers with the units that people write. */
#include "api/client/command.h"

#include <stdint.h>
#include <string.h>

static const struct {
	const char *suffix;
	uint64_t factor;
} units[] = {
	{ "", 1 },
	{ "k", 1000 },
	{ "K", 1000 },
	{ "M", 1000000 },
	{ "G", 1000000000 },
	{ "T", UINT64_C(1000000000000) },
	{ "Ki", UINT64_C(1) << 10 },
	{ "Mi", UINT64_C(1) << 20 },
	{ "Gi", UINT64_C(1) << 30 },
	{ "Ti", UINT64_C(1) << 40 },
};

/* "10M", "1.5Gi"; anything else as text: the daemon judges it. */
static json_t *amount(const char *text)
{
	char *end = NULL;
	double number = text[0] >= '0' && text[0] <= '9' ? strtod(text, &end) : -1;

	for (size_t i = 0; end && i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].suffix) == 0 && number * (double)units[i].factor < 9e15)
			return json_integer((json_int_t)(number * (double)units[i].factor + 0.5));
	return json_string(text);
}

void set_limits(json_t *object, const struct arguments *args)
{
	static const struct {
		const char *name;
		enum client_option option;
	} limits[] = {
		{ "rate_in_bps", OPTION_RATE_IN },
		{ "rate_out_bps", OPTION_RATE_OUT },
		{ "quota_bytes", OPTION_QUOTA },
		{ "max_flows", OPTION_MAX_FLOWS },
	};
	json_t *json = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (option_given(args, limits[i].option))
			json_object_set_new(json, limits[i].name,
					    amount(option_value(args, limits[i].option)));
	set_text(json, "quota_period", args, OPTION_QUOTA_PERIOD);
	if (json_object_size(json) > 0)
		json_object_set(object, "limits", json);
	json_decref(json);
}

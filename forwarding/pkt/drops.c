/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of the drop reasons and what senders are told. */
#include "forwarding/pkt/drops.h"

static const struct {
	const char *name;
	enum refuse refuse;
} reasons[DROPS] = {
	[PASS] = { "pass", REFUSE_NONE },
#define DROP(symbol, name_, refuse_) [DROP_##symbol] = { name_, refuse_ },
#include "forwarding/pkt/drops.def"
#undef DROP
};

const char *drop_name(enum drop drop)
{
	return reasons[drop].name;
}

enum refuse drop_refuse(enum drop drop)
{
	return reasons[drop].refuse;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets have no errors, they have verdicts. */
#pragma once

enum drop {
	PASS,
#define DROP(symbol, name, refuse) DROP_##symbol,
#include "forwarding/pkt/drops.def"
#undef DROP
	DROPS
};

/* How the sender of a refused inner packet is told. */
enum refuse {
	REFUSE_NONE,
	REFUSE_ADMIN,
	REFUSE_NET,
	REFUSE_HOST,
	REFUSE_PROTOCOL,
	REFUSE_PORT,
	REFUSE_PROBLEM,
};

/* "pass", or the reason's name as in JSON and metrics. */
const char *drop_name(enum drop drop);
enum refuse drop_refuse(enum drop drop);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drop reasons for those who may not include forwarding/pkt. */
#include "forwarding/forwarding.h"

#include <stddef.h>

#include "forwarding/pkt/drops.h"

_Static_assert(DROPS <= DROPS_MAX, "a counter for each drop reason");

const char *forwarding_drop_name(unsigned drop)
{
	return drop < DROPS ? drop_name((enum drop)drop) : NULL;
}

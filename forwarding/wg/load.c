/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Are so many handshakes coming in that senders must prove their address first? */
#include "forwarding/wg/load.h"

#include "agent/base/macros.h"
#include "forwarding/wg/messages.h"

#define EACH (NS_PER_S / LOAD_DRAIN_PER_S)
#define STICKY NS_PER_S

void load_init(struct load *load)
{
	*load = (struct load){ .updated = MONO_NONE, .busy_at = MONO_NONE };
}

bool load_add(struct load *load, mono_t now)
{
	if (!mono_is_none(load->updated))
		load->queued_ns = MAX(load->queued_ns - mono_sub(now, load->updated), (int64_t)0);
	load->updated = now;
	load->queued_ns = MIN(load->queued_ns + EACH, LOAD_QUEUE_MAX * EACH);

	if (load->queued_ns >= LOAD_THRESHOLD * EACH)
		load->busy_at = now;
	return !time_passed(load->busy_at, STICKY, now);
}

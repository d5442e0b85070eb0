/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys for those who may not include forwarding/wg. */
#include "forwarding/forwarding.h"
#include "forwarding/wg/wg.h"

int forwarding_public_key(const struct wg_key *private_key, struct wg_key *ret_public)
{
	return wg_public_key(private_key, ret_public);
}

void forwarding_generate_private_key(struct wg_key *ret_key)
{
	wg_generate_private_key(ret_key);
}

void forwarding_generate_preshared_key(struct wg_key *ret_key)
{
	wg_generate_preshared_key(ret_key);
}

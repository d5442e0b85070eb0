/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys for the rest of the program. */
#include <errno.h>

#include "forwarding/wg/aead.h"
#include "forwarding/wg/suite.h"
#include "forwarding/wg/wg.h"

int wg_public_key(const struct wg_key *private_key, struct wg_key *ret_public)
{
	struct wg_key clamped = *private_key;
	suite_clamp(&clamped);
	bool good = suite_public(&clamped, ret_public);
	key_wipe(&clamped);
	return good ? 0 : -EINVAL;
}

void wg_generate_private_key(struct wg_key *ret_key)
{
	suite_random(ret_key, sizeof(*ret_key));
	suite_clamp(ret_key);
}

void wg_generate_preshared_key(struct wg_key *ret_key)
{
	suite_random(ret_key, sizeof(*ret_key));
}

const char *wg_aead_name(void)
{
	return aead_name(aead_best());
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ChaCha20-Poly1305 for processors with AVX2: keystream and tag in one pass. */
#pragma once

#include "forwarding/wg/aead.h"

/* Can this processor do it? */
bool chapoly_works(void);

/* As aead_seal and aead_unseal. Only where chapoly_works. */
void chapoly_seal(const struct wg_key *key, const struct aead_text *text);
bool chapoly_unseal(const struct wg_key *key, const struct aead_text *text);

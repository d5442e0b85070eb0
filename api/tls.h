/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificate that the TCP listener shows, and its key. */
#pragma once

#include "agent/base/fault.h"

struct tls_pair;

/* fd: PEM of both, from its start; stays the caller's. 0, or -EINVAL and one sentence in reterr. */
int tls_pair_load(int fd, struct tls_pair **ret_pair, struct fault *reterr);
/* And those before it. */
void tls_pair_free(struct tls_pair *pair);
/* older: kept as long as pair, since handshakes may be in the middle of it. */
void tls_pair_follow(struct tls_pair *pair, struct tls_pair *older);
/* What gnutls_certificate_retrieve_function2 gives out. */
struct gnutls_pcert_st;
struct gnutls_privkey_st;
void tls_pair_get(const struct tls_pair *pair, struct gnutls_pcert_st **ret_certs,
		  unsigned *ret_n_certs, struct gnutls_privkey_st **ret_key);

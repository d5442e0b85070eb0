/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificate that the TCP listener shows, and its key. */
#include "api/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <string.h>

#include "api/api.h"

#define PEM_MAX (300 * 1024)
#define CERTS_MAX 16
#define KEY_ID_SIZE 64

struct tls_pair {
	gnutls_pcert_st certs[CERTS_MAX];
	unsigned n_certs;
	gnutls_privkey_t key;
	struct tls_pair *older;
};

static int refuse(struct fault *reterr, const char *what, int result)
{
	return fault_set(reterr, -EINVAL, "internal", "%s%s%s", what, result < 0 ? ": " : "",
			 result < 0 ? gnutls_strerror(result) : "");
}

/* Does the key belong to the first certificate? */
static bool fits(struct tls_pair *pair)
{
	unsigned char ids[2][KEY_ID_SIZE];
	size_t sizes[2] = { KEY_ID_SIZE, KEY_ID_SIZE };
	gnutls_pubkey_t of_key = NULL;

	bool same = gnutls_pubkey_init(&of_key) == 0 &&
		    gnutls_pubkey_import_privkey(of_key, pair->key, 0, 0) == 0 &&
		    gnutls_pubkey_get_key_id(of_key, 0, ids[0], &sizes[0]) == 0 &&
		    gnutls_pubkey_get_key_id(pair->certs[0].pubkey, 0, ids[1], &sizes[1]) == 0 &&
		    sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
	if (of_key)
		gnutls_pubkey_deinit(of_key);
	return same;
}

static int load(struct tls_pair *pair, const gnutls_datum_t *pem, struct fault *reterr)
{
	unsigned n = CERTS_MAX;

	int r = gnutls_pcert_list_import_x509_raw(pair->certs, &n, pem, GNUTLS_X509_FMT_PEM, 0);
	if (r < 0)
		return refuse(reterr, "the certificate cannot be read", r);
	pair->n_certs = n;
	r = gnutls_privkey_init(&pair->key);
	if (r == 0)
		r = gnutls_privkey_import_x509_raw(pair->key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (r < 0)
		return refuse(reterr, "the key cannot be read", r);
	return fits(pair) ? 0 : refuse(reterr, "the key is not that of the certificate", 0);
}

int tls_pair_load(int fd, struct tls_pair **ret_pair, struct fault *reterr)
{
	struct tls_pair *pair = calloc(1, sizeof(*pair));
	unsigned char *bytes = malloc(PEM_MAX);
	ssize_t n = bytes ? pread(fd, bytes, PEM_MAX, 0) : -1;
	int r = -ENOMEM;

	if (pair && n >= 0)
		r = load(pair, &(gnutls_datum_t){ bytes, (unsigned)n }, reterr);
	else
		fault_set(reterr, r, "internal", "the certificate cannot be kept");
	if (bytes)
		explicit_bzero(bytes, PEM_MAX);
	free(bytes);
	if (r == 0)
		*ret_pair = pair;
	else
		tls_pair_free(pair);
	return r;
}

void tls_pair_free(struct tls_pair *pair)
{
	while (pair) {
		struct tls_pair *older = pair->older;
		for (unsigned i = 0; i < pair->n_certs; i++)
			gnutls_pcert_deinit(&pair->certs[i]);
		if (pair->key)
			gnutls_privkey_deinit(pair->key);
		free(pair);
		pair = older;
	}
}

void tls_pair_follow(struct tls_pair *pair, struct tls_pair *older)
{
	pair->older = older;
}

void tls_pair_get(const struct tls_pair *pair, struct gnutls_pcert_st **ret_certs,
		  unsigned *ret_n_certs, struct gnutls_privkey_st **ret_key)
{
	*ret_certs = (gnutls_pcert_st *)(uintptr_t)pair->certs;
	*ret_n_certs = pair->n_certs;
	*ret_key = pair->key;
}

int api_tls_check(int fd, struct fault *reterr)
{
	struct tls_pair *pair;

	int r = tls_pair_load(fd, &pair, reterr);
	if (r == 0)
		tls_pair_free(pair);
	return r;
}

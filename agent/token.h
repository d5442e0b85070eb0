/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials as text: cvt_<id>_<secret>_<crc>. */
#pragma once

#include "agent/agent.h"

/*
 * DOC: Form
 *
 * id: the 32 hexadecimal digits of an object's id, behind its "token_" or
 * "session_". secret: 43 of 62 letters and digits, 256 bits. crc: CRC-32 of
 * all before its underscore, in base 62, so that what was cut off in copying is
 * seen without a look-up. Scanners for leaked secrets know such text by its
 * prefix. Kept is the SHA-256 of the secret: a slow hash is for what people
 * can remember.
 */
struct credential_kind {
	const char *mark;      /* "cvt_" */
	const char *id_prefix; /* "token_" */
};
extern const struct credential_kind credential_token, credential_session;

/* id: of that kind, as credential_make_id makes it. ret_text is secret. */
void credential_make(const struct credential_kind *kind, const char *id,
		     char ret_text[CREDENTIAL_SIZE], struct wg_key *ret_hash);
/* "token_0190163d8694739baea5966c26f8ad91", by the time as id_make does. */
struct id_source;
void credential_make_id(const struct credential_kind *kind, struct id_source *ids, int64_t wall_ns,
			char ret_id[ID_MAX + 1]);
/* 0, or -EINVAL for what was never made by us. */
int credential_parse(const struct credential_kind *kind, const char *text, char ret_id[ID_MAX + 1],
		     struct wg_key *ret_hash);

/* SHA-256 of a text, its terminating zero, and bytes. */
void credential_fingerprint(const char *text, const void *bytes, size_t length,
			    struct wg_key *ret_fingerprint);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about sessions of browsers, and whose a session is. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

#define SESSION_S (12 * 3600)

/* A token for a single use is spent in the transaction that makes the session of it. */
static int add_session(struct agent *agent, const struct token *token, struct session *session,
		       struct fault *reterr)
{
	size_t n = 0;

	int r = store_credential_prune(agent->store, session->created_at);
	if (r == 0)
		r = store_session_count(agent->store, &n);
	if (r == 0 && n >= SESSIONS_MAX)
		r = fault_set(reterr, -ENOSPC, "storage_full",
			      "There are %d sessions, which is the most: end some.", SESSIONS_MAX);
	if (r == 0 && token->single_use)
		r = store_token_delete(agent->store, token->id);
	if (r == -ENOENT)
		write_not_found(reterr, "token", token->id);
	return r < 0 ? r : store_session_add(agent->store, session);
}

static int64_t session_end(const struct token *token, int64_t now)
{
	int64_t end = now + SESSION_S * NS_PER_S;

	if (token->single_use || token->expires_at == 0)
		return end;
	return MIN(end, token->expires_at);
}

int agent_session_add(struct agent *agent, const struct token *token, struct agent_write *write,
		      struct session *ret_session, char ret_secret[CREDENTIAL_SIZE],
		      struct fault *reterr)
{
	struct session made = { .created_at = loop_wall_ns() };

	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	if (!token->single_use)
		memcpy(made.token, token->id, sizeof(made.token));
	memcpy(made.name, token->name, sizeof(made.name));
	memcpy(made.scopes, token->scopes, sizeof(made.scopes));
	memcpy(made.remote_address, write->actor->from, sizeof(made.remote_address));
	made.expires_at = session_end(token, made.created_at);
	credential_make_id(&credential_session, &agent->ids, made.created_at, made.id);
	credential_make(&credential_session, made.id, ret_secret, &made.secret_hash);
	r = add_session(agent, token, &made, reterr);
	if (r == 0)
		write_made(write, made.id);
	r = write_keep(agent, write, r, reterr);
	if (r < 0)
		explicit_bzero(ret_secret, CREDENTIAL_SIZE);
	else
		*ret_session = made;
	return r;
}

int agent_session_remove(struct agent *agent, const char *id, struct agent_write *write,
			 struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = store_session_delete(agent->store, id);
	if (r == -ENOENT)
		write_not_found(reterr, "session", id);
	return write_keep(agent, write, r, reterr);
}

int agent_session_get(struct agent *agent, const char *id, struct session *ret_session)
{
	return store_session_get(agent->store, id, ret_session);
}

int agent_session_each(struct agent *agent, const char *after, size_t limit,
		       int (*fn)(void *ctx, const struct session *session), void *ctx)
{
	journal_flush(agent);
	return store_session_each(agent->store, after, limit, fn, ctx);
}

int agent_session_check(struct agent *agent, const char *text, struct session *ret_session)
{
	char id[ID_MAX + 1];
	struct wg_key hash;
	struct session session;

	if (credential_parse(&credential_session, text, id, &hash) < 0)
		return -ENOENT;
	int r = store_session_get(agent->store, id, &session);
	if (r < 0)
		return r;
	if (!key_equal(&session.secret_hash, &hash) || session.expires_at <= loop_wall_ns())
		return -ENOENT;
	journal_note_use(agent, session.id, session.last_used_at);
	*ret_session = session;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about tokens, and whose a token is. */
#include <errno.h>
#include <string.h>

#include "agent/inside.h"

/* Signing in by a link is a matter of minutes. */
#define SINGLE_USE_S 600

static void validate_token(const struct token *token, int64_t now, struct fault *reterr)
{
	validate_name(token->name, reterr);
	if (token->scopes[0] == '\0')
		fault_add(reterr, "/scopes", "required", "A token needs at least one scope.");
	if (token->expires_at != 0 && token->expires_at <= now)
		fault_add(reterr, "/expires_at", "past", "This time has passed.");
	if (token->single_use && token->expires_at > now + SINGLE_USE_S * NS_PER_S)
		fault_add(reterr, "/expires_at", "too_late",
			  "A token for a single use lasts at most %d s.", SINGLE_USE_S);
}

static int add_token(struct agent *agent, struct token *token, struct fault *reterr)
{
	size_t n = 0;

	int r = store_credential_prune(agent->store, token->created_at);
	if (r == 0)
		r = store_token_count(agent->store, &n);
	if (r == 0 && n >= TOKENS_MAX)
		r = fault_set(reterr, -ENOSPC, "storage_full",
			      "There are %d tokens, which is the most: revoke some.", TOKENS_MAX);
	return r < 0 ? r : store_token_add(agent->store, token);
}

int agent_token_add(struct agent *agent, const struct token *token, struct agent_write *write,
		    struct token *ret_token, char ret_secret[CREDENTIAL_SIZE], struct fault *reterr)
{
	struct token made = *token;

	made.created_at = loop_wall_ns();
	validate_token(&made, made.created_at, reterr);
	int r = validate_end(reterr);
	if (r == 0)
		r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;

	if (made.single_use && made.expires_at == 0)
		made.expires_at = made.created_at + SINGLE_USE_S * NS_PER_S;
	made.last_used_at = 0;
	credential_make_id(&credential_token, &agent->ids, made.created_at, made.id);
	credential_make(&credential_token, made.id, ret_secret, &made.secret_hash);
	r = add_token(agent, &made, reterr);
	if (r == 0)
		write_made(write, made.id);
	r = write_keep(agent, write, r, reterr);
	if (r < 0)
		explicit_bzero(ret_secret, CREDENTIAL_SIZE);
	else
		*ret_token = made;
	return r;
}

int agent_token_remove(struct agent *agent, const char *id, struct agent_write *write,
		       struct fault *reterr)
{
	int r = write_begin(agent, write, reterr);
	if (r < 0)
		return r;
	r = store_token_delete(agent->store, id);
	if (r == -ENOENT)
		write_not_found(reterr, "token", id);
	return write_keep(agent, write, r, reterr);
}

int agent_token_get(struct agent *agent, const char *id, struct token *ret_token)
{
	return store_token_get(agent->store, id, ret_token);
}

int agent_token_each(struct agent *agent, const char *after, size_t limit,
		     int (*fn)(void *ctx, const struct token *token), void *ctx)
{
	journal_flush(agent);
	return store_token_each(agent->store, after, limit, fn, ctx);
}

int agent_token_check(struct agent *agent, const char *text, struct token *ret_token)
{
	char id[ID_MAX + 1];
	struct wg_key hash;
	struct token token;

	if (credential_parse(&credential_token, text, id, &hash) < 0)
		return -ENOENT;
	int r = store_token_get(agent->store, id, &token);
	if (r < 0)
		return r;
	if (!key_equal(&token.secret_hash, &hash) ||
	    (token.expires_at != 0 && token.expires_at <= loop_wall_ns()))
		return -ENOENT;
	journal_note_use(agent, token.id, token.last_used_at);
	*ret_token = token;
	return 0;
}

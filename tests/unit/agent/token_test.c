/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials: their text, how long they last, and that a single use is one. */
#include "agent/token.h"
#include "tests/unit/agent/fixture.h"

#define MADE "cvt_0123456789abcdef0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq_"

TEST(text_is_what_was_made)
{
	char text[CREDENTIAL_SIZE], again[CREDENTIAL_SIZE], id[ID_MAX + 1];
	const char *made = "token_0123456789abcdef0123456789abcdef";
	struct wg_key hash, read;

	credential_make(&credential_token, made, text, &hash);
	CHECK_EQ(strlen(text), strlen(MADE) + 6);
	CHECK_MEM(text, MADE, 37);
	CHECK_EQ(credential_parse(&credential_token, text, id, &read), 0);
	CHECK_STR(id, made);
	CHECK(key_equal(&read, &hash));
	/* No secret twice, and no token is a session. */
	credential_make(&credential_token, made, again, &hash);
	CHECK(strcmp(text, again) != 0 && !key_equal(&read, &hash));
	CHECK_EQ(credential_parse(&credential_session, text, id, &read), -EINVAL);
}

/* Python: zlib.crc32(b"cvt_...") in base 62, and hashlib.sha256(b"ABC..."). */
TEST(others_compute_the_same)
{
	static const uint8_t start[] = { 0x76, 0x9e, 0x8d, 0x95 };
	char id[ID_MAX + 1];
	struct wg_key hash;

	CHECK_EQ(credential_parse(&credential_token, MADE "48ATEs", id, &hash), 0);
	CHECK_MEM(hash.b, start, sizeof(start));
}

TEST(any_changed_character_is_seen)
{
	char text[CREDENTIAL_SIZE + 8], id[ID_MAX + 1];
	struct wg_key hash;

	credential_make(&credential_token, "token_0123456789abcdef0123456789abcdef", text, &hash);
	size_t length = strlen(text);
	for (size_t i = 0; i < length; i++) {
		char kept = text[i];
		text[i] = kept == 'a' ? 'b' : 'a';
		if (credential_parse(&credential_token, text, id, &hash) != -EINVAL)
			TEST_FAIL("character %zu", i);
		text[i] = '\0';
		CHECK_EQ(credential_parse(&credential_token, text, id, &hash), -EINVAL);
		text[i] = kept;
	}
	memcpy(text + length, "0", 2);
	CHECK_EQ(credential_parse(&credential_token, text, id, &hash), -EINVAL);
}

static struct token make_token(struct token token, char ret_secret[CREDENTIAL_SIZE])
{
	struct token made;

	snprintf(token.name, sizeof(token.name), "ci");
	snprintf(token.scopes, sizeof(token.scopes), "peers:read");
	if (agent_token_add(t.agent, &token, &t.write, &made, ret_secret, agent_fixture_fault()) <
	    0)
		TEST_FAIL("%s", t.fault.text);
	return made;
}

TEST(tokens_survive_a_restart_and_end_at_once)
{
	char secret[CREDENTIAL_SIZE];
	struct token made, found;

	agent_fixture_fresh();
	uint64_t revision = agent_revision(t.agent);
	unsigned published = fake_link.published;
	made = make_token((struct token){ .single_use = false }, secret);
	CHECK_EQ(agent_revision(t.agent), revision);
	CHECK_EQ(fake_link.published, published);
	agent_fixture_stop();
	CHECK_EQ(agent_fixture_start(), 0);
	CHECK_EQ(agent_token_check(t.agent, secret, &found), 0);
	CHECK_STR(found.id, made.id);
	CHECK_STR(found.scopes, "peers:read");

	t.write.dry_run = true;
	CHECK_EQ(agent_token_remove(t.agent, made.id, &t.write, agent_fixture_fault()), 0);
	CHECK_EQ(agent_token_check(t.agent, secret, &found), 0);
	t.write.dry_run = false;
	CHECK_EQ(agent_token_remove(t.agent, made.id, &t.write, agent_fixture_fault()), 0);
	CHECK_EQ(agent_token_check(t.agent, secret, &found), -ENOENT);
	CHECK_EQ(agent_token_remove(t.agent, made.id, &t.write, agent_fixture_fault()), -ENOENT);
}

TEST(a_session_ends_with_its_token)
{
	static const struct actor actor = { .who = "token:x", .from = "192.0.2.7" };
	char secret[CREDENTIAL_SIZE], cookie[CREDENTIAL_SIZE];
	struct session session, found;

	agent_fixture_fresh();
	struct token token = make_token(
		(struct token){ .expires_at = loop_wall_ns() + 3600 * NS_PER_S }, secret);
	t.write.actor = &actor;
	CHECK_EQ(agent_session_add(t.agent, &token, &t.write, &session, cookie,
				   agent_fixture_fault()),
		 0);
	CHECK_EQ(session.expires_at, token.expires_at);
	CHECK_EQ(agent_session_check(t.agent, cookie, &found), 0);
	CHECK_STR(found.remote_address, "192.0.2.7");
	CHECK_EQ(agent_session_check(t.agent, secret, &found), -ENOENT);
	CHECK_EQ(agent_token_remove(t.agent, token.id, &t.write, agent_fixture_fault()), 0);
	CHECK_EQ(agent_session_check(t.agent, cookie, &found), -ENOENT);
}

TEST(a_single_use_is_spent_with_the_session)
{
	static const struct actor actor = { .who = "token:x", .from = "192.0.2.7" };
	char secret[CREDENTIAL_SIZE], cookie[CREDENTIAL_SIZE];
	struct session session;
	struct token found;

	agent_fixture_fresh();
	struct token token = make_token((struct token){ .single_use = true }, secret);
	CHECK_EQ(token.expires_at, token.created_at + 600 * NS_PER_S);
	t.write.actor = &actor;
	CHECK_EQ(agent_session_add(t.agent, &token, &t.write, &session, cookie,
				   agent_fixture_fault()),
		 0);
	CHECK_EQ(session.expires_at, session.created_at + 12 * 3600 * NS_PER_S);
	CHECK_EQ(agent_token_check(t.agent, secret, &found), -ENOENT);
	CHECK_EQ(agent_session_check(t.agent, cookie, &session), 0);
	/* Two who open the link at once: the second comes too late. */
	CHECK_EQ(agent_session_add(t.agent, &token, &t.write, &session, cookie,
				   agent_fixture_fault()),
		 -ENOENT);
}

TEST(tokens_have_a_most)
{
	struct token token = { .name = "ci", .scopes = "peers:read" }, made;
	char secret[CREDENTIAL_SIZE];
	int r = 0;

	agent_fixture_fresh();
	for (int i = 0; r == 0 && i <= TOKENS_MAX; i++) {
		r = agent_token_add(t.agent, &token, &t.write, &made, secret,
				    agent_fixture_fault());
		CHECK_EQ(r, i < TOKENS_MAX ? 0 : -ENOSPC);
	}
	CHECK_STR(t.fault.problem, "storage_full");
	CHECK_EQ(agent_token_remove(t.agent, made.id, &t.write, agent_fixture_fault()), 0);
	CHECK_EQ(agent_token_add(t.agent, &token, &t.write, &made, secret, agent_fixture_fault()),
		 0);
}

TEST_MAIN

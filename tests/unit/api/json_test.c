/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Times, merge patches, Accept and cursors, against the examples of their standards. */
#include "api/json.h"

#include "api/accept.h"
#include "api/router.h"
#include "tests/test.h"
#include "tests/unit/api/fake_agent.h"

TEST(times_go_both_ways)
{
	static const struct {
		const char *text, *back;
	} times[] = {
		{ "1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.52Z" },
		{ "1996-12-19T16:39:57-08:00", "1996-12-20T00:39:57Z" },
		{ "2030-01-01t00:00:00z", "2030-01-01T00:00:00Z" },
		{ "2030-01-01T00:00:00.000000001Z", "2030-01-01T00:00:00.000000001Z" },
		{ "2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z" },
		{ "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z" },
	};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char text[RFC3339_SIZE];
		int64_t ns;
		CHECK_EQ(rfc3339_parse(times[i].text, &ns), 0);
		CHECK_STR(rfc3339_format(ns, text), times[i].back);
	}
}

TEST(other_texts_are_no_times)
{
	static const char *const bad[] = {
		"",
		"2030-01-01",
		"2030-01-01T00:00:00",
		"2030-01-01 00:00:00Z",
		"2030-02-30T00:00:00Z",
		"2030-13-01T00:00:00Z",
		"2030-01-01T24:00:00Z",
		"2030-01-01T00:00:60Z",
		"2030-01-01T00:00:00.Z",
		"2030-01-01T00:00:00.0000000001Z",
		"2030-01-01T00:00:00+2:00",
		"2030-01-01T00:00:00Z ",
		"20300-01-01T00:00:00Z",
		"9999-01-01T00:00:00Z",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t ns;
		if (rfc3339_parse(bad[i], &ns) == 0)
			TEST_FAIL("accepted \"%s\"", bad[i]);
	}
}

/* RFC 7396, appendix A: those whose target and patch are objects. */
static const struct {
	const char *target, *patch, *result;
} merges[] = {
	{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
	{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
	{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
	{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
	{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
	{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
	{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
};

TEST(patches_merge)
{
	for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
		json_t *target = json_loads(merges[i].target, 0, NULL);
		json_t *patch = json_loads(merges[i].patch, 0, NULL);
		json_t *want = json_loads(merges[i].result, 0, NULL);
		CHECK_EQ(json_merge_patch(target, patch), 0);
		if (!json_equal(target, want))
			TEST_FAIL("%s on %s", merges[i].patch, merges[i].target);
		json_decref(target);
		json_decref(patch);
		json_decref(want);
	}
}

TEST(accept_picks_the_best)
{
	static const char *const types[] = { "text/plain", "image/svg+xml", NULL };

	CHECK_EQ(accept_choose(NULL, types), 0);
	CHECK_EQ(accept_choose("*/*", types), 0);
	CHECK_EQ(accept_choose("image/svg+xml", types), 1);
	CHECK_EQ(accept_choose("IMAGE/*", types), 1);
	CHECK_EQ(accept_choose("text/plain;q=0.1, */*;q=0.2", types), 1);
	CHECK_EQ(accept_choose("text/plain;q=0, */*", types), 1);
	CHECK_EQ(accept_choose("text/html", types), -1);
	CHECK_EQ(accept_choose("text/plain;q=0", types), -1);
	CHECK_EQ(accept_choose("text/plain ; q=0.5 , image/svg+xml ; q=0.50", types), 0);
	CHECK_EQ(accept_choose("", types), -1);
}

TEST(cursors_go_both_ways)
{
	char longest[ID_MAX + 1] = "", cursor[CURSOR_SIZE], id[ID_MAX + 1];
	static const char *const ids[] = { "a", "ab", "abc", "peer_0190-x" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		cursor_encode(ids[i], cursor);
		CHECK_EQ(cursor_decode(cursor, id), 0);
		CHECK_STR(id, ids[i]);
	}
	memset(longest, 'z', ID_MAX);
	cursor_encode(longest, cursor);
	CHECK_EQ(cursor_decode(cursor, id), 0);
	CHECK_STR(id, longest);
	CHECK(cursor_decode("Lw", id) < 0); /* "/" */
	CHECK(cursor_decode("a b", id) < 0);
	CHECK(cursor_decode("", id) < 0);
}

TEST(ids)
{
	CHECK(id_is_well_formed("a"));
	CHECK(id_is_well_formed("0_-"));
	CHECK(!id_is_well_formed(""));
	CHECK(!id_is_well_formed("_a"));
	CHECK(!id_is_well_formed("-a"));
	CHECK(!id_is_well_formed("a.b"));
	CHECK(!id_is_well_formed(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

TEST_MAIN

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of flows: pages, filters, cutting. */
#include "tests/unit/api/http.h"

#define KEY "BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* n flows of the peer "a": every third UDP, every tenth closing, to 10.0.<i / 256>.<i % 256>. */
static void open_with(size_t n)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 201);
	fake.n_flows = n;
	for (size_t i = 0; i < n; i++) {
		struct flow_row *row = &fake.flows[i];
		*row = (struct flow_row){
			.id = UINT64_C(0xabc000000000) + i,
			.slot = 1,
			.protocol = i % 3 == 0 ? PROTOCOL_UDP : PROTOCOL_TCP,
			.state = i % 10 == 0 ? FLOW_CLOSING : FLOW_OPEN,
			.started_at = INT64_C(1700000000) * NS_PER_S,
			.idle_s = 5,
			.bytes_in = 1000 + i,
		};
		endpoint_parse("100.64.0.2:40000", &row->source);
		endpoint_parse("10.0.0.0:443", &row->destination);
		endpoint_parse("192.0.2.1:50000", &row->translated_source);
		row->destination.addr.b[2] = (uint8_t)(i / 256);
		row->destination.addr.b[3] = (uint8_t)(i % 256);
	}
}

TEST(a_flow_has_all_members)
{
	open_with(2);
	CHECK_EQ(http_get("/v1/flows"), 200);
	CHECK(!http_has("ETag"));
	json_t *json = http_json();
	CHECK_EQ(json_array_size(json_object_get(json, "items")), 2);
	CHECK(json_is_null(json_object_get(json, "next_cursor")));
	json_t *want = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "id",
		"flow_abc000000001", "protocol", "tcp", "peer", "a", "source", "100.64.0.2:40000",
		"destination", "10.0.0.1:443", "translated_source", "192.0.2.1:50000", "state",
		"open", "started_at", "2023-11-14T22:13:20Z", "idle_s", 5, "bytes_in", 1001,
		"bytes_out", 0, "packets_in", 0, "packets_out", 0);
	CHECK(json_equal(json_array_get(json_object_get(json, "items"), 1), want));
	json_decref(want);
	json_decref(json);
	http_close();
}

TEST(where_there_are_no_ports_the_address_stands_alone)
{
	open_with(1);
	fake.flows[0].protocol = PROTOCOL_ICMP;
	fake.flows[0].slot = 9;
	fake.flows[0].started_at = 0;
	memset(&fake.flows[0].translated_source, 0, sizeof(struct endpoint));
	CHECK_EQ(http_get("/v1/flows"), 200);
	CHECK(http_has("\"source\":\"100.64.0.2\"") && http_has("\"destination\":\"10.0.0.0\""));
	CHECK(http_has("\"translated_source\":null") && http_has("\"started_at\":null"));
	CHECK(http_has("\"peer\":null"));
	http_close();
}

/* Follows the cursors from target on; returns how many items there are. */
static size_t walk(const char *target, size_t limit, int *ret_pages)
{
	char next[512];
	size_t n = 0;

	snprintf(next, sizeof(next), "%s", target);
	for (*ret_pages = 0; next[0]; ++*ret_pages) {
		CHECK_EQ(http_get(next), 200);
		const char *link = strstr(http_reply, "Link: <");
		size_t length = link ? strcspn(link + 7, ">") : 0;
		snprintf(next, sizeof(next), "%.*s", (int)length, link ? link + 7 : "");
		json_t *json = http_json();
		size_t items = json_array_size(json_object_get(json, "items"));
		CHECK(items <= limit);
		CHECK_EQ(json_is_string(json_object_get(json, "next_cursor")), next[0] != '\0');
		json_decref(json);
		n += items;
	}
	return n;
}

TEST(pages_end_where_the_flows_end)
{
	int pages;

	open_with(600);
	CHECK_EQ(walk("/v1/flows?limit=500", 500, &pages), 600);
	CHECK_EQ(pages, 2);
	CHECK_EQ(walk("/v1/flows?limit=300", 300, &pages), 600);
	CHECK_EQ(pages, 2);
	CHECK_EQ(walk("/v1/flows?limit=7", 7, &pages), 600);
	CHECK_EQ(walk("/v1/flows", 100, &pages), 600);
	http_close();
}

TEST(filters_hold_on_all_pages)
{
	int pages;

	open_with(600);
	CHECK_EQ(walk("/v1/flows?protocol=udp&limit=90", 90, &pages), 200);
	CHECK_EQ(walk("/v1/flows?protocol=17", 100, &pages), 200);
	CHECK_EQ(walk("/v1/flows?state=closing&limit=25", 25, &pages), 60);
	CHECK_EQ(walk("/v1/flows?state=closing&limit=7", 7, &pages), 60);
	CHECK_EQ(walk("/v1/flows?state=closing&protocol=tcp", 100, &pages), 40);
	CHECK_EQ(walk("/v1/flows?destination=10.0.1.0%2F24&limit=100", 100, &pages), 256);
	CHECK_EQ(walk("/v1/flows?destination=10.0.2.7", 100, &pages), 1);
	CHECK_EQ(walk("/v1/flows?peer=a&limit=500", 500, &pages), 600);
	CHECK_EQ(walk("/v1/flows?state=dialing", 100, &pages), 0);
	http_close();
}

TEST(filters_that_make_no_sense)
{
	static const char *const bad[] = {
		"protocol=x",	"protocol=0",	   "protocol=256",	     "state=shut",
		"peer=nobody",	"peer=",	   "destination=10.0.0.1/8", "destination=x",
		"limit=501",	"cursor=cGVlcl8x", "cursor=Zmxvd18w",	     "source=10.0.0.1",
		"dry_run=true",
	};

	open_with(1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char target[128];
		snprintf(target, sizeof(target), "/v1/flows?%s", bad[i]);
		if (http_get(target) != 400)
			TEST_FAIL("%s: %.60s", bad[i], http_reply);
	}
	http_close();
}

TEST(a_flow_can_be_cut)
{
	open_with(3);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_abc000000001?dry_run=true", "", ""),
		 204);
	CHECK_EQ(fake.n_flows, 3);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_abc000000001", "", ""), 204);
	CHECK_EQ(fake.n_flows, 2);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_abc000000001", "", ""), 404);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_abc000000001?dry_run=true", "", ""),
		 404);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_0", "", ""), 404);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/flow_0abc000000002", "", ""), 404);
	CHECK_EQ(http_send(false, "DELETE", "/v1/flows/abc000000002", "", ""), 404);
	CHECK_EQ(http_get("/v1/flows/flow_abc000000002"), 405);
	CHECK_EQ(fake.n_flows, 2);
	http_close();
}

TEST(rows_that_make_no_sense_are_left_out)
{
	open_with(3);
	fake.flows[1].state = 200;
	CHECK_EQ(http_get("/v1/flows"), 200);
	CHECK(http_count("\"id\":") == 2);
	http_close();
}

TEST(an_engine_that_is_away_is_503)
{
	open_with(1);
	fake.not_ready = true;
	CHECK_EQ(http_get("/v1/flows"), 503);
	CHECK(http_has("engine_unavailable"));
	CHECK_EQ(http_get("/readyz"), 503);
	CHECK_EQ(http_get("/v1/status"), 200);
	json_t *json = http_json();
	json_t *errors = json_object_get(json, "last_errors");
	CHECK_EQ(json_array_size(errors), 1);
	CHECK_STR(json_string_value(json_object_get(json_array_get(errors, 0), "detail")),
		  "It is away.");
	json_decref(json);
	http_close();
}

TEST_MAIN

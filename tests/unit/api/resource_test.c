/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What clients of the resources see: bodies, faults, revisions, pages, secrets. */
#include "tests/unit/api/http.h"

#define KEY "BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

TEST(a_peer_without_key_comes_with_its_secrets_once)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/peers", "{\"name\":\"laptop\"}"), 201);
	CHECK(http_has("Location: /v1/peers/peer_01\r\n"));
	CHECK(http_has("ETag: \"r2\"\r\n"));
	CHECK(http_has("Cache-Control: no-store\r\n"));
	json_t *json = http_json();
	CHECK(json_is_string(json_object_get(json, "private_key")));
	CHECK(strstr(json_string_value(json_object_get(json, "client_config")), "VVVV"));
	CHECK(strstr(json_string_value(json_object_get(json, "client_config_qr_svg")), "<svg"));
	CHECK(json_is_true(json_object_get(json, "enabled")));
	json_decref(json);

	CHECK_EQ(http_get("/v1/peers/peer_01"), 200);
	CHECK(!http_has("private_key") && !http_has("client_config"));
	CHECK(http_has("\"receive_bytes\": 42"));
	http_close();
}

TEST(a_given_key_has_no_secrets)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/peers", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 201);
	CHECK(!http_has("private_key") && !http_has("client_config"));
	http_close();
}

TEST(all_wrong_members_are_listed_at_once)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/peers",
		      "{\"name\":\"\",\"endpoint\":\"nowhere\",\"persistent_keepalive_s\":70000,"
		      "\"addresses\":[\"10.0.0.1/32\",\"10.0.0.1/8\"],\"expires_at\":\"soon\","
		      "\"tags\":[1],\"limits\":{\"quota_period\":\"year\",\"x\":1},\"a/b~c\":1,"
		      "\"enabled\":\"yes\",\"preshared_key\":\"short\"}"),
		 422);
	CHECK(http_has("application/problem+json"));
	CHECK(ERRORS("/name", "/endpoint", "/persistent_keepalive_s", "/addresses/1", "/expires_at",
		     "/tags/0", "/limits/quota_period", "/limits/x", "/a~1b~0c", "/enabled",
		     "/preshared_key"));
	CHECK_EQ(post("/v1/peers", "{}"), 422);
	CHECK(ERRORS("/name"));
	CHECK_EQ(post("/v1/routes", "{\"prefix\":\"10.0.0.1/8\",\"peers\":[3],\"ports\":[\"9-8\"],"
				    "\"protocols\":[\"tcp\",256],\"map_to\":\"10.0.0.0/8\"}"),
		 422);
	CHECK(ERRORS("/prefix", "/peers/0", "/ports/0", "/protocols/1", "/map_to"));
	CHECK_EQ(patch("/v1/node", "{\"mtu\":100,\"dns\":[\"x\"],\"listen_port\":0}"), 422);
	CHECK(ERRORS("/mtu", "/dns/0", "/listen_port"));
	CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"fast\"}"), 422);
	CHECK(ERRORS("/desired"));
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(broken_json_is_400)
{
	static const char *const bad[] = {
		"",
		"{",
		"{\"name\":\"a\",\"name\":\"b\"}",
		"nul",
		"{\"a\":1}x",
		"{\"name\":\"\\u0000\"}",
		"\"\xff\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	};

	http_open(getuid(), false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (post("/v1/peers", bad[i]) != 400)
			TEST_FAIL("%s: %.40s", bad[i], http_reply);
	CHECK_EQ(post("/v1/peers", "[]"), 422);
	CHECK_EQ(post("/v1/peers", "null"), 422);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(what_get_gave_can_be_put)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/peers/a",
		     "{\"name\":\"a\",\"public_key\":\"" KEY "\",\"preshared_key\":\"" KEY "\","
		     "\"expires_at\":\"2030-01-01T00:00:00.25Z\",\"tags\":[\"x\"],"
		     "\"limits\":{\"max_flows\":5}}"),
		 201);
	CHECK(!http_has("preshared_key\":\""));
	struct peer before = fake.peers[0];
	CHECK_EQ(http_get("/v1/peers/a"), 200);
	CHECK(http_has("\"expires_at\": \"2030-01-01T00:00:00.25Z\""));
	CHECK(http_has("\"has_preshared_key\": true"));
	char *body = strdup(strstr(http_reply, "\r\n\r\n") + 4);
	CHECK_EQ(put("/v1/peers/a", body), 200);
	free(body);
	before.revision = fake.peers[0].revision;
	CHECK_MEM(&fake.peers[0], &before, sizeof(before));

	/* Only without that member does a PUT drop the key. */
	CHECK_EQ(put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 200);
	CHECK(!fake.peers[0].has_preshared_key);
	http_close();
}

TEST(a_patch_changes_what_it_names)
{
	http_open(getuid(), false);
	put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\",\"preshared_key\":\"" KEY
			   "\",\"tags\":[\"x\",\"y\"],\"persistent_keepalive_s\":25,"
			   "\"limits\":{\"max_flows\":5,\"quota_bytes\":7}}");
	CHECK_EQ(patch("/v1/peers/a",
		       "{\"name\":\"b\",\"tags\":[\"z\"],\"limits\":{\"max_flows\":null},"
		       "\"persistent_keepalive_s\":null,\"status\":{\"online\":3}}"),
		 200);
	const struct peer *peer = &fake.peers[0];
	CHECK_STR(peer->name, "b");
	CHECK_EQ(peer->n_tags, 1);
	CHECK_STR(peer->tags[0], "z");
	CHECK_EQ(peer->limits.max_flows, 0);
	CHECK_EQ(peer->limits.quota_bytes, 7);
	CHECK_EQ(peer->persistent_keepalive_s, 0);
	CHECK(peer->has_preshared_key && peer->preshared_key.b[0] == 7);
	CHECK_EQ(patch("/v1/peers/a", "{\"preshared_key\":null}"), 200);
	CHECK(!fake.peers[0].has_preshared_key);
	CHECK_EQ(patch("/v1/peers/a", "{\"name\":null}"), 422);
	CHECK(ERRORS("/name"));
	CHECK_EQ(patch("/v1/peers/a", "[1]"), 422);
	CHECK_EQ(patch("/v1/exit-node", "{\"enabled\":true,\"ipv6\":false}"), 200);
	CHECK(fake.exit_node.enabled && fake.exit_node.ipv4 && !fake.exit_node.ipv6);
	CHECK_EQ(put("/v1/exit-node", "{\"peers\":[\"tag:x\"]}"), 200);
	CHECK(!fake.exit_node.enabled && fake.exit_node.ipv6 && !fake.exit_node.grant.all);
	CHECK_EQ(patch("/v1/node", "{\"name\":\"n\",\"endpoint\":\"vpn.example\"}"), 200);
	CHECK_EQ(patch("/v1/node", "{\"endpoint\":null}"), 200);
	CHECK_STR(fake.node.endpoint, "");
	CHECK_EQ(fake.node.listen_port, 51820);
	http_close();
}

TEST(revisions_guard_writes_and_spare_reads)
{
	http_open(getuid(), false);
	put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"); /* r2 */
	static const struct {
		const char *method, *header;
		int status;
	} cases[] = {
		{ "GET", "If-None-Match: \"r2\"\r\n", 304 },
		{ "GET", "If-None-Match: W/\"r2\"\r\n", 304 },
		{ "GET", "If-None-Match: \"r1\", \"r2\"\r\n", 304 },
		{ "GET", "If-None-Match: \"r1\"\r\n", 200 },
		{ "PATCH", "If-Match: \"r1\"\r\n", 412 },
		{ "PATCH", "If-Match: W/\"r2\"\r\n", 412 },
		{ "PATCH", "If-Match: r2\r\n", 412 },
		{ "DELETE", "If-Match: \"r9\"\r\n", 412 },
		{ "PATCH", "If-Match: \"r9\", \"r2\"\r\n", 200 }, /* r3 */
		{ "PATCH", "If-Match: *\r\n", 200 },		  /* r4 */
		{ "PUT", "If-None-Match: *\r\n", 412 },
		{ "DELETE", "If-Match: \"r4\"\r\n", 204 },
		{ "PUT", "If-Match: *\r\n", 412 },
		{ "PUT", "If-None-Match: *\r\n", 201 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool get = strcmp(cases[i].method, "GET") == 0;
		int status = http_send(false, cases[i].method, "/v1/peers/a", cases[i].header,
				       get ? "" : "{\"name\":\"a\",\"public_key\":\"" KEY "\"}");
		if (status != cases[i].status)
			TEST_FAIL("%s %s is %d: %s", cases[i].method, cases[i].header, status,
				  http_reply);
		if (status == 412 && i < 10)
			CHECK(http_has("\"current_revision\": 2"));
	}
	http_close();
}

TEST(a_rehearsal_changes_nothing)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/peers?dry_run=true", "{\"name\":\"a\"}"), 201);
	CHECK(!http_has("Location") && !http_has("private_key") && !http_has("ETag"));
	CHECK_EQ(post("/v1/routes?dry_run=true", "{\"prefix\":\"10.0.0.0/8\"}"), 201);
	CHECK_EQ(http_send(false, "PATCH", "/v1/node?dry_run=true", "", "{\"name\":\"x\"}"), 200);
	CHECK_EQ(put("/v1/dataplane?dry_run=true", "{\"desired\":\"netstack\"}"), 200);
	CHECK(http_has("\"flows_cut\": 0"));
	CHECK_EQ(fake.n_writes, 0);
	/* A misspelt one is no real write. */
	CHECK_EQ(post("/v1/peers?dryrun=true", "{\"name\":\"a\"}"), 400);
	CHECK_EQ(post("/v1/peers?dry_run=yes", "{\"name\":\"a\"}"), 400);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(lists_come_in_pages)
{
	char target[256] = "/v1/peers?limit=3";
	size_t seen = 0;

	http_open(getuid(), false);
	for (int i = 0; i < 8; i++) {
		char body[64];
		snprintf(body, sizeof(body), "{\"name\":\"p%d\"}", i);
		CHECK_EQ(post("/v1/peers", body), 201);
	}
	for (int page = 0; page < 3; page++) {
		CHECK_EQ(http_get(target), 200);
		CHECK(http_has("ETag: \"r9\""));
		json_t *json = http_json();
		json_t *next = json_object_get(json, "next_cursor");
		seen += json_array_size(json_object_get(json, "items"));
		CHECK_EQ(json_integer_value(json_object_get(json, "revision")), 9);
		CHECK_EQ(json_is_null(next), page == 2);
		CHECK_EQ(http_has("rel=\"next\""), page < 2);
		if (page < 2)
			snprintf(target, sizeof(target), "/v1/peers?limit=3&cursor=%s",
				 json_string_value(next));
		json_decref(json);
	}
	CHECK_EQ(seen, 8);
	CHECK_EQ(http_get("/v1/peers?limit=0"), 400);
	CHECK_EQ(http_get("/v1/peers?limit=501"), 400);
	CHECK_EQ(http_get("/v1/peers?limit=x"), 400);
	CHECK_EQ(http_get("/v1/peers?cursor=%2e"), 400);
	CHECK_EQ(http_get("/v1/peers?cursor="), 400);
	http_close();
}

TEST(paths_and_methods)
{
	http_open(getuid(), false);
	CHECK_EQ(http_get("/v1/nowhere"), 404);
	CHECK_EQ(http_get("/v1/peers/"), 404);
	CHECK_EQ(http_get("/v1/peers/none"), 404);
	CHECK_EQ(http_get("/v1/peers/a%2Fb"), 404);
	CHECK_EQ(http_get("/v1%2Fpeers"), 404);
	CHECK_EQ(http_get("/v1/node?x=1"), 400);
	CHECK_EQ(http_send(false, "DELETE", "/v1/peers", "", ""), 405);
	CHECK(http_has("Allow: GET, HEAD, POST\r\n"));
	CHECK_EQ(http_send(false, "OPTIONS", "/v1/node", "", ""), 405);
	CHECK_EQ(http_send(false, "get", "/v1/node", "", ""), 405);
	CHECK_EQ(put("/v1/peers/_bad", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 422);
	CHECK_EQ(patch("/v1/peers/none", "{}"), 404);
	CHECK_EQ(http_send(false, "HEAD", "/v1/node", "", ""), 200);
	CHECK(!http_has("listen_port"));
	http_close();
}

TEST(conflicts_say_with_what)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/peers", "{\"name\":\"a\"}"), 201);
	CHECK_EQ(post("/v1/peers", "{\"name\":\"a\"}"), 409);
	CHECK(http_has("\"existing_id\": \"peer_01\""));
	CHECK(http_has("\"type\": \"/problems/conflict\""));
	CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"kernel\"}"), 409);
	CHECK(http_has("It is not there."));
	http_close();
}

/* Whoever refuses, supervisor or engine, and with or without words. */
TEST(a_switch_that_fails_has_reasons)
{
	static const struct {
		int error;
		const char *problem, *text, *code;
		int status;
		const char *reason;
	} cases[] = {
		{ -EOPNOTSUPP, "mode_unavailable", "Kernel mode was tried.", "refused", 409,
		  "Kernel mode was tried." },
		{ -EOPNOTSUPP, "mode_unavailable", "It lacks things.", NULL, 409,
		  "It is not there." },
		{ -EADDRINUSE, "conflict", "The port is taken.", NULL, 409, "The port is taken." },
		{ -EEXIST, "conflict", "A route is in the way.", NULL, 409,
		  "A route is in the way." },
		{ -EEXIST, "conflict", "", NULL, 409, "File exists" },
		{ -EMFILE, "internal", "Netstack mode cannot start.", NULL, 500,
		  "Netstack mode cannot start." },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_open(getuid(), false);
		fake.switch_error = cases[i].error;
		fake.switch_problem = cases[i].problem;
		fake.switch_text = cases[i].text;
		fake.switch_code = cases[i].code;
		CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"kernel\"}"), cases[i].status);
		json_t *problem = http_json(), *reasons = json_object_get(problem, "reasons");
		CHECK_EQ(json_array_size(reasons), 1);
		CHECK_STR(json_string_value(json_array_get(reasons, 0)), cases[i].reason);
		json_decref(problem);
		http_close();
	}
}

TEST(configuration_as_text_and_as_picture)
{
	http_open(getuid(), false);
	post("/v1/peers", "{\"name\":\"a\"}");
	CHECK_EQ(http_get("/v1/peers/peer_01/config"), 200);
	CHECK(http_has("Content-Type: text/plain; charset=utf-8") && http_has("PLACEHOLDER"));
	CHECK_EQ(http_send(false, "GET", "/v1/peers/peer_01/config", "Accept: image/svg+xml\r\n",
			   ""),
		 200);
	CHECK(http_has("Content-Type: image/svg+xml") && http_has("<svg "));
	CHECK_EQ(http_send(false, "GET", "/v1/peers/peer_01/config",
			   "Accept: image/*;q=0.5, text/html, text/plain;q=0.4\r\n", ""),
		 200);
	CHECK(http_has("<svg "));
	CHECK_EQ(http_send(false, "GET", "/v1/peers/peer_01/config", "Accept: image/png\r\n", ""),
		 406);
	CHECK_EQ(http_get("/v1/peers/peer_01/config?format=qr-text"), 200);
	CHECK(http_has("█"));
	CHECK_EQ(http_get("/v1/peers/peer_01/config?format=gif"), 400);
	http_close();
}

TEST(json_is_all_there_is)
{
	http_open(getuid(), false);
	CHECK_EQ(http_send(false, "GET", "/v1/node", "Accept: text/html\r\n", ""), 406);
	CHECK_EQ(http_send(false, "GET", "/v1/node", "Accept: application/*\r\n", ""), 200);
	CHECK_EQ(http_send(false, "GET", "/v1/node", "Accept: text/html, */*;q=0\r\n", ""), 406);
	http_close();
}

TEST(routes_have_defaults)
{
	http_open(getuid(), false);
	CHECK_EQ(post("/v1/routes", "{\"prefix\":\"10.20.0.0/16\",\"ports\":[\"443\","
				    "\"8000-8099\"],\"protocols\":[\"tcp\",47]}"),
		 201);
	CHECK(http_has("\"via\": \"router\"") && http_has("\"approved\": true"));
	CHECK(http_has("\"peers\": \"all\"") && http_has("\"state\": \"active\""));
	CHECK(http_has("\"8000-8099\"") && http_has("\"443\"") && http_has("47"));
	CHECK(http_has("\"snat\": \"auto\"") && http_has("\"map_to\": null"));
	CHECK_EQ(patch("/v1/routes/route_01", "{\"enabled\":false,\"peers\":[\"peer_1\"]}"), 200);
	CHECK(http_has("\"state\": \"disabled\""));
	CHECK_EQ(http_get("/v1/routes"), 200);
	CHECK_EQ(http_send(false, "DELETE", "/v1/routes/route_01", "", ""), 204);
	CHECK_EQ(http_get("/v1/routes/route_01"), 404);
	http_close();
}

TEST(health_and_metrics)
{
	http_open(getuid(), false);
	snprintf(fake.node.name, sizeof(fake.node.name), "a\"b\\c");
	post("/v1/peers", "{\"name\":\"x\\\"y\"}");
	counter_set(&fake.counters.node.drops[2], 5);
	CHECK_EQ(http_get("/metrics"), 200);
	CHECK(http_has("text/plain; version=0.0.4"));
	CHECK(http_has("culvert_dropped_packets_total{reason=\"flow_limit\"} 5\n"));
	CHECK(http_has("name=\"a\\\"b\\\\c\""));
	CHECK(http_has("name=\"x\\\"y\""));
	CHECK(http_has("culvert_peer_receive_bytes_total{peer=\"peer_01\"} 42\n"));
	CHECK(http_has("{route=\"/v1/peers\",method=\"POST\",code=\"201\"} 1\n"));
	CHECK(http_has("\nprocess_resident_memory_bytes "));
	CHECK_EQ(http_get("/healthz"), 200);
	CHECK_EQ(http_get("/readyz"), 200);
	fake.not_ready = true;
	CHECK_EQ(http_get("/readyz"), 503);
	CHECK(http_has("Retry-After: 1") && http_has("being restarted"));
	CHECK_EQ(http_get("/v1/status"), 200);
	CHECK(http_has("\"ready\": false"));
	CHECK(!http_has("private"));
	CHECK_EQ(http_get("/problems/conflict"), 200);
	CHECK_EQ(http_get("/problems/none"), 404);
	CHECK_EQ(http_get("/"), 200);
	http_close();
}

TEST_MAIN

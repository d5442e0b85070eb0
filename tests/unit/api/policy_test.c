/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy, what explains it, and what the doctor says. */
#include "tests/unit/api/http.h"

#define KEY "BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static const char policy[] =
	"{\"default\":\"deny\",\"rules\":["
	"{\"id\":\"first\",\"action\":\"allow\",\"peers\":[\"tag:ops\"],"
	"\"destinations\":[\"10.20.0.0/16\",\"2001:db8::/32\"],\"protocols\":[\"tcp\",132],"
	"\"ports\":[\"22\",\"8000-8099\"],\"comment\":\"Wartung\"},"
	"{\"action\":\"deny\"}]}";

TEST(a_policy_comes_back_as_it_was_put)
{
	http_open(getuid(), false);
	CHECK_EQ(http_get("/v1/policy"), 200);
	CHECK(http_has("\"default\": \"allow\"") && http_has("\"rules\": []"));
	CHECK(http_has("ETag: \"r1\"\r\n"));
	CHECK_EQ(put("/v1/policy", policy), 200);
	CHECK(http_has("ETag: \"r2\"\r\n"));
	CHECK_EQ(http_get("/v1/policy"), 200);
	json_t *json = http_json();
	json_t *want = json_loads(policy, 0, NULL);
	json_t *rules = json_object_get(json, "rules");
	CHECK_EQ(json_array_size(rules), 2);
	CHECK(json_equal(json_array_get(rules, 0),
			 json_array_get(json_object_get(want, "rules"), 0)));
	CHECK(http_has("\"default\": \"deny\"") && http_has("\"id\": \"rule_2\""));
	CHECK(http_has("\"peers\": \"all\"") && http_has("\"destinations\": []"));

	/* What GET gave can be PUT. */
	char *text = json_dumps(json, 0);
	CHECK_EQ(put("/v1/policy", text), 200);
	free(text);
	json_decref(json);
	json_decref(want);
	http_close();
}

TEST(a_policy_is_conditional_and_can_be_rehearsed)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/policy?dry_run=true", policy), 200);
	CHECK(http_has("\"rule_2\"") && !http_has("ETag"));
	CHECK_EQ(fake.n_writes, 0);
	CHECK_EQ(http_send(false, "PUT", "/v1/policy", "If-Match: \"r7\"\r\n", policy), 412);
	CHECK_EQ(http_send(false, "PUT", "/v1/policy", "If-Match: \"r1\"\r\n", policy), 200);
	CHECK_EQ(http_send(false, "GET", "/v1/policy", "If-None-Match: \"r2\"\r\n", ""), 304);
	CHECK_EQ(put("/v1/policy", "{}"), 200);
	CHECK_EQ(fake.policy.n_rules, 0);
	http_close();
}

TEST(wrong_rules_are_named_by_their_place)
{
	struct buf many;

	http_open(getuid(), false);
	CHECK_EQ(put("/v1/policy",
		     "{\"default\":\"maybe\",\"rules\":[{\"action\":\"allow\",\"comment\":\"bad\"},"
		     "{\"destinations\":[\"10.0.0.1/8\"],\"ports\":[\"x\"]},7,"
		     "{\"action\":1,\"peers\":\"some\",\"protocols\":[\"sctp\"],\"x\":1}]}"),
		 422);
	CHECK(ERRORS("/default", "/rules/0/comment", "/rules/1/action", "/rules/1/destinations/0",
		     "/rules/1/ports/0", "/rules/2", "/rules/3/action", "/rules/3/peers",
		     "/rules/3/protocols/0", "/rules/3/x"));
	CHECK_EQ(put("/v1/policy", "{\"rules\":{}}"), 422);
	CHECK(ERRORS("/rules"));

	buf_init(&many, HTTP_BODY_MAX);
	buf_add_text(&many, "{\"rules\":[{\"action\":\"deny\"}");
	for (int i = 0; i < RULES_MAX; i++)
		buf_add_text(&many, ",{\"action\":\"deny\"}");
	buf_add_text(&many, "]}");
	CHECK_EQ(put("/v1/policy", many.data), 422);
	CHECK(ERRORS("/rules"));
	buf_release(&many);
	CHECK_EQ(fake.n_writes, 0);
	http_close();
}

TEST(explanations)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 201);
	CHECK_EQ(post("/v1/explain", "{\"peer\":\"a\",\"destination\":\"192.0.2.1\",\"port\":443}"),
		 200);
	CHECK(http_has("\"verdict\": \"forward\"") && http_has("\"because\": \"Protocol 6.\""));
	CHECK(http_has("\"snat\": \"masquerade\"") && http_has("\"via\": \"router\""));
	CHECK(http_has("\"translated_destination\": null") && http_has("\"mode\": \"netstack\""));
	CHECK(http_has("\"ref\": null") && http_has("\"ref\": \"rule_1\""));

	CHECK_EQ(post("/v1/explain", "{\"peer\":\"a\",\"protocol\":\"udp\",\"destination\":"
				     "\"192.0.2.1\",\"port\":22}"),
		 200);
	CHECK(http_has("\"verdict\": \"refuse\"") && http_has("\"verdict\": \"policy\""));
	CHECK(http_has("\"snat\": null") && http_has("\"via\": null"));

	/* Without more it is a ping; here through another peer, to what it maps to. */
	CHECK_EQ(post("/v1/explain", "{\"peer\":\"a\",\"destination\":\"10.0.0.1\"}"), 200);
	CHECK(http_has("\"because\": \"Protocol 1.\"") && http_has("\"via\": \"a\""));
	CHECK(http_has("\"translated_destination\": \"11.0.0.1\"") && http_has("\"snat\": null"));
	CHECK_EQ(post("/v1/explain", "{\"peer\":\"a\",\"destination\":\"2001:db8::1\"}"), 200);
	CHECK(http_has("\"because\": \"Protocol 58.\""));
	CHECK_EQ(fake.n_writes, 1);
	http_close();
}

TEST(questions_without_sense)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/peers/a", "{\"name\":\"a\",\"public_key\":\"" KEY "\"}"), 201);
	CHECK_EQ(post("/v1/explain", "{}"), 422);
	CHECK(ERRORS("/peer", "/destination"));
	CHECK_EQ(post("/v1/explain", "{\"peer\":\"b\",\"destination\":\"10.0.0.1\"}"), 422);
	CHECK(ERRORS("/peer"));
	CHECK_EQ(post("/v1/explain",
		      "{\"peer\":\"a\",\"destination\":\"10.0.0.0/8\",\"port\":70000,"
		      "\"protocol\":\"x\"}"),
		 422);
	CHECK(ERRORS("/destination", "/port", "/protocol"));
	CHECK_EQ(post("/v1/explain", "{\"peer\":\"a\",\"destination\":\"10.0.0.1\",\"port\":1,"
				     "\"protocol\":\"icmp\"}"),
		 422);
	CHECK(ERRORS("/port"));
	CHECK_EQ(post("/v1/explain",
		      "{\"peer\":\"a\",\"destination\":\"10.0.0.1\",\"protocol\":\"tcp\"}"),
		 422);
	CHECK(ERRORS("/port"));
	http_close();
}

TEST(the_doctor_says_what_to_type)
{
	http_open(getuid(), false);
	CHECK_EQ(http_get("/v1/doctor"), 200);
	CHECK(http_has("\"id\": \"clock\"") && http_has("\"fix\": null"));
	CHECK(http_has("\"status\": \"warn\"") && http_has("\"fix\": \"ulimit -n 65536\""));
	http_close();
}

TEST(standing_faults_are_named)
{
	http_open(getuid(), false);
	fake.health = "Another firewall drops forwarded packets.";
	CHECK_EQ(http_get("/readyz"), 200);
	CHECK(http_has("\"faults\": [") && http_has("Another firewall"));
	CHECK_EQ(http_get("/v1/status"), 200);
	CHECK(http_has("\"health\": [") && http_has("Another firewall"));
	CHECK_EQ(http_get("/metrics"), 200);
	CHECK(http_has("\nculvert_health_faults 1\n"));
	http_close();
}

TEST(a_switch_says_what_it_costs)
{
	http_open(getuid(), false);
	fake.n_flows = 3;
	CHECK_EQ(put("/v1/dataplane?dry_run=true", "{\"desired\":\"netstack\"}"), 200);
	CHECK(http_has("\"flows_cut\": 3") && http_has("\"source_address_change\": true"));
	CHECK(http_has("\"gre\""));
	CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"netstack\"}"), 200);
	CHECK(!http_has("impact"));
	http_close();
}

TEST(a_refused_switch_says_why)
{
	http_open(getuid(), false);
	CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"kernel\"}"), 409);
	CHECK(http_has("\"It is not there.\"") && http_has("what kernel mode lacks"));
	fake.dataplane.kernel_reasons[0] = NULL;
	CHECK_EQ(put("/v1/dataplane", "{\"desired\":\"kernel\"}"), 409);
	CHECK(http_has("\"reasons\": [\n    \"The switch failed.\"\n  ]"));
	http_close();
}

TEST_MAIN

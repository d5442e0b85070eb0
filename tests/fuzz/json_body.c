/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies of requests: bytes to JSON to each resource and back; and as a patch on what came out. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "api/resource.h"
#include "schema/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct fault *fault, int r)
{
	assert((r == 0) == (fault->n_items == 0));
	for (size_t i = 0; i < fault->n_items; i++) {
		const struct fault_item *item = &fault->items[i];
		assert(item->pointer[0] == '\0' || item->pointer[0] == '/');
		assert(memchr(item->pointer, '\0', sizeof(item->pointer)));
		assert(item->code[0] && item->text[0]);
	}
}

static union {
	struct peer peer;
	struct route route;
	struct exit_node exit_node;
	struct node node;
	unsigned dataplane;
	struct policy policy;
} object;

enum { PEER, ROUTE, EXIT_NODE, NODE, DATAPLANE, POLICY };

static void release(size_t which)
{
	if (which == POLICY)
		free(object.policy.rules);
	memset(&object, 0, sizeof(object));
}

static void reset(size_t which)
{
	memset(&object, 0, sizeof(object));
	if (which == PEER)
		peer_defaults(&object.peer);
	else if (which == ROUTE)
		route_defaults(&object.route, true);
	else if (which == EXIT_NODE)
		exit_node_defaults(&object.exit_node);
	else if (which == NODE)
		object.node = (struct node){ .listen_port = 51820, .mtu = INNER_MTU_DEFAULT };
	else if (which == POLICY)
		policy_defaults(&object.policy);
}

/* The object as JSON, without what a body need not or cannot say. */
static json_t *as_body(const struct field *fields, const void *from)
{
	json_t *json = fields_encode(fields, from);

	if (json_array_size(json_object_get(json, "addresses")) == 0)
		json_object_del(json, "addresses");
	if (json_is_null(json_object_get(json, "public_key")))
		json_object_del(json, "public_key");
	json_object_del(json, "has_preshared_key");
	return json;
}

/* What was decoded, written and read again is the same. */
static void check_round(size_t which, const struct field *fields)
{
	struct fault fault = { 0 };
	json_t *first = as_body(fields, &object);

	release(which);
	reset(which);
	int r = fields_decode(fields, first, &object, &fault);
	assert(r == 0);
	json_t *second = as_body(fields, &object);
	assert(json_equal(first, second));
	json_decref(first);
	json_decref(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct field *const tables[] = {
		[PEER] = peer_fields,		[ROUTE] = route_fields,
		[EXIT_NODE] = exit_node_fields, [NODE] = node_fields,
		[DATAPLANE] = dataplane_fields, [POLICY] = policy_fields,
	};
	char why[FAULT_TEXT_MAX];
	json_t *json;

	if (size > HTTP_BODY_MAX || json_from_bytes((const char *)data, size, &json, why) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct fault fault = { 0 };
		reset(i);
		int r = fields_decode(tables[i], json, &object, &fault);
		check_fault(&fault, r);
		if (r == 0)
			check_round(i, tables[i]);

		json_t *target = fields_encode(tables[i], &object);
		assert((json_merge_patch(target, json) == 0) == json_is_object(json));
		json_decref(target);
		release(i);
	}
	json_decref(json);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Peers as JSON. */
#include "api/resource.h"

#include <string.h>

static const char *const quota_periods[] = {
	[QUOTA_NEVER] = "never",
	[QUOTA_DAY] = "day",
	[QUOTA_WEEK] = "week",
	[QUOTA_MONTH] = "month",
	NULL,
};

static const struct field limits_fields[] = {
	{ "rate_in_bps", FIELD_UINT, MEMBER(struct peer, limits.rate_in_bps), .max = RATE_BPS_MAX },
	{ "rate_out_bps", FIELD_UINT, MEMBER(struct peer, limits.rate_out_bps),
	  .max = RATE_BPS_MAX },
	{ "quota_bytes", FIELD_UINT, MEMBER(struct peer, limits.quota_bytes),
	  .max = JSON_INTEGER_MAX },
	{ "quota_period", FIELD_ENUM, MEMBER(struct peer, limits.quota_period),
	  .names = quota_periods },
	{ "max_flows", FIELD_UINT, MEMBER(struct peer, limits.max_flows), .max = FLOWS_MAX },
	FIELD_END,
};

const struct field peer_fields[] = {
	{ "id", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct peer, id) },
	{ "name", FIELD_TEXT, FIELD_REQUIRED, MEMBER(struct peer, name) },
	{ "public_key", FIELD_VALUE, MEMBER(struct peer, public_key), .codec = &codec_public_key },
	{ "preshared_key", FIELD_VALUE, FIELD_WRITE_ONLY | FIELD_NULLABLE,
	  MEMBER(struct peer, preshared_key), .beside = offsetof(struct peer, has_preshared_key),
	  .codec = &codec_preshared_key },
	{ "has_preshared_key", FIELD_BOOL, FIELD_READ_ONLY,
	  MEMBER(struct peer, has_preshared_key) },
	{ "addresses", FIELD_LIST, LIST(struct peer, addresses, n_addresses), .min = 1,
	  .codec = &codec_network },
	{ "endpoint", FIELD_VALUE, FIELD_NULLABLE, MEMBER(struct peer, endpoint),
	  .codec = &codec_endpoint },
	{ "persistent_keepalive_s", FIELD_UINT, MEMBER(struct peer, persistent_keepalive_s),
	  .max = UINT16_MAX },
	{ "enabled", FIELD_BOOL, MEMBER(struct peer, enabled) },
	{ "expires_at", FIELD_VALUE, FIELD_NULLABLE, MEMBER(struct peer, expires_at),
	  .codec = &codec_time },
	{ "tags", FIELD_LIST, LIST(struct peer, tags, n_tags), .codec = &codec_tag },
	{ "limits", FIELD_OBJECT, .fields = limits_fields },
	OTHER("status"),
	FIELD_END,
};

void peer_defaults(struct peer *ret_peer)
{
	memset(ret_peer, 0, sizeof(*ret_peer));
	ret_peer->enabled = true;
}

static json_t *status_json(const struct peer_status *status)
{
	json_t *json = json_object();

	json_object_set_new(json, "online", json_boolean(status->online));
	json_object_set_new(json, "last_handshake_at",
			    codec_time.encode(&status->last_handshake_at, NULL));
	json_object_set_new(json, "endpoint", codec_endpoint.encode(&status->endpoint, NULL));
	json_object_set_new(json, "receive_bytes", json_integer((json_int_t)status->receive_bytes));
	json_object_set_new(json, "transmit_bytes",
			    json_integer((json_int_t)status->transmit_bytes));
	json_object_set_new(json, "receive_packets",
			    json_integer((json_int_t)status->receive_packets));
	json_object_set_new(json, "transmit_packets",
			    json_integer((json_int_t)status->transmit_packets));
	json_object_set_new(json, "active_flows", json_integer(status->active_flows));
	json_object_set_new(json, "quota_used_bytes",
			    json_integer((json_int_t)status->quota_used_bytes));
	json_object_set_new(json, "quota_resets_at",
			    codec_time.encode(&status->quota_resets_at, NULL));
	return json;
}

json_t *peer_json(struct agent *agent, const struct peer *peer)
{
	struct peer_status status;
	json_t *json = fields_encode(peer_fields, peer);

	agent_peer_status(agent, peer, &status);
	json_object_set_new(json, "status", status_json(&status));
	return json;
}

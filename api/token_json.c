/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens and sessions as JSON. */
#include <string.h>

#include "api/resource.h"

static void scopes_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	uint64_t scopes = 0;
	json_t *item;
	size_t i;

	(void)beside;
	if (!json_is_array(value)) {
		decode_wrong(at, "type", "This must be a list of scopes.");
		return;
	}
	json_array_foreach(value, i, item)
	{
		size_t back = decode_enter_index(at, i);
		const char *name = json_string_value(item);
		enum scope scope;
		if (name && scope_find(name, strlen(name), &scope))
			scopes |= UINT64_C(1) << scope;
		else
			decode_wrong(at, "unknown", "There is no such scope.");
		decode_leave(at, back);
	}
	scopes_format(scopes, place);
}

static json_t *scopes_encode(const void *place, const void *beside)
{
	json_t *list = json_array();

	(void)beside;
	for (const char *at = place; *at;) {
		size_t length = strcspn(at, " ");
		json_array_append_new(list, json_stringn(at, length));
		at += length + (at[length] == ' ');
	}
	return list;
}

static const struct codec codec_scopes = { "array", scopes_decode, scopes_encode };

const struct field token_fields[] = {
	{ "id", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct token, id) },
	{ "name", FIELD_TEXT, FIELD_REQUIRED, MEMBER(struct token, name) },
	{ "scopes", FIELD_VALUE, FIELD_REQUIRED, MEMBER(struct token, scopes),
	  .codec = &codec_scopes },
	{ "expires_at", FIELD_VALUE, FIELD_NULLABLE, MEMBER(struct token, expires_at),
	  .codec = &codec_time },
	{ "single_use", FIELD_BOOL, MEMBER(struct token, single_use) },
	{ "created_at", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct token, created_at),
	  .codec = &codec_time },
	{ "last_used_at", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct token, last_used_at),
	  .codec = &codec_time },
	FIELD_END,
};

const struct field session_fields[] = {
	{ "id", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct session, id) },
	{ "name", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct session, name) },
	OTHER("token"),
	{ "scopes", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct session, scopes),
	  .codec = &codec_scopes },
	{ "remote_address", FIELD_TEXT, FIELD_READ_ONLY, MEMBER(struct session, remote_address) },
	{ "created_at", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct session, created_at),
	  .codec = &codec_time },
	{ "expires_at", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct session, expires_at),
	  .codec = &codec_time },
	{ "last_used_at", FIELD_VALUE, FIELD_READ_ONLY, MEMBER(struct session, last_used_at),
	  .codec = &codec_time },
	FIELD_END,
};

json_t *token_json(const struct token *token)
{
	return fields_encode(token_fields, token);
}

json_t *session_json(const struct session *session)
{
	json_t *json = fields_encode(session_fields, session);

	json_object_set_new(json, "token",
			    session->token[0] ? json_string(session->token) : json_null());
	return json;
}

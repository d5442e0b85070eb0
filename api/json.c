/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking field tables: decode a whole object with every fault, encode it, merge a patch into it. */
#include "api/json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/base/macros.h"

size_t decode_enter(struct decode *at, const char *name)
{
	size_t before = at->length;
	size_t n = before;

	/* One byte for the escape of a character, one for the end. */
	if (n + 1 < sizeof(at->pointer))
		at->pointer[n++] = '/';
	for (; *name && n + 2 < sizeof(at->pointer); name++) {
		bool escaped = *name == '~' || *name == '/';
		if (escaped)
			at->pointer[n++] = '~';
		at->pointer[n++] = escaped ? (*name == '~' ? '0' : '1') : *name;
	}
	at->pointer[n] = '\0';
	at->length = n;
	return before;
}

size_t decode_enter_index(struct decode *at, size_t index)
{
	char text[24];
	snprintf(text, sizeof(text), "%zu", index);
	return decode_enter(at, text);
}

void decode_leave(struct decode *at, size_t length)
{
	at->length = length;
	at->pointer[length] = '\0';
}

void decode_wrong(struct decode *at, const char *code, const char *text)
{
	fault_add(at->fault, at->pointer, code, "%s", text);
}

static void store_uint(void *place, size_t size, uint64_t value)
{
	switch (size) {
	case 2:
		*(uint16_t *)place = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)place = (uint32_t)value;
		break;
	default:
		assert(size == 8);
		*(uint64_t *)place = value;
	}
}

static uint64_t load_uint(const void *place, size_t size)
{
	switch (size) {
	case 2:
		return *(const uint16_t *)place;
	case 4:
		return *(const uint32_t *)place;
	default:
		assert(size == 8);
		return *(const uint64_t *)place;
	}
}

static void decode_text(struct decode *at, const struct field *field, const json_t *value,
			char *place)
{
	if (!json_is_string(value)) {
		decode_wrong(at, "type", "This must be a string.");
		return;
	}
	if (json_string_length(value) >= field->size) {
		decode_wrong(at, "too_long", "This is too long.");
		return;
	}
	memcpy(place, json_string_value(value), json_string_length(value) + 1);
}

static void decode_uint(struct decode *at, const struct field *field, const json_t *value,
			void *place)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value)) {
		decode_wrong(at, "type", "This must be a whole number.");
		return;
	}
	if (number < 0 || (uint64_t)number < field->min || (uint64_t)number > field->max) {
		fault_add(at->fault, at->pointer, "range", "This must be between %ju and %ju.",
			  (uintmax_t)field->min, (uintmax_t)field->max);
		return;
	}
	store_uint(place, field->size, (uint64_t)number);
}

static void decode_enum(struct decode *at, const struct field *field, const json_t *value,
			void *place)
{
	for (unsigned i = 0; json_is_string(value) && field->names[i]; i++) {
		if (strcmp(json_string_value(value), field->names[i]) == 0) {
			*(unsigned *)place = i;
			return;
		}
	}
	decode_wrong(at, json_is_string(value) ? "value" : "type",
		     "This is not one of the words that are allowed here.");
}

static void decode_list(struct decode *at, const struct field *field, const json_t *value,
			char *place, size_t *count)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value)) {
		decode_wrong(at, "type", "This must be a list.");
		return;
	}
	if (n > field->max || n < field->min) {
		fault_add(at->fault, at->pointer, n < field->min ? "too_few" : "too_many",
			  "This list must have between %ju and %ju items.", (uintmax_t)field->min,
			  (uintmax_t)field->max);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		size_t back = decode_enter_index(at, i);
		field->codec->decode(at, json_array_get(value, i), place + i * field->size, NULL);
		decode_leave(at, back);
	}
	*count = n;
}

static void decode_field(struct decode *at, const struct field *field, const json_t *value,
			 void *object)
{
	char *place = (char *)object + field->offset;
	void *beside = (char *)object + field->beside;

	switch (field->type) {
	case FIELD_TEXT:
		decode_text(at, field, value, place);
		break;
	case FIELD_BOOL:
		if (json_is_boolean(value))
			*(bool *)place = json_is_true(value);
		else
			decode_wrong(at, "type", "This must be true or false.");
		break;
	case FIELD_UINT:
		decode_uint(at, field, value, place);
		break;
	case FIELD_ENUM:
		decode_enum(at, field, value, place);
		break;
	case FIELD_VALUE:
		field->codec->decode(at, value, place, beside);
		break;
	case FIELD_LIST:
		decode_list(at, field, value, place, beside);
		break;
	case FIELD_OBJECT:
		decode_object(at, field->fields, value, object);
		break;
	case FIELD_OTHER:
		break;
	}
}

static const struct field *find_field(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static void decode_members(struct decode *at, const struct field *fields, const json_t *json,
			   void *object)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		const struct field *field = find_field(fields, name);
		size_t back = decode_enter(at, name);

		if (!field)
			decode_wrong(at, "unknown", "There is no member of this name here.");
		else if (!(field->flags & FIELD_READ_ONLY) &&
			 !(json_is_null(value) && field->flags & FIELD_NULLABLE))
			decode_field(at, field, value, object);
		decode_leave(at, back);
	}
}

void decode_object(struct decode *at, const struct field *fields, const json_t *json, void *object)
{
	if (!json_is_object(json)) {
		decode_wrong(at, "type", "This must be an object.");
		return;
	}

	decode_members(at, fields, json, object);
	for (const struct field *field = fields; field->name; field++) {
		if (!(field->flags & FIELD_REQUIRED) || json_object_get(json, field->name))
			continue;
		size_t back = decode_enter(at, field->name);
		decode_wrong(at, "required", "This member is missing.");
		decode_leave(at, back);
	}
}

int fields_decode(const struct field *fields, const json_t *json, void *object,
		  struct fault *reterr)
{
	struct decode at = { .fault = reterr };

	decode_object(&at, fields, json, object);
	if (reterr->n_items == 0)
		return 0;
	return fault_set(reterr, -EINVAL, "invalid", "%zu member%s of the body %s not valid.",
			 reterr->n_items, reterr->n_items == 1 ? "" : "s",
			 reterr->n_items == 1 ? "is" : "are");
}

static json_t *encode_list(const struct field *field, const char *place, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, field->codec->encode(place + i * field->size, NULL));
	return list;
}

static json_t *encode_field(const struct field *field, const void *object)
{
	const char *place = (const char *)object + field->offset;
	const void *beside = (const char *)object + field->beside;

	switch (field->type) {
	case FIELD_TEXT:
		return *place || !(field->flags & FIELD_NULLABLE) ? json_string(place)
								  : json_null();
	case FIELD_BOOL:
		return json_boolean(*(const bool *)place);
	case FIELD_UINT:
		return json_integer((json_int_t)load_uint(place, field->size));
	case FIELD_ENUM:
		return json_string(field->names[*(const unsigned *)place]);
	case FIELD_VALUE:
		return field->codec->encode(place, beside);
	case FIELD_LIST:
		return encode_list(field, place, *(const size_t *)beside);
	case FIELD_OBJECT:
		return fields_encode(field->fields, object);
	case FIELD_OTHER:
		break;
	}
	return NULL;
}

json_t *fields_encode(const struct field *fields, const void *object)
{
	json_t *json = json_object();

	for (; fields->name; fields++)
		if (fields->type != FIELD_OTHER && !(fields->flags & FIELD_WRITE_ONLY))
			json_object_set_new(json, fields->name, encode_field(fields, object));
	return json;
}

json_t *json_text(const char *text)
{
	size_t length = strlen(text);

	for (int i = 0; i < 4 && length > 0; i++, length--) {
		json_t *json = json_stringn(text, length);
		if (json)
			return json;
	}
	return json_string("");
}

int json_merge_patch(json_t *target, const json_t *patch)
{
	const char *name;
	json_t *value;

	if (!json_is_object(patch))
		return -EINVAL;

	json_object_foreach((json_t *)(uintptr_t)patch, name, value)
	{
		if (json_is_null(value)) {
			json_object_del(target, name);
			continue;
		}
		if (!json_is_object(value)) {
			json_object_set(target, name, value);
			continue;
		}
		json_t *inner = json_object_get(target, name);
		if (!json_is_object(inner)) {
			json_object_set_new(target, name, json_object());
			inner = json_object_get(target, name);
		}
		json_merge_patch(inner, value);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resources as JSON: one table of fields for each decodes, encodes and describes it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/fault.h"

/* Where in the document the decoder is; wrong members are collected in fault. */
struct decode {
	struct fault *fault;
	char pointer[FAULT_POINTER_MAX]; /* JSON pointer, RFC 6901 */
	size_t length;
};

/* Adds a segment to the pointer; returns the length to go back to. */
size_t decode_enter(struct decode *at, const char *name);
size_t decode_enter_index(struct decode *at, size_t index);
void decode_leave(struct decode *at, size_t length);
void decode_wrong(struct decode *at, const char *code, const char *text);

/* "tcp", or a number as text: 0 or -EINVAL. */
int protocol_parse(const char *text, uint8_t *ret_protocol);

/* How one value is written. beside: a member that goes with place; NULL in lists. */
struct codec {
	const char *type; /* JSON Schema type in the answers, as in openapi.yaml */
	void (*decode)(struct decode *at, const json_t *value, void *place, void *beside);
	json_t *(*encode)(const void *place, const void *beside);
};

enum field_type {
	FIELD_TEXT, /* char array */
	FIELD_BOOL,
	FIELD_UINT,   /* of size bytes, between min and max */
	FIELD_ENUM,   /* unsigned; names */
	FIELD_VALUE,  /* codec */
	FIELD_LIST,   /* codec for each item; beside is the size_t count, size that of one item */
	FIELD_OBJECT, /* fields */
	FIELD_OTHER,  /* encoded by the resource's own code */
};

enum {
	FIELD_REQUIRED = 1,
	FIELD_READ_ONLY = 2,  /* ignored in writes */
	FIELD_WRITE_ONLY = 4, /* never shown */
	FIELD_NULLABLE = 8,   /* null stands for "none": what leaving it out means */
};

/* null and absence both leave what the defaults of the resource said. */
struct field {
	const char *name;
	enum field_type type;
	unsigned flags;
	size_t offset, size;
	size_t beside;
	uint64_t min, max; /* FIELD_UINT: value; FIELD_LIST: items */
	const struct codec *codec;
	const char *const *names; /* ends with NULL */
	const struct field *fields;
};

/* A read-only member that the resource's own code writes. */
#define OTHER(text)                                                         \
	{                                                                   \
		.name = text, .type = FIELD_OTHER, .flags = FIELD_READ_ONLY \
	}
#define FIELD_END \
	{         \
		0 \
	}
#define MEMBER(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define LIST(type, member, count)                                                    \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member[0]), \
	.beside = offsetof(type, count), .max = ARRAY_SIZE(((type *)NULL)->member)

/* Largest integer that every JSON reader keeps exact. */
#define JSON_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

/* 0, or -EINVAL with the items of reterr. object has the defaults before. */
int fields_decode(const struct field *fields, const json_t *json, void *object,
		  struct fault *reterr);
json_t *fields_encode(const struct field *fields, const void *object);
/* The same where at is, for objects inside of others. */
void decode_object(struct decode *at, const struct field *fields, const json_t *json, void *object);

/* Text that printf may have cut inside a character. */
json_t *json_text(const char *text);

/* RFC 7396: applies patch to target, which must be an object. -EINVAL: patch is no object. */
int json_merge_patch(json_t *target, const json_t *patch);

/* RFC 3339. Times are nanoseconds since the epoch. 0 or -EINVAL; leap seconds are refused. */
int rfc3339_parse(const char *text, int64_t *ret_ns);
#define RFC3339_SIZE 40
const char *rfc3339_format(int64_t ns, char ret_text[RFC3339_SIZE]);

/* For members that are a time, an address, a key...: null where there is none. */
extern const struct codec codec_time;
extern const struct codec codec_addr;
extern const struct codec codec_network;   /* prefix, host bits refused */
extern const struct codec codec_interface; /* prefix, host bits kept */
extern const struct codec codec_endpoint;
extern const struct codec codec_public_key;
extern const struct codec codec_preshared_key; /* beside: has_preshared_key */
extern const struct codec codec_tag;
extern const struct codec codec_grant;
extern const struct codec codec_protocol;
extern const struct codec codec_ports;
extern const struct codec codec_snat; /* beside: the address */

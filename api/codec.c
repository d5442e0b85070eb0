/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single values as JSON: addresses, keys, times, ports and the words beside them. */
#include <errno.h>
#include <string.h>

#include "agent/base/ip.h"
#include "agent/base/key.h"
#include "agent/base/macros.h"
#include "api/json.h"
#include "schema/model.h"

/* The text of a string value; NULL after complaining. */
static const char *text_of(struct decode *at, const json_t *value)
{
	if (!json_is_string(value))
		decode_wrong(at, "type", "This must be a string.");
	return json_string_value(value);
}

static void time_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	int64_t ns;

	if (!text)
		return;
	if (rfc3339_parse(text, &ns) < 0 || ns <= 0)
		decode_wrong(at, "format",
			     "This must be a time after 1970 as in 2027-01-31T12:00:00Z.");
	else
		*(int64_t *)place = ns;
}

static json_t *time_encode(const void *place, const void *beside)
{
	(void)beside;
	char text[RFC3339_SIZE];
	int64_t ns = *(const int64_t *)place;

	return ns == 0 ? json_null() : json_string(rfc3339_format(ns, text));
}

const struct codec codec_time = { "string", time_decode, time_encode };

static void addr_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	struct addr addr;

	if (!text)
		return;
	if (addr_parse(text, &addr) < 0)
		decode_wrong(at, "format", "This must be an IPv4 or IPv6 address.");
	else
		*(struct addr *)place = addr;
}

static json_t *addr_encode(const void *place, const void *beside)
{
	(void)beside;
	char text[ADDR_TEXT_SIZE];
	const struct addr *addr = place;

	return addr->family == 0 ? json_null() : json_string(addr_format(addr, text));
}

const struct codec codec_addr = { "string", addr_decode, addr_encode };

static void network_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	struct prefix prefix;
	char network[PREFIX_TEXT_SIZE];

	if (!text)
		return;
	int r = prefix_parse(text, &prefix);
	if (r == -EDOM)
		fault_add(at->fault, at->pointer, "host_bits",
			  "Host bits are set; the network is %s.", prefix_format(&prefix, network));
	else if (r < 0)
		decode_wrong(at, "format", "This must be a network as in 10.20.0.0/16.");
	else
		*(struct prefix *)place = prefix;
}

static json_t *prefix_encode(const void *place, const void *beside)
{
	(void)beside;
	char text[PREFIX_TEXT_SIZE];
	const struct prefix *prefix = place;

	return prefix->addr.family == 0 ? json_null() : json_string(prefix_format(prefix, text));
}

const struct codec codec_network = { "string", network_decode, prefix_encode };

static void interface_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	struct prefix prefix;

	if (!text)
		return;
	if (prefix_parse_address(text, &prefix) < 0)
		decode_wrong(at, "format",
			     "This must be an address with its length, as in "
			     "100.64.0.1/24.");
	else
		*(struct prefix *)place = prefix;
}

const struct codec codec_interface = { "string", interface_decode, prefix_encode };

static void endpoint_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	struct endpoint endpoint;

	if (!text)
		return;
	if (endpoint_parse(text, &endpoint) < 0)
		decode_wrong(at, "format",
			     "This must be an address and a port, as in 192.0.2.1:51820 or "
			     "[2001:db8::1]:51820.");
	else
		*(struct endpoint *)place = endpoint;
}

static json_t *endpoint_encode(const void *place, const void *beside)
{
	(void)beside;
	char text[ENDPOINT_TEXT_SIZE];
	const struct endpoint *endpoint = place;

	return endpoint->addr.family == 0 ? json_null()
					  : json_string(endpoint_format(endpoint, text));
}

const struct codec codec_endpoint = { "string", endpoint_decode, endpoint_encode };

static void key_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	const char *text = text_of(at, value);
	struct wg_key key;

	if (!text)
		return;
	if (key_parse(text, &key) < 0 || key_is_zero(&key)) {
		decode_wrong(at, "format",
			     "This must be a WireGuard key: 32 bytes, not all zero, in base64.");
		return;
	}
	*(struct wg_key *)place = key;
	if (beside)
		*(bool *)beside = true;
	key_wipe(&key);
}

static void public_key_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	key_decode(at, value, place, NULL);
}

static json_t *public_key_encode(const void *place, const void *beside)
{
	(void)beside;
	char text[KEY_TEXT_SIZE];

	if (key_is_zero(place))
		return json_null();
	key_format(place, text);
	return json_string(text);
}

static json_t *preshared_key_encode(const void *place, const void *beside)
{
	(void)place;
	(void)beside;
	return json_null();
}

const struct codec codec_public_key = { "string", public_key_decode, public_key_encode };
const struct codec codec_preshared_key = { "string", key_decode, preshared_key_encode };

static void tag_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);

	if (!text)
		return;
	if (strlen(text) > TAG_MAX)
		fault_add(at->fault, at->pointer, "too_long", "A tag has at most %d bytes.",
			  TAG_MAX);
	else
		memcpy(place, text, strlen(text) + 1);
}

static json_t *tag_encode(const void *place, const void *beside)
{
	(void)beside;
	return json_string(place);
}

const struct codec codec_tag = { "string", tag_decode, tag_encode };

static void grant_item(struct decode *at, const json_t *value, char place[ID_MAX + 1])
{
	const char *text = text_of(at, value);

	if (!text)
		return;
	if (strlen(text) > ID_MAX || !*text)
		decode_wrong(at, "format", "This must be the id of a peer, or tag: and a tag.");
	else
		memcpy(place, text, strlen(text) + 1);
}

static void grant_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	struct grant *grant = place;
	size_t n = json_array_size(value);

	if (json_is_string(value) && strcmp(json_string_value(value), "all") == 0) {
		grant->all = true;
		grant->n_peers = 0;
		return;
	}
	if (!json_is_array(value)) {
		decode_wrong(at, "type", "This must be \"all\" or a list of peers.");
		return;
	}
	if (n > ROUTE_PEERS_MAX) {
		fault_add(at->fault, at->pointer, "too_many", "At most %d peers fit here.",
			  ROUTE_PEERS_MAX);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		size_t back = decode_enter_index(at, i);
		grant_item(at, json_array_get(value, i), grant->peers[i]);
		decode_leave(at, back);
	}
	grant->all = false;
	grant->n_peers = n;
}

static json_t *grant_encode(const void *place, const void *beside)
{
	(void)beside;
	const struct grant *grant = place;

	if (grant->all)
		return json_string("all");
	json_t *list = json_array();
	for (size_t i = 0; i < grant->n_peers; i++)
		json_array_append_new(list, json_string(grant->peers[i]));
	return list;
}

const struct codec codec_grant = { "grant", grant_decode, grant_encode };

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {
	{ "tcp", PROTOCOL_TCP },
	{ "udp", PROTOCOL_UDP },
	{ "icmp", PROTOCOL_ICMP },
	{ "icmpv6", PROTOCOL_ICMPV6 },
};

static int protocol_by_name(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (strcmp(text, protocols[i].name) == 0)
			return protocols[i].number;
	return -EINVAL;
}

int protocol_parse(const char *text, uint8_t *ret_protocol)
{
	int number = protocol_by_name(text);
	size_t digits = strspn(text, "0123456789");

	if (number < 0 && digits >= 1 && digits <= 3 && text[digits] == '\0')
		number = (int)strtol(text, NULL, 10);
	if (number < 0 || number > UINT8_MAX)
		return -EINVAL;
	*ret_protocol = (uint8_t)number;
	return 0;
}

static void protocol_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

	if (json_is_string(value))
		number = protocol_by_name(json_string_value(value));
	if (number < 0 || number > UINT8_MAX)
		decode_wrong(at, "value",
			     "This must be tcp, udp, icmp, icmpv6 or a protocol number.");
	else
		*(uint8_t *)place = (uint8_t)number;
}

static json_t *protocol_encode(const void *place, const void *beside)
{
	(void)beside;
	uint8_t number = *(const uint8_t *)place;

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].number == number)
			return json_string(protocols[i].name);
	return json_integer(number);
}

const struct codec codec_protocol = { "protocol", protocol_decode, protocol_encode };

/* Reads a port at *text and moves on. 0 or -EINVAL. */
static int port_parse(const char **text, uint16_t *ret_port)
{
	unsigned port = 0;
	size_t digits = strspn(*text, "0123456789");

	if (digits < 1 || digits > 5)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		port = port * 10 + (unsigned)((*text)[i] - '0');
	if (port > UINT16_MAX)
		return -EINVAL;
	*text += digits;
	*ret_port = (uint16_t)port;
	return 0;
}

static int ports_parse(const char *text, struct port_range *ret_ports)
{
	if (port_parse(&text, &ret_ports->first) < 0)
		return -EINVAL;
	ret_ports->last = ret_ports->first;
	if (*text == '-') {
		text++;
		if (port_parse(&text, &ret_ports->last) < 0)
			return -EINVAL;
	}
	return *text || ret_ports->first > ret_ports->last ? -EINVAL : 0;
}

static void ports_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	(void)beside;
	const char *text = text_of(at, value);
	struct port_range ports;

	if (!text)
		return;
	if (ports_parse(text, &ports) < 0)
		decode_wrong(at, "format",
			     "This must be a port or a range, as in 443 or "
			     "8000-8099.");
	else
		*(struct port_range *)place = ports;
}

static json_t *ports_encode(const void *place, const void *beside)
{
	(void)beside;
	const struct port_range *ports = place;

	return ports->first == ports->last ? json_sprintf("%u", ports->first)
					   : json_sprintf("%u-%u", ports->first, ports->last);
}

const struct codec codec_ports = { "string", ports_decode, ports_encode };

static const char *const snat_words[] = {
	[SNAT_AUTO] = "auto",
	[SNAT_MASQUERADE] = "masquerade",
	[SNAT_NONE] = "none",
};

static void snat_decode(struct decode *at, const json_t *value, void *place, void *beside)
{
	const char *text = text_of(at, value);
	struct addr addr = { .family = 0 };

	if (!text)
		return;
	enum snat snat = SNAT_AUTO;
	while (snat < SNAT_ADDRESS && strcmp(text, snat_words[snat]) != 0)
		snat++;
	if (snat == SNAT_ADDRESS && addr_parse(text, &addr) < 0) {
		decode_wrong(at, "value", "This must be auto, masquerade, none or an address.");
		return;
	}
	*(enum snat *)place = snat;
	*(struct addr *)beside = addr;
}

static json_t *snat_encode(const void *place, const void *beside)
{
	enum snat snat = *(const enum snat *)place;

	return snat == SNAT_ADDRESS ? addr_encode(beside, NULL) : json_string(snat_words[snat]);
}

const struct codec codec_snat = { "string", snat_decode, snat_encode };

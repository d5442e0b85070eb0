/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of networks, and the nftables expression that an address lies in one of them. */
#include "forwarding/kernel/nft_networks.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/base/macros.h"

void networks_release(struct networks *networks)
{
	free(networks->rows);
	*networks = (struct networks){ .n = 0 };
}

int networks_add(struct networks *networks, const struct prefix *prefix)
{
	if (networks->n == networks->capacity) {
		size_t capacity = MAX(2 * networks->capacity, (size_t)32);
		struct prefix *rows = reallocarray(networks->rows, capacity, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		networks->rows = rows;
		networks->capacity = capacity;
	}
	networks->rows[networks->n++] = prefix_network(prefix);
	return 0;
}

int networks_add_address(struct networks *networks, const struct addr *addr)
{
	struct prefix host = { .addr = *addr, .bits = (uint8_t)addr_bits(addr) };
	return networks_add(networks, &host);
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

void networks_merge(struct networks *networks)
{
	struct prefix *rows = networks->rows;
	size_t n = 0;

	if (networks->n > 0)
		qsort(rows, networks->n, sizeof(*rows), compare);
	for (size_t i = 0; i < networks->n; i++)
		if (n == 0 || !prefix_covers(&rows[n - 1], &rows[i]))
			rows[n++] = rows[i];
	networks->n = n;
}

bool networks_have(const struct networks *networks, int family)
{
	for (size_t i = 0; i < networks->n; i++)
		if (networks->rows[i].addr.family == family)
			return true;
	return false;
}

static bool is_whole_family(const struct networks *networks, int family)
{
	for (size_t i = 0; i < networks->n; i++)
		if (networks->rows[i].addr.family == family && networks->rows[i].bits == 0)
			return true;
	return false;
}

void networks_write(const struct networks *networks, int family, enum networks_test test,
		    struct buf *text)
{
	if (test != NETWORKS_NOT_IN && is_whole_family(networks, family)) {
		buf_printf(text, "meta nfproto %s ", family == 4 ? "ipv4" : "ipv6");
		return;
	}

	const char *separator = "{ ";
	buf_printf(text, "%s%s daddr %s", test == NETWORKS_DIALLED_IN ? "ct original " : "",
		   family == 4 ? "ip" : "ip6", test == NETWORKS_NOT_IN ? "!= " : "");
	for (size_t i = 0; i < networks->n; i++) {
		char prefix[PREFIX_TEXT_SIZE];
		if (networks->rows[i].addr.family != family)
			continue;
		buf_printf(text, "%s%s", separator, prefix_format(&networks->rows[i], prefix));
		separator = ", ";
	}
	buf_add_text(text, " } ");
}

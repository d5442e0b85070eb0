/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done to each packet whatever it is: checksum, parsing, cutting, joining. */
#include "agent/base/macros.h"
#include "forwarding/kernel/coalesce.h"
#include "forwarding/kernel/split.h"
#include "forwarding/pkt/bytes.h"
#include "forwarding/pkt/checksum.h"
#include "tests/bench/micro/micro.h"

#define PAYLOAD 1360
#define HEADERS 40
#define PACKETS 45

static uint8_t super[HEADERS + PACKETS * PAYLOAD];
static uint8_t cut[PACKETS][HEADERS + PAYLOAD];
static struct view views[PACKETS];
static struct coalesce *coalesce;
static volatile uint64_t sum;

static const struct virtio_net_hdr header = { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					      .gso_size = PAYLOAD };

static void make_super(void)
{
	static const uint8_t ip[HEADERS] = {
		0x45, 0,  0, 0, 0,  1,	0x40, 0, 64,   6,    0,	   0,
		10,   64, 0, 2, 10, 20, 0,    2, 0x80, 0x01, 0x14, 0x51
	};
	memcpy(super, ip, sizeof(ip));
	store16(super + 2, sizeof(super));
	super[32] = 5 << 4;
	super[33] = 0x10;
}

static void checksum(void)
{
	sum = checksum_add(sum, super, 1400);
}

static void split(void)
{
	struct view view;
	struct split split;

	CHECK_EQ(view_parse(super, sizeof(super), &view), PASS);
	CHECK_EQ(split_begin(&split, &header, &view), PASS);
	for (int i = 0; split_length(&split) > 0; i++)
		split_write(&split, cut[i]);
}

static void parse(void)
{
	for (int i = 0; i < PACKETS; i++)
		CHECK_EQ(view_parse(cut[i], sizeof(cut[i]), &views[i]), PASS);
}

static void verify(void)
{
	for (int i = 0; i < PACKETS; i++)
		CHECK_EQ(view_verify(&views[i]), PASS);
}

static bool take(void *ctx, const struct coalesce_out *out)
{
	(void)ctx;
	CHECK_EQ(out->packets, PACKETS);
	return true;
}

static void join(void)
{
	const struct coalesce_sink sink = { .write = take };

	for (int i = 0; i < PACKETS; i++)
		CHECK(coalesce_add(coalesce, &views[i], views[i].length));
	coalesce_flush(coalesce, &sink);
}

static void run(void)
{
	make_super();
	CHECK_EQ(coalesce_new(&coalesce), 0);
	coalesce_set_offloads(coalesce, TUN_F_TSO4);

	micro("checksum", "1400 bytes", checksum, 1);
	micro("split", "a packet of 45", split, PACKETS);
	micro("view_parse", "TCP", parse, PACKETS);
	micro("view_verify", "1400 bytes", verify, PACKETS);
	micro("coalesce", "a packet of 45", join, PACKETS);
	coalesce_free(coalesce);
}

MICRO_MAIN(run)

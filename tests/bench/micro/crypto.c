/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sealing and opening, by each library; answering handshakes, and refusing them. */
#include "forwarding/wg/aead.h"
#include "tests/bench/micro/micro.h"
#include "tests/scenario/wg_lab.h"

static struct aead *aead;
static uint8_t data[2048], sealed[sizeof(data)];
static const struct wg_key key = { { 1, 2, 3 } };
static struct aead_text text = { .data = data };
static struct lab lab;
static struct lab_datagram initiation;

static void seal(void)
{
	text.nonce[4]++;
	aead_seal(aead, &key, &text);
}

/* With the copy that puts it back. */
static void unseal(void)
{
	memcpy(data, sealed, text.length + AEAD_TAG);
	CHECK(aead_unseal(aead, &key, &text));
}

static void measure_kind(enum aead_kind kind)
{
	static const size_t lengths[] = { 64, 1400 };

	if (aead_new(kind, &aead) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		char piece[64], what[64];
		snprintf(what, sizeof(what), "%zu bytes", lengths[i]);
		text.length = lengths[i];
		snprintf(piece, sizeof(piece), "%sseal, %s", kind == aead_best() ? "* " : "",
			 aead_name(kind));
		micro(piece, what, seal, 1);
		snprintf(piece, sizeof(piece), "%sopen, %s", kind == aead_best() ? "* " : "",
			 aead_name(kind));
		seal();
		memcpy(sealed, data, sizeof(sealed));
		micro(piece, what, unseal, 1);
	}
	aead_free(aead);
}

/* The client's message is not what is measured. */
static void next_initiation(void)
{
	lab.now = mono_add(lab.now, 200 * NS_PER_S);
	lab.n = 0;
	wg_initiate(lab.a.wg, 0, lab.now);
	CHECK_EQ(lab.n, 1);
	initiation = lab.queue[0];
}

static void measure_answers(void)
{
	double best = 1e18;

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		double spent = 0;
		for (int i = 0; i < 50; i++) {
			next_initiation();
			double start = micro_now();
			CHECK_EQ(lab_arrive(&lab.b, &initiation), PASS);
			spent += micro_now() - start;
		}
		best = MIN(best, spent / 50);
	}
	printf("handshake\tanswered\t%.1f\n", best);
}

static void forged(void)
{
	(void)lab_arrive(&lab.b, &initiation);
	lab.n = 0;
}

static void measure_refusals(void)
{
	next_initiation();
	struct lab_datagram whole = initiation;

	initiation.data[initiation.length - 17] ^= 1;
	CHECK_EQ(lab_arrive(&lab.b, &initiation), DROP_OUTER_MAC1);
	micro("handshake", "wrong first MAC", forged, 1);

	/* The same one again and again is a flood: under load it is worth a cookie. */
	initiation = whole;
	for (int i = 0; i < 10000 && lab.b.sent[MESSAGE_COOKIE] == 0; i++)
		forged();
	CHECK(lab.b.sent[MESSAGE_COOKIE] > 0);
	micro("handshake", "cookie sent, under load", forged, 1);
}

static void run(void)
{
	for (enum aead_kind kind = 0; kind < AEAD_KINDS; kind++)
		measure_kind(kind);
	lab_open(&lab);
	measure_answers();
	measure_refusals();
	lab_close(&lab);
}

MICRO_MAIN(run)

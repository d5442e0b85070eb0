/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timing one piece of the packet path: rows of "piece, case, nanoseconds" on standard output. */
#pragma once

#include <time.h>

#include "tests/test.h"

#define MICRO_ROUNDS 15
#define MICRO_ROUND_NS 4e6

/* CPU time of this thread: others on the machine steal less from it. */
static inline double micro_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/*
 * Runs fn again and again, which does its work for of things at once, and
 * prints what one costs: the best round, for nothing makes a round too fast.
 */
static inline void micro(const char *piece, const char *what, void (*fn)(void), unsigned of)
{
	double best = 1e18;
	unsigned times = 1;

	for (int round = 0; round < MICRO_ROUNDS; round++) {
		double start = micro_now();
		for (unsigned i = 0; i < times; i++)
			fn();
		double each = (micro_now() - start) / times;
		best = each < best ? each : best;
		times = (unsigned)(MICRO_ROUND_NS / best) + 1;
	}
	printf("%s\t%s\t%.1f\n", piece, what, best / of);
}

/* A failed CHECK in body ends the program. */
#define MICRO_MAIN(body)               \
	int main(void)                 \
	{                              \
		if (setjmp(test_jump)) \
			return 1;      \
		body();                \
		(void)test_cases;      \
		(void)test_n_cases;    \
		return 0;              \
	}

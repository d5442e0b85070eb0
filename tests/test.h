/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole unit test harness: TEST(name) { CHECK(...); } and TEST_MAIN. Prints TAP. */
#pragma once

#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_CASES_MAX 256

struct test_case {
	const char *name;
	void (*run)(void);
};

static struct test_case test_cases[TEST_CASES_MAX];
static int test_n_cases;
static jmp_buf test_jump;

#define TEST(name_)                                                                      \
	static void test_##name_(void);                                                  \
	__attribute__((constructor)) static void register_##name_(void)                  \
	{                                                                                \
		test_cases[test_n_cases++] = (struct test_case){ #name_, test_##name_ }; \
	}                                                                                \
	static void test_##name_(void)

#define TEST_FAIL(...)                                   \
	do {                                             \
		printf("# %s:%d: ", __FILE__, __LINE__); \
		printf(__VA_ARGS__);                     \
		printf("\n");                            \
		longjmp(test_jump, 1);                   \
	} while (0)

/* On failure says what was expected where, and ends this test. */
#define CHECK(condition)                             \
	do {                                         \
		if (!(condition))                    \
			TEST_FAIL("%s", #condition); \
	} while (0)

#define CHECK_EQ(got, want)                                                                  \
	do {                                                                                 \
		intmax_t got_ = (intmax_t)(got), want_ = (intmax_t)(want);                   \
		if (got_ != want_)                                                           \
			TEST_FAIL("%s is %jd, expected %s = %jd", #got, got_, #want, want_); \
	} while (0)

#define CHECK_STR(got, want)                                                           \
	do {                                                                           \
		const char *got_ = (got), *want_ = (want);                             \
		if (strcmp(got_, want_) != 0)                                          \
			TEST_FAIL("%s is \"%s\", expected \"%s\"", #got, got_, want_); \
	} while (0)

#define CHECK_MEM(got, want, length)                                                             \
	do {                                                                                     \
		const uint8_t *got_ = (const uint8_t *)(got);                                    \
		const uint8_t *want_ = (const uint8_t *)(want);                                  \
		for (size_t i_ = 0; i_ < (size_t)(length); i_++)                                 \
			if (got_[i_] != want_[i_])                                               \
				TEST_FAIL("%s differs from %s at byte %zu: %02x, expected %02x", \
					  #got, #want, i_, got_[i_], want_[i_]);                 \
	} while (0)

#define TEST_MAIN                                                                                 \
	int main(void)                                                                            \
	{                                                                                         \
		volatile int failed = 0;                                                          \
		printf("1..%d\n", test_n_cases);                                                  \
		for (volatile int i = 0; i < test_n_cases; i++) {                                 \
			volatile bool bad = false;                                                \
			if (setjmp(test_jump) == 0)                                               \
				test_cases[i].run();                                              \
			else                                                                      \
				bad = true;                                                       \
			printf("%s %d - %s\n", bad ? "not ok" : "ok", i + 1, test_cases[i].name); \
			fflush(stdout);                                                           \
			failed += bad;                                                            \
		}                                                                                 \
		return failed > 0;                                                                \
	}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test runner: named cases, each in a process of its own, reported as TAP.
 *
 * A test file defines a table of cases and calls test_main() from main(). Every
 * case runs in a forked child under an alarm, so that a failed assertion, a crash
 * or a hang ends that case only and everything it opened is closed with it.
 */
#ifndef SELFTESTS_TEST_H
#define SELFTESTS_TEST_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1ULL << (n))

/* The same random numbers in every run. @state is never 0. */
static inline u64 xorshift(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

#define KSFT_PASS	0
#define KSFT_FAIL	1
#define KSFT_SKIP	4

#define TEST_TIMEOUT	60	/* seconds a case may take unless it says otherwise */
#define TEST_PATIENCE_MS 50000	/* for what must come, however busy the machine is */

/**
 * struct test_case - one named case
 * @name: printed in the TAP line
 * @run: body; returning means success unless a check failed
 * @timeout: seconds, 0 for TEST_TIMEOUT; multiplied by $KEEL_TIMEOUT_SCALE
 */
struct test_case {
	const char *name;
	void (*run)(void);
	unsigned int timeout;
};

/**
 * test_main() - run a table of cases and report them
 * @argc: from main()
 * @argv: from main(); arguments name the cases to run, none means all
 * @cases: the table
 * @n: rows in @cases
 *
 * Return: kselftest exit code: 0 all passed, 1 one failed, 4 all were skipped.
 */
int test_main(int argc, char **argv, const struct test_case *cases, size_t n);

#define TEST_MAIN(cases)						\
	int main(int argc, char **argv)					\
	{								\
		return test_main(argc, argv, cases, ARRAY_SIZE(cases));	\
	}

/* Print a TAP diagnostic line; never buffered past the call. */
void test_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* End the case now. */
void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
void test_skip(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* Record a mismatch and go on; the case fails when it returns. */
void test_check(const char *file, int line, const char *name, u64 wanted, u64 got);
void test_check_ret(const char *file, int line, const char *name, long wanted, long got);

/* True once a check of this case has failed. */
int test_has_failed(void);

#define FAIL(...)	test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...)	test_skip(__VA_ARGS__)
#define REQUIRE(cond, ...)						\
	do {								\
		if (!(cond))						\
			test_skip(__VA_ARGS__);				\
	} while (0)

/* Fatal: both values are printed, then the case ends. */
#define ASSERT_OP(a, op, b)						\
	do {								\
		s64 a_ = (s64)(a), b_ = (s64)(b);			\
		if (!(a_ op b_))					\
			test_fail(__FILE__, __LINE__,			\
				  "%s %s %s: 0x%llx (%lld) and 0x%llx (%lld)", \
				  #a, #op, #b,				\
				  (unsigned long long)a_, (long long)a_, \
				  (unsigned long long)b_, (long long)b_); \
	} while (0)
#define ASSERT_EQ(a, b)	ASSERT_OP(a, ==, b)
#define ASSERT_NE(a, b)	ASSERT_OP(a, !=, b)
#define ASSERT_GE(a, b)	ASSERT_OP(a, >=, b)
#define ASSERT_LE(a, b)	ASSERT_OP(a, <=, b)
#define ASSERT(cond, ...)						\
	do {								\
		if (!(cond))						\
			test_fail(__FILE__, __LINE__, __VA_ARGS__);	\
	} while (0)

/* Not fatal: one row of a table. CHECK_RET prints error names for negatives. */
#define CHECK_EQ(name, wanted, got)					\
	test_check(__FILE__, __LINE__, name, (u64)(wanted), (u64)(got))
#define CHECK_RET(name, wanted, got)					\
	test_check_ret(__FILE__, __LINE__, name, (long)(wanted), (long)(got))

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test runner. The parent only forks, waits and prints TAP lines; it holds no
 * device open, so what a case leaves behind is gone when its process is. A
 * verdict travels as the child's exit status, the skip reason as a diagnostic.
 *
 * The alarm is a real one (SIGALRM, default action): a vCPU that never leaves
 * the guest is interrupted by it as by any signal, and the child dies of it.
 */
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static int nr_failed_checks;

static void vnote(const char *fmt, va_list ap)
{
	char line[512];
	int n;

	n = snprintf(line, sizeof(line), "# ");
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	if (write(STDOUT_FILENO, line, n) != n)
		_exit(KSFT_FAIL);
}

void test_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(fmt, ap);
	va_end(ap);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	test_note("FAILED at %s:%d (errno %d):", file, line, errno);
	va_start(ap, fmt);
	vnote(fmt, ap);
	va_end(ap);
	_exit(KSFT_FAIL);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vnote(fmt, ap);
	va_end(ap);
	_exit(nr_failed_checks ? KSFT_FAIL : KSFT_SKIP);
}

int test_has_failed(void)
{
	return __atomic_load_n(&nr_failed_checks, __ATOMIC_RELAXED) != 0;
}

void test_check(const char *file, int line, const char *name, u64 wanted, u64 got)
{
	if (wanted == got) {
		test_note("%s: wanted 0x%llx, got it", name, (unsigned long long)wanted);
		return;
	}
	__atomic_add_fetch(&nr_failed_checks, 1, __ATOMIC_RELAXED);
	test_note("WRONG %s: wanted 0x%llx, got 0x%llx (%s:%d)", name,
		  (unsigned long long)wanted, (unsigned long long)got, file, line);
}

static const char *ret_name(long ret, char *buf, size_t size)
{
	const char *name = ret < 0 && ret > -4096 ? strerrorname_np(-ret) : NULL;

	if (name)
		snprintf(buf, size, "-%s", name);
	else
		snprintf(buf, size, "%ld", ret);
	return buf;
}

void test_check_ret(const char *file, int line, const char *name, long wanted, long got)
{
	char w[32], g[32];

	ret_name(wanted, w, sizeof(w));
	ret_name(got, g, sizeof(g));
	if (wanted == got) {
		test_note("%s: wanted %s, got it", name, w);
		return;
	}
	__atomic_add_fetch(&nr_failed_checks, 1, __ATOMIC_RELAXED);
	test_note("WRONG %s: wanted %s, got %s (%s:%d)", name, w, g, file, line);
}

static unsigned int case_timeout(const struct test_case *c)
{
	const char *scale = getenv("KEEL_TIMEOUT_SCALE");
	unsigned int t = c->timeout ? c->timeout : TEST_TIMEOUT;

	return scale && atoi(scale) > 0 ? t * atoi(scale) : t;
}

/* A shell has what runs in the background ignore the keys' signals, nohup SIGHUP, and that is inherited. */
static void heed_signals(void)
{
	int i;

	for (i = 1; i < SIGRTMIN; i++)
		signal(i, SIG_DFL);
}

static int run_case(const struct test_case *c)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return KSFT_FAIL;
	if (!pid) {
		heed_signals();
		alarm(case_timeout(c));
		c->run();
		_exit(nr_failed_checks ? KSFT_FAIL : KSFT_PASS);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return KSFT_FAIL;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGALRM)
		test_note("timed out after %u s", case_timeout(c));
	else
		test_note("killed by signal %d", WTERMSIG(status));
	return KSFT_FAIL;
}

static int is_wanted(int argc, char **argv, const char *name)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2;
}

int test_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
	size_t i, nr = 0, failed = 0, skipped = 0;

	for (i = 0; i < n; i++)
		nr += is_wanted(argc, argv, cases[i].name);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", nr);
	for (i = 0, nr = 0; i < n; i++) {
		int ret;

		if (!is_wanted(argc, argv, cases[i].name))
			continue;
		ret = run_case(&cases[i]);
		failed += ret != KSFT_PASS && ret != KSFT_SKIP;
		skipped += ret == KSFT_SKIP;
		printf("%s %zu %s%s\n", ret && ret != KSFT_SKIP ? "not ok" : "ok", ++nr,
		       cases[i].name, ret == KSFT_SKIP ? " # SKIP" : "");
	}
	printf("# Totals: pass:%zu fail:%zu skip:%zu\n", nr - failed - skipped, failed, skipped);
	fflush(stdout);
	if (failed || !nr)
		return KSFT_FAIL;
	return skipped == nr ? KSFT_SKIP : KSFT_PASS;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * No write of a running guest is lost while the host swaps its pages out, merges equal ones, and makes and breaks huge
 * pages.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "thread.h"

#define GPA		0x40000000ULL
#define SIZE		(4ULL << 20)
#define NR_VCPUS	2
#define DISTURB_SECONDS	10

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static volatile u64 stop_guest;
static volatile u64 rounds[NR_VCPUS];

/*
 * Every page counts the rounds, in one word per vCPU. Only every @stride-th page is written in a round, and @pause ticks
 * of the TSC go by between rounds: most pages then are equal and left alone for a while.
 */
static void guest_count(u64 id, u64 stride, u64 pause)
{
	u64 r, i, v, t;

	for (r = 1; !stop_guest; r++) {
		for (t = rdtsc(); rdtsc() - t < pause && !stop_guest;)
			;
		for (i = r % stride * PAGE_SIZE; i < SIZE; i += stride * PAGE_SIZE) {
			v = mmio_read64(GPA + i + id * 8);
			GUEST_EQ(v, r > stride ? r - stride : 0);
			mmio_write64(GPA + i + id * 8, r);
		}
		rounds[id] = r;
	}
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		SKIP("cannot write %s to %s", text, path);
	close(fd);
}

static long read_number(const char *path)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd >= 0 && read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = 0;
	if (fd >= 0)
		close(fd);
	return atol(buf);
}

/* Run @disturb again and again while two vCPUs count; then all pages must hold what the guest counted. */
static void run(u8 *mem, u64 stride, u64 pause, void (*disturb)(u8 *mem, unsigned int i), unsigned int times)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu[NR_VCPUS];
	pthread_t t[NR_VCPUS];
	u64 end = host_now_us() + DISTURB_SECONDS * 1000000;
	unsigned int i;
	u64 page, n;

	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);
	for (i = 0; i < NR_VCPUS; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest_count);
		vcpu_args(vcpu[i], i, stride, pause);
		vcpu_let_host_in(vcpu[i]);
		t[i] = vcpu_thread(vcpu[i]);
	}
	/* not before both have begun: on a loaded machine all would be over by then */
	for (i = 0; i < 10000 && (!(*GUEST_VAR(vm, rounds))[0] || !(*GUEST_VAR(vm, rounds))[1]); i++)
		host_sleep_ms(1);
	/* nor longer than a loaded machine, on which one step may take a second, leaves time for */
	for (i = 0; i < times && host_now_us() < end; i++)
		disturb(mem, i);
	test_note("disturbed %u times", i);
	*GUEST_VAR(vm, stop_guest) = 1;
	for (i = 0; i < NR_VCPUS; i++)
		host_join(t[i]);
	for (i = 0; i < NR_VCPUS; i++) {
		n = (*GUEST_VAR(vm, rounds))[i];
		test_note("vCPU %u: %llu rounds", i, (unsigned long long)n);
		for (page = 0; page < SIZE / PAGE_SIZE; page++) {
			u64 got = *(u64 *)(mem + page * PAGE_SIZE + i * 8);
			u64 last = n - (n - page % stride) % stride;

			/* the last round that wrote this page */
			ASSERT_EQ(got, n < page % stride ? 0 : last);
		}
	}
}

static void swap_out(u8 *mem, unsigned int i)
{
	madvise(mem + i % 4 * (SIZE / 4), SIZE / 4, MADV_PAGEOUT);
	host_sleep_ms(2);
}

static void test_swap(void)
{
	u8 *mem = host_pages(SIZE);
	u8 in[SIZE / PAGE_SIZE];
	unsigned int i, out = 0;

	memset(mem, 0, SIZE);
	madvise(mem, SIZE, MADV_PAGEOUT);
	ASSERT_EQ(mincore(mem, SIZE, in), 0);
	for (i = 0; i < SIZE / PAGE_SIZE; i++)
		out += !(in[i] & 1);
	REQUIRE(out, "the host has no swap space");
	run(mem, 1, 0, swap_out, 150);
}

static long merged;

static void wait_merge(u8 *mem, unsigned int i)
{
	long now = read_number("/sys/kernel/mm/ksm/pages_sharing");

	if (now > merged)
		merged = now;
	host_sleep_ms(20);
}

static void test_merge(void)
{
	u8 *mem = host_pages(SIZE);

	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	REQUIRE(!madvise(mem, SIZE, MADV_MERGEABLE), "no KSM");
	memset(mem, 0, SIZE);
	write_file("/sys/kernel/mm/ksm/sleep_millisecs", "0");
	write_file("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	write_file("/sys/kernel/mm/ksm/run", "1");
	run(mem, 64, 50000000, wait_merge, 100);
	write_file("/sys/kernel/mm/ksm/run", "2");
	test_note("pages merged at most: %ld", merged);
	ASSERT(merged, "nothing was merged");
}

static unsigned int collapsed;

static void huge(u8 *mem, unsigned int i)
{
	switch (i % 4) {
	case 0:
		madvise(mem, SIZE, MADV_HUGEPAGE);
		collapsed += !madvise(mem, SIZE, MADV_COLLAPSE);
		break;
	case 1:
		/* splits the entry, not the page */
		mprotect(mem + (i & 63) * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
		mprotect(mem + (i & 63) * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE);
		break;
	case 2:
		/* a page of a huge page alone: splits that too */
		madvise(mem + (i & 511) * PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT);
		break;
	default:
		madvise(mem, SIZE, MADV_NOHUGEPAGE);
		host_sleep_ms(1);
	}
}

static void test_huge(void)
{
	run(host_pages_aligned(SIZE, 2 << 20), 1, 0, huge, 80);
	test_note("made huge %u times", collapsed);
	REQUIRE(collapsed, "the host does not make huge pages by MADV_COLLAPSE");
}

static const struct test_case cases[] = {
	{ "swap", test_swap },
	{ "merge", test_merge },
	{ "huge", test_huge },
};

TEST_MAIN(cases)

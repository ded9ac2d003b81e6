// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory stays as it is while another VM's device is told to write to it: much of the host's is filled with a pattern, a part of that is the
 * memory of a VM whose guest looks at it again and again, by way of Keel's tables, and both have it to the end. For lab/tests/dma_hostile.sh, which
 * names a file that ends it: KEEL_UNTIL.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "hostmem.h"
#include "pattern.h"
#include "thread.h"

#define GPA		0x40000000ULL
#define SIZE		(32ULL << 20)
#define FOR_OTHERS	(480ULL << 20)	/* the launcher, its guest, and room */

static volatile u64 passes, wrong;

static void guest_look(void)
{
	for (;;) {
		wrong += pattern_changed((void *)GPA, SIZE / 8);
		passes++;
		GUEST_SYNC(1);
	}
}

static void test_witness(void)
{
	const char *until = getenv("KEEL_UNTIL");
	u64 size, *words;
	struct vcpu *vcpu;
	struct vm *vm;

	REQUIRE(until, "no KEEL_UNTIL");
	size = host_available_memory();
	ASSERT_GE(size, FOR_OTHERS + SIZE);
	size = (size - FOR_OTHERS) & ~(SIZE - 1);
	words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(words != MAP_FAILED, "no memory");
	pattern_fill(words, size / 8);
	vm = vm_create(VM_GUEST);
	vm_set_slot(vm, 1, 0, GPA, SIZE, words);
	vcpu = vcpu_create_guest(vm, 0, guest_look);
	/* A look in 30 times what it takes, for a host that sleeps for the most part while the other guest waits for its lines. */
	for (u64 next = 0; access(until, F_OK); host_sleep_ms(500)) {
		u64 now = host_now_us();

		if (now < next)
			continue;
		vcpu_run_sync(vcpu, 1);
		next = now + 30 * (host_now_us() - now);
	}
	vcpu_run_sync(vcpu, 1);
	test_note("%llu MB; the guest has looked %llu times at %llu MB of them", (unsigned long long)size >> 20,
		  (unsigned long long)*GUEST_VAR(vm, passes), SIZE >> 20);
	CHECK_EQ("words that the guest found changed", 0, *GUEST_VAR(vm, wrong));
	CHECK_EQ("words that changed", 0, pattern_changed(words, size / 8));
}

static const struct test_case cases[] = {
	{ "witness", test_witness, 20000 },
};

TEST_MAIN(cases)

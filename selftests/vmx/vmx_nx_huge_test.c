// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where huge second-level pages must not be executable (iTLB multihit), data stays in huge ones,
 * code runs from small ones that take the place of a huge one where it lies, and of that one only.
 * Where they may be, both are huge. nx_huge_pages= of the module decides, and with "auto" the
 * kernel's file of that fault says which.
 */
#include <sys/mman.h>

#include "guest.h"
#include "stats.h"

#define GPA	0x40000000ULL
#define HUGE	(2ULL << 20)
#define SIZE	(4 * HUGE)

typedef u64 (*code_fn)(u64 x);

/* lea 1(%rdi), %rax; ret */
static const u8 code[] = { 0x48, 0x8d, 0x47, 0x01, 0xc3 };

static void call(u64 offset)
{
	GUEST_EQ(((code_fn)(GPA + offset))(offset), offset + 1);
}

static void touch(void)
{
	u64 i;

	for (i = 0; i < SIZE; i += HUGE / 4)
		mmio_write64(GPA + i + 64, i);
}

static void guest_nx(void)
{
	touch();
	GUEST_SYNC(1);
	call(HUGE);
	GUEST_SYNC(2);
	/*
	 * more pages of the same, the last bytes of it that run on into the next, and all of it as
	 * data
	 */
	call(HUGE + 0x3000);
	call(HUGE + 0x101000);
	touch();
	GUEST_SYNC(3);
	call(2 * HUGE - 2);
	call(HUGE);
	call(2 * HUGE - 2);
	touch();
	GUEST_SYNC(4);
}

static int file_has(const char *path, const char *word)
{
	char text[128] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return 0;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return strstr(text, word) != NULL;
}

/* Of the module behind the device. KVM's parameter is a truth value. */
static int nx_wanted(void)
{
	static const char fault[] = "/sys/devices/system/cpu/vulnerabilities/itlb_multihit";
	const char *param = strstr(dev_path(), "kvm") ? "/sys/module/kvm/parameters/nx_huge_pages" :
							 "/sys/module/keel/parameters/nx_huge_pages";

	if (file_has(param, "force") || file_has(param, "Y"))
		return 1;
	return file_has(param, "auto") && file_has(fault, "Split huge pages");
}

static u64 huge_pages(struct vm *vm)
{
	return vm_stat(vm, "pages_2m");
}

static void test_nx(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nx);
	static const u64 places[] = { HUGE, HUGE + 0x3000, HUGE + 0x101000, 2 * HUGE - 2 };
	u8 *mem = host_pages_aligned(SIZE, HUGE);
	int nx = nx_wanted();
	u64 before, small;
	unsigned int i;

	REQUIRE(!guest_is_amd(), "an AMD CPU");
	REQUIRE_CAP(KVM_CAP_BINARY_STATS_FD);
	test_note("huge pages are %sto be executable", nx ? "not " : "");
	madvise(mem, SIZE, MADV_HUGEPAGE);
	memset(mem, 0, SIZE);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		memcpy(mem + places[i], code, sizeof(code));
	vm_set_slot(vm, 1, 0, GPA, SIZE, mem);

	/* the guest's own code and stack are there before */
	before = huge_pages(vm);
	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	if (huge_pages(vm) - before > 4)
		before = huge_pages(vm) - 4;
	REQUIRE(huge_pages(vm) - before == 4, "the host has no four huge pages for it");
	small = vm_stat(vm, "pages_4k");

	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	CHECK_EQ("huge pages when code has run in one of four", nx ? 3 : 4, huge_pages(vm) - before);
	CHECK_EQ("there are more small ones", nx, vm_stat(vm, "pages_4k") > small);
	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	CHECK_EQ("and more of the code there", nx ? 3 : 4, huge_pages(vm) - before);
	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	CHECK_EQ("and an instruction across its end", nx ? 2 : 4, huge_pages(vm) - before);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "nx_huge_pages", test_nx },
};

TEST_MAIN(cases)

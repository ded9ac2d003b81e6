// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first-level data cache is flushed before entries as the kernel's file of L1TF says: before
 * every one, before those after which the host has run more than the guest's own business, or
 * before none.
 */
#include <sys/eventfd.h>

#include "guest.h"
#include "stats.h"

#define COUNT	2000
#define PORT	0x5658

static void guest_cpuid(void)
{
	u32 i, r[4];

	GUEST_SYNC(0);
	for (i = 0; i < COUNT; i++)
		cpuid(0, 0, r);
	GUEST_SYNC(1);
}

static void guest_doorbell(void)
{
	u32 i;

	GUEST_SYNC(0);
	for (i = 0; i < COUNT; i++)
		asm volatile("outb %b0, %w1" : : "a" (0), "d" (PORT));
	GUEST_SYNC(1);
}

enum flush { NOT_NEEDED, NEVER, COND, ALWAYS };

static enum flush flush_told(void)
{
	char text[160] = "";
	FILE *f = fopen("/sys/devices/system/cpu/vulnerabilities/l1tf", "r");

	REQUIRE(f, "the kernel knows nothing of L1TF");
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	test_note("l1tf: %s", strtok(text, "\n"));
	if (strstr(text, "conditional cache flushes"))
		return COND;
	if (strstr(text, "cache flushes"))
		return ALWAYS;
	return strstr(text, "VMX: vulnerable") ? NEVER : NOT_NEEDED;
}

/* Run @guest from its first call to its second: exits and flushes in between. */
static void count(struct vm *vm, void *guest, u64 *exits, u64 *flushes)
{
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest);

	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	*exits = vcpu_stat(vcpu, "exits");
	*flushes = vcpu_stat(vcpu, "l1d_flush");
	ASSERT_EQ(vcpu_run_ucall(vcpu, NULL), UCALL_SYNC);
	*exits = vcpu_stat(vcpu, "exits") - *exits;
	*flushes = vcpu_stat(vcpu, "l1d_flush") - *flushes;
	test_note("%llu exits, %llu flushes", (unsigned long long)*exits, (unsigned long long)*flushes);
	ASSERT_GE(*exits, COUNT);
}

static void require(void)
{
	REQUIRE(!guest_is_amd(), "an AMD CPU");
	REQUIRE_CAP(KVM_CAP_BINARY_STATS_FD);
}

/* CPUID is answered from what the guest may see anyway. */
static void test_cpuid(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	enum flush told = flush_told();
	u64 exits, flushes;

	require();
	count(vm, guest_cpuid, &exits, &flushes);
	switch (told) {
	case NOT_NEEDED:
	case NEVER:
		CHECK_EQ("flushes", 0, flushes);
		break;
	case COND:
		CHECK_EQ("some flushes", 1, flushes > 0);
		CHECK_EQ("less than one in four entries", 1, flushes < exits / 4);
		break;
	case ALWAYS:
		CHECK_EQ("a flush for each entry", exits, flushes);
		break;
	}
}

/* A doorbell wakes who waits for it: scheduler's data, other processes'. */
static void test_doorbell(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct kvm_ioeventfd bell = { .addr = PORT, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO, .fd = eventfd(0, EFD_CLOEXEC) };
	enum flush told = flush_told();
	u64 exits, flushes;

	require();
	REQUIRE(!strstr(dev_path(), "kvm"), "KVM takes these for harmless");
	vm_ioctl(vm, KVM_IOEVENTFD, &bell);
	count(vm, guest_doorbell, &exits, &flushes);
	if (told == NOT_NEEDED || told == NEVER)
		CHECK_EQ("flushes", 0, flushes);
	else
		CHECK_EQ("a flush for each doorbell", 1, flushes >= COUNT);
}

/*
 * A guest that is itself a hypervisor is told that it need not flush (SKIP_VMENTRY_L1DFLUSH) where
 * that is true.
 */
static void test_told(void)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } get = { { .nmsrs = 1 }, { .index = 0x10a } };
	enum flush told = flush_told();

	require();
	REQUIRE(__dev_ioctl(KVM_GET_MSRS, &get) == 1, "no IA32_ARCH_CAPABILITIES");
	CHECK_EQ("SKIP_VMENTRY_L1DFLUSH", told != NEVER, get.entry.data >> 3 & 1);
}

static const struct test_case cases[] = {
	{ "cpuid", test_cpuid },
	{ "doorbell", test_doorbell },
	{ "told", test_told },
};

TEST_MAIN(cases)

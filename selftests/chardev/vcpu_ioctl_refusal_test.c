// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU's descriptor refuses: register values no CPU can hold, flags and
 * reserved fields, states without an in-kernel APIC, lists too short or too
 * long, attributes and capabilities that do not exist, commands of other
 * descriptors. A refused call changes nothing.
 */
#include "guest.h"

static void guest_nothing(void)
{
}

static struct vcpu *new_vcpu(unsigned int flags)
{
	return vcpu_create_guest(vm_create(VM_GUEST | flags), 0, guest_nothing);
}

static void test_sregs(void)
{
	struct vcpu *vcpu = new_vcpu(0);
	const struct kvm_sregs good = vcpu_sregs(vcpu);
	struct kvm_sregs s, after;
	size_t i;
	static const struct {
		const char *name;
		u64 cr0, cr4, efer;	/* flipped */
		int wanted;
	} rows[] = {
		{ "as they are", 0, 0, 0, 0 },
		{ "PG and LME without PAE", 0, BIT(5), 0, -EINVAL },
		{ "PG and LME without LMA", 0, 0, BIT(10), -EINVAL },
		{ "LMA without LME and PG", BIT(31), 0, BIT(8), -EINVAL },
		{ "CR4 bit 63", 0, BIT(63), 0, -EINVAL },
		{ "CR4 bit 31", 0, BIT(31), 0, -EINVAL },
	};

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		s = good;
		s.cr0 ^= rows[i].cr0;
		s.cr4 ^= rows[i].cr4;
		s.efer ^= rows[i].efer;
		CHECK_RET(rows[i].name, rows[i].wanted, __vcpu_ioctl(vcpu, KVM_SET_SREGS, &s));
		after = vcpu_sregs(vcpu);
		CHECK_EQ("nothing changed", 0, after.cr0 != good.cr0 || after.cr4 != good.cr4 ||
			 after.efer != good.efer);
	}
	vcpu_run_done(vcpu);
}

static void test_events(void)
{
	struct vcpu *vcpu = new_vcpu(VM_IRQCHIP);
	struct kvm_vcpu_events good, e;

	vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &good);
	CHECK_RET("as they are", 0, __vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &good));
	e = good;
	e.flags = 1 << 20;
	CHECK_RET("unknown flag", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e));
	e = good;
	e.exception.injected = 1;
	e.exception.nr = 32;
	CHECK_RET("exception 32", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e));
	e.exception.nr = 2;
	CHECK_RET("exception 2", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &e));
	vcpu_run_done(vcpu);
}

static int set_mp(struct vcpu *vcpu, u32 state)
{
	struct kvm_mp_state mp = { .mp_state = state };

	return __vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &mp);
}

static void test_mp_state(void)
{
	struct vcpu *bare = new_vcpu(0), *vcpu = new_vcpu(VM_IRQCHIP);

	CHECK_RET("state 100", -EINVAL, set_mp(vcpu, 100));
	CHECK_RET("STOPPED", -EINVAL, set_mp(vcpu, KVM_MP_STATE_STOPPED));
	CHECK_RET("HALTED", 0, set_mp(vcpu, KVM_MP_STATE_HALTED));
	CHECK_RET("RUNNABLE", 0, set_mp(vcpu, KVM_MP_STATE_RUNNABLE));
	CHECK_RET("without an APIC: HALTED", -EINVAL, set_mp(bare, KVM_MP_STATE_HALTED));
	CHECK_RET("without an APIC: RUNNABLE", 0, set_mp(bare, KVM_MP_STATE_RUNNABLE));
	vcpu_run_done(vcpu);
	vcpu_run_done(bare);
}

static void test_apic(void)
{
	struct vcpu *bare = new_vcpu(0), *vcpu = new_vcpu(VM_IRQCHIP);
	struct kvm_lapic_state l = { 0 };
	struct kvm_interrupt irq = { .irq = 0x20 };
	struct kvm_vapic_addr va = { .vapic_addr = 0x1000 };
	struct kvm_tpr_access_ctl tpr = { .enabled = 1, .flags = 1 };

	CHECK_RET("GET_LAPIC without", -EINVAL, __vcpu_ioctl(bare, KVM_GET_LAPIC, &l));
	CHECK_RET("SET_LAPIC without", -EINVAL, __vcpu_ioctl(bare, KVM_SET_LAPIC, &l));
	CHECK_RET("SET_VAPIC_ADDR without", -EINVAL, __vcpu_ioctl(bare, KVM_SET_VAPIC_ADDR, &va));
	CHECK_RET("INTERRUPT with a chip", -ENXIO, __vcpu_ioctl(vcpu, KVM_INTERRUPT, &irq));
	irq.irq = 256;
	CHECK_RET("INTERRUPT of vector 256", -EINVAL, __vcpu_ioctl(bare, KVM_INTERRUPT, &irq));
	CHECK_RET("TPR_ACCESS_REPORTING with flags", -EINVAL,
		  __vcpu_ioctl(vcpu, KVM_TPR_ACCESS_REPORTING, &tpr));
	va.vapic_addr = ~0ULL;
	CHECK_RET("SET_VAPIC_ADDR beyond memory", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_VAPIC_ADDR, &va));
}

static void test_debug(void)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_debugregs d;
	struct kvm_guest_debug g = { .control = 1 << 30 };

	vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &d);
	CHECK_EQ("DR6 at reset", 0xffff0ff0, d.dr6);
	CHECK_EQ("DR7 at reset", 0x400, d.dr7);
	d.flags = 1;
	CHECK_RET("flags", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d));
	d.flags = 0;
	d.dr7 = BIT(32);
	CHECK_RET("DR7 bit 32", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d));
	d.dr7 = 0x400;
	d.dr6 = BIT(32);
	CHECK_RET("DR6 bit 32", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &d));
	CHECK_RET("SET_GUEST_DEBUG, unknown bit", 0, __vcpu_ioctl(vcpu, KVM_SET_GUEST_DEBUG, &g));
}

static void test_xsave(void)
{
	struct vcpu *vcpu = new_vcpu(0);
	static struct kvm_xsave good, x;
	struct kvm_xcrs xcrs, xgood;

	REQUIRE(cpuid_row(supported_cpuid(), 1, 0)->ecx & BIT(26), "no XSAVE");
	vcpu_ioctl(vcpu, KVM_GET_XCRS, &xgood);
	CHECK_EQ("one register", 1, xgood.nr_xcrs);
	CHECK_EQ("XCR0 at reset", 1, xgood.xcrs[0].value);
	xcrs = xgood;
	xcrs.xcrs[0].value = 0;
	CHECK_RET("XCR0 without x87", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	xcrs.xcrs[0].value = 5;
	CHECK_RET("XCR0 with AVX, no SSE", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	xcrs.xcrs[0].value = BIT(63) | 1;
	CHECK_RET("XCR0 bit 63", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	xcrs = xgood;
	xcrs.flags = 1;
	CHECK_RET("flags", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	xcrs = xgood;
	xcrs.nr_xcrs = KVM_MAX_XCRS + 1;
	CHECK_RET("17 registers", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	CHECK_RET("as it is", 0, __vcpu_ioctl(vcpu, KVM_SET_XCRS, &xgood));
	vcpu_ioctl(vcpu, KVM_GET_XSAVE, &good);
	x = good;
	x.region[6] = 0xffffffff;
	x.region[128] |= 3;
	CHECK_RET("reserved MXCSR bits", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XSAVE, &x));
	x = good;
	x.region[128 + 1] = 0x80000000;
	CHECK_RET("header names a state that is not", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_XSAVE, &x));
	CHECK_RET("as it is", 0, __vcpu_ioctl(vcpu, KVM_SET_XSAVE, &good));
	vcpu_run_done(vcpu);
}

static void test_lists(void)
{
	struct vcpu *vcpu = new_vcpu(0);
	struct kvm_cpuid2 *c = supported_cpuid();
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[3];
	} m = { .head.nmsrs = 3, .e = { { .index = 0x10 }, { .index = 0x12345678 }, { .index = 0x10 } } };
	struct {
		struct kvm_signal_mask head;
		u8 set[8];
	} sig = { .head.len = 4 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e[256];
	} many = { .head.nmsrs = 255 };
	struct kvm_cpuid old;
	u32 n = c->nent, i;

	for (i = 0; i < 256; i++)
		many.e[i].index = 0x10;
	CHECK_RET("GET_MSRS of 255", 255, __vcpu_ioctl(vcpu, KVM_GET_MSRS, &many));
	many.head.nmsrs = 256;
	CHECK_RET("GET_MSRS of 256", -E2BIG, __vcpu_ioctl(vcpu, KVM_GET_MSRS, &many));
	CHECK_RET("SET_MSRS of 256", -E2BIG, __vcpu_ioctl(vcpu, KVM_SET_MSRS, &many));
	CHECK_RET("GET_MSRS stops at the unknown one", 1, __vcpu_ioctl(vcpu, KVM_GET_MSRS, &m));
	CHECK_RET("SET_MSRS stops at the unknown one", 1, __vcpu_ioctl(vcpu, KVM_SET_MSRS, &m));
	m.head.nmsrs = 0;
	CHECK_RET("GET_MSRS of none", 0, __vcpu_ioctl(vcpu, KVM_GET_MSRS, &m));
	m.head.nmsrs = 100000;
	CHECK_RET("GET_MSRS of 100000", -E2BIG, __vcpu_ioctl(vcpu, KVM_GET_MSRS, &m));
	CHECK_RET("SET_MSRS of 100000", -E2BIG, __vcpu_ioctl(vcpu, KVM_SET_MSRS, &m));
	c->nent = 100000;
	CHECK_RET("SET_CPUID2 of 100000", -E2BIG, __vcpu_ioctl(vcpu, KVM_SET_CPUID2, c));
	old.nent = 100000;
	CHECK_RET("SET_CPUID of 100000", -E2BIG, __vcpu_ioctl(vcpu, KVM_SET_CPUID, &old));
	c->nent = 1;
	CHECK_RET("GET_CPUID2 into 1", -E2BIG, __vcpu_ioctl(vcpu, KVM_GET_CPUID2, c));
	c->nent = CPUID_MAX;
	CHECK_RET("GET_CPUID2 into enough", 0, __vcpu_ioctl(vcpu, KVM_GET_CPUID2, c));
	CHECK_EQ("the count is told (not by KVM 6.1)", dev_is_kvm() ? c->nent : n, c->nent);
	CHECK_RET("signal mask of 4 bytes", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &sig));
	sig.head.len = 16;
	CHECK_RET("signal mask of 16 bytes", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, &sig));
	CHECK_RET("no signal mask", 0, __vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, NULL));
	vcpu_run_done(vcpu);
	c->nent = n - 1;
	CHECK_RET("another CPUID after KVM_RUN", -EINVAL, __vcpu_ioctl(vcpu, KVM_SET_CPUID2, c));
}

static void test_rest(void)
{
	struct vcpu *vcpu = new_vcpu(VM_IRQCHIP);
	struct kvm_enable_cap cap = { .cap = 0x7fffffff };
	struct kvm_device_attr attr = { .group = 99 };
	struct kvm_translation tr = { .linear_address = 0x123456789000 };
	u64 banks = 255;

	CHECK_RET("unknown capability", -EINVAL, __vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &cap));
	CHECK_RET("HAS_DEVICE_ATTR of group 99", -ENXIO, __vcpu_ioctl(vcpu, KVM_HAS_DEVICE_ATTR, &attr));
	CHECK_RET("GET_DEVICE_ATTR of group 99", -ENXIO, __vcpu_ioctl(vcpu, KVM_GET_DEVICE_ATTR, &attr));
	CHECK_RET("SET_DEVICE_ATTR of group 99", -ENXIO, __vcpu_ioctl(vcpu, KVM_SET_DEVICE_ATTR, &attr));
	CHECK_RET("SETUP_MCE with 255 banks", -EINVAL, __vcpu_ioctl(vcpu, KVM_X86_SETUP_MCE, &banks));
	banks = 0;
	CHECK_RET("SETUP_MCE with none", -EINVAL, __vcpu_ioctl(vcpu, KVM_X86_SETUP_MCE, &banks));
	CHECK_RET("TRANSLATE of no mapping", 0, __vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr));
	CHECK_EQ("it says so", 0, tr.valid);
	tr.linear_address = 0x400123;
	CHECK_RET("TRANSLATE of a mapping", 0, __vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr));
	CHECK_EQ("valid", 1, tr.valid);
	CHECK_EQ("address", 0x400123, tr.physical_address);
	CHECK_RET("KVMCLOCK_CTRL before the guest has a clock", -EINVAL,
		  __vcpu_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NULL));
	CHECK_RET("KVM_RUN with an argument", -EINVAL, __vcpu_ioctl(vcpu, KVM_RUN, (void *)1));
}

static void test_wrong_fd(void)
{
	static const struct {
		const char *name;
		unsigned long nr;
	} rows[] = {
		{ "KVM_CREATE_VCPU", KVM_CREATE_VCPU },
		{ "KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION },
		{ "KVM_GET_API_VERSION", KVM_GET_API_VERSION },
		{ "KVM_CREATE_VM", KVM_CREATE_VM },
		{ "an unused KVM number", _IO(KVMIO, 0xff) },
		{ "KVM_RUN with a size", _IOW(KVMIO, 0x80, u64) },
	};
	struct vcpu *vcpu = new_vcpu(0);
	static u8 buffer[65536];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, -EINVAL, __vcpu_ioctl(vcpu, rows[i].nr, buffer));
	CHECK_RET("another type", -EINVAL, __vcpu_ioctl(vcpu, _IO('k', 0x80), buffer));
	CHECK_RET("TCGETS", -EINVAL, __vcpu_ioctl(vcpu, 0x5401, buffer));
}

static const struct test_case cases[] = {
	{ "sregs", test_sregs },
	{ "events", test_events },
	{ "mp_state", test_mp_state },
	{ "apic", test_apic },
	{ "debug", test_debug },
	{ "xsave", test_xsave },
	{ "lists", test_lists },
	{ "rest", test_rest },
	{ "wrong_fd", test_wrong_fd },
};

TEST_MAIN(cases)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every bit of the control registers, of EFER, XCR0 and of the MSRs of speculation, XSS and CPUID
 * faulting, by every way in: the guest's own writes, with and without an MSR filter;
 * KVM_SET_SREGS, KVM_SET_SREGS2, KVM_SET_MSRS, KVM_SET_XCRS; and state read from one vCPU and
 * loaded into another. What CPUID offers works by all of them, what it does not offer is refused
 * by all. So it is for a guest from which features are hidden, and for one that is told of
 * features which the host does not offer.
 */
#include "guest.h"

enum reg {
	CR0, CR4, EFER, SPEC_CTRL, PRED_CMD, FLUSH_CMD, ARCH_CAPABILITIES, MISC_FEATURES, XSS, XCR0,
	NR_REGS
};

static const struct {
	const char *name;
	u32 msr;
} regs[NR_REGS] = {
	[CR0] = { "CR0" },
	[CR4] = { "CR4" },
	[EFER] = { "EFER", 0xc0000080 },
	[SPEC_CTRL] = { "SPEC_CTRL", 0x48 },
	[PRED_CMD] = { "PRED_CMD", 0x49 },
	[FLUSH_CMD] = { "FLUSH_CMD", 0x10b },
	[ARCH_CAPABILITIES] = { "ARCH_CAPABILITIES", 0x10a },
	[MISC_FEATURES] = { "MISC_FEATURES_ENABLES", 0x140 },
	[XSS] = { "XSS", 0xda0 },
	[XCR0] = { "XCR0" },
};

/* What a feature brings; the numbers are the manuals'. */
static const struct feature {
	u32 leaf, sub;
	size_t at;
	u32 bit;
	enum reg reg;
	u64 bits;
} features[] = {
#define AT(r) offsetof(struct kvm_cpuid_entry2, r)
	{ 1, 0, AT(ecx), 5, CR4, BIT(13) },			/* VMX */
	{ 1, 0, AT(ecx), 6, CR4, BIT(14) },			/* SMX */
	{ 1, 0, AT(ecx), 17, CR4, BIT(17) },			/* PCID */
	{ 1, 0, AT(ecx), 26, CR4, BIT(18) },			/* XSAVE */
	{ 7, 0, AT(ebx), 0, CR4, BIT(16) },			/* FSGSBASE */
	{ 7, 0, AT(ebx), 7, CR4, BIT(20) },			/* SMEP */
	{ 7, 0, AT(ebx), 20, CR4, BIT(21) },			/* SMAP */
	{ 7, 0, AT(ecx), 2, CR4, BIT(11) },			/* UMIP */
	{ 7, 0, AT(ecx), 3, CR4, BIT(22) },			/* PKU */
	{ 7, 0, AT(ecx), 16, CR4, BIT(12) },			/* LA57 */
	{ 7, 0, AT(ecx), 7, CR4, BIT(23) },			/* CET */
	{ 7, 0, AT(ecx), 23, CR4, BIT(19) },			/* KL */
	{ 7, 1, AT(eax), 26, CR4, BIT(28) },			/* LAM */
	{ 0x80000001, 0, AT(ecx), 2, EFER, BIT(12) },		/* SVM */
	{ 0x80000001, 0, AT(edx), 20, EFER, BIT(11) },		/* NX */
	{ 0x80000001, 0, AT(edx), 25, EFER, BIT(14) },		/* FFXSR */
	{ 0x80000021, 0, AT(eax), 8, EFER, BIT(21) },		/* automatic IBRS */
	{ 7, 0, AT(edx), 26, SPEC_CTRL, BIT(0) },		/* IBRS */
	{ 7, 0, AT(edx), 26, PRED_CMD, BIT(0) },		/* IBPB */
	{ 7, 0, AT(edx), 27, SPEC_CTRL, BIT(1) },		/* STIBP */
	{ 7, 0, AT(edx), 28, FLUSH_CMD, BIT(0) },		/* L1D_FLUSH */
	{ 7, 0, AT(edx), 31, SPEC_CTRL, BIT(2) },		/* SSBD */
	{ 7, 2, AT(edx), 0, SPEC_CTRL, BIT(7) },		/* PSFD */
	{ 7, 2, AT(edx), 1, SPEC_CTRL, BIT(3) | BIT(4) },	/* IPRED_CTRL */
	{ 7, 2, AT(edx), 2, SPEC_CTRL, BIT(5) | BIT(6) },	/* RRSBA_CTRL */
	{ 7, 2, AT(edx), 3, SPEC_CTRL, BIT(8) },		/* DDPD_U */
	{ 7, 2, AT(edx), 4, SPEC_CTRL, BIT(10) },		/* BHI_CTRL */
	{ 0x80000008, 0, AT(ebx), 12, PRED_CMD, BIT(0) },	/* AMD's */
	{ 0x80000008, 0, AT(ebx), 14, SPEC_CTRL, BIT(0) },
	{ 0x80000008, 0, AT(ebx), 15, SPEC_CTRL, BIT(1) },
	{ 0x80000008, 0, AT(ebx), 24, SPEC_CTRL, BIT(2) },
	{ 0x80000008, 0, AT(ebx), 28, SPEC_CTRL, BIT(7) },
	{ 0x80000021, 0, AT(eax), 27, PRED_CMD, BIT(7) },	/* SBPB */
};

#define CR0_PE		BIT(0)
#define CR0_ET		BIT(4)
#define CR0_NW		BIT(29)
#define CR0_PG		BIT(31)
#define CR0_DEFINED	0xe005003fULL
#define CR4_ALWAYS	0x7dfULL	/* VME to OSXMMEXCPT, without PAE: long mode needs it */
#define CR4_LA57	BIT(12)
#define CR4_OSXSAVE	BIT(18)
#define EFER_SCE	BIT(0)
#define EFER_LME	BIT(8)
#define EFER_LMA	BIT(10)
#define EFER_NX		BIT(11)
#define EFER_LMSLE	BIT(13)	/* AMD's, for no guest of Keel's */

/* ---- the guest ---- */

static volatile u64 took[NR_REGS], kept[NR_REGS], left_out[NR_REGS], readable;

static int put(enum reg reg, u64 v)
{
	switch (reg) {
	case CR0:
		return GUEST_TRY("mov %1, %%cr0", "r" (v));
	case CR4:
		return GUEST_TRY("mov %1, %%cr4", "r" (v));
	case XCR0:
		return GUEST_TRY("xsetbv", "a" ((u32)v), "d" ((u32)(v >> 32)), "c" (0));
	default:
		return wrmsr_safe(regs[reg].msr, v);
	}
}

static u64 get(enum reg reg)
{
	u64 v = 0;

	if (reg == CR0)
		return read_cr0();
	if (reg == CR4)
		return read_cr4();
	if (reg != XCR0 && rdmsr_safe(regs[reg].msr, &v) == NO_FAULT)
		readable |= BIT(reg);
	return v;
}

/* A value with that bit the other way round; XCR0 has bits that go together. */
static u64 with_bit(enum reg reg, u64 base, unsigned int bit)
{
	if (reg != XCR0)
		return base ^ BIT(bit);
	if (bit >= 5 && bit <= 7)
		return 0xe7;
	if (bit == 3 || bit == 4)
		return 0x19;
	if (bit == 17 || bit == 18)
		return 0x60001;
	return 1 | BIT(bit) | (bit == 2 ? 2 : 0);
}

static void sweep(enum reg reg)
{
	u64 base = reg == XCR0 ? 1 : get(reg);
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		u64 v = with_bit(reg, base, bit);

		if (left_out[reg] & BIT(bit))
			continue;
		if (put(reg, v) != NO_FAULT)
			continue;
		took[reg] |= BIT(bit);
		if (get(reg) == v)
			kept[reg] |= BIT(bit);
		put(reg, base);
	}
}

static void guest_sweep(u64 efer_nx)
{
	enum reg reg;

	if (!efer_nx)
		wrmsr(regs[EFER].msr, rdmsr(regs[EFER].msr) & ~EFER_NX);
	for (reg = 0; reg < NR_REGS; reg++) {
		if (reg == XCR0 && put(CR4, read_cr4() | CR4_OSXSAVE) != NO_FAULT)
			break;
		sweep(reg);
	}
}

/* ---- CPUID ---- */

enum told { OFFERED, HIDDEN, CLAIMED };

/* The row of a leaf, made if need be. */
static struct kvm_cpuid_entry2 *need_row(struct kvm_cpuid2 *c, u32 leaf, u32 sub)
{
	struct kvm_cpuid_entry2 *e = cpuid_row(c, leaf, sub);

	if (e)
		return e;
	ASSERT(c->nent < CPUID_MAX, "the CPUID table is full");
	e = &c->entries[c->nent++];
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = sub };
	if (leaf == 7)
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return e;
}

static struct kvm_cpuid2 *cpuid_told(enum told told)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(features) && told != OFFERED; i++) {
		const struct feature *f = &features[i];
		u32 *word = (u32 *)((u8 *)need_row(c, f->leaf, f->sub) + f->at);

		if (told == HIDDEN)
			*word &= ~BIT(f->bit);
		else
			*word |= BIT(f->bit);
	}
	return c;
}

static u64 feature_bits(struct kvm_cpuid2 *c, enum reg reg)
{
	u64 bits = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];
		struct kvm_cpuid_entry2 *e = cpuid_row(c, f->leaf, f->sub);

		if (f->reg == reg && e && *(u32 *)((u8 *)e + f->at) & BIT(f->bit))
			bits |= f->bits;
	}
	return bits;
}

static u64 xsave_bits(struct kvm_cpuid2 *c, u32 sub)
{
	struct kvm_cpuid_entry2 *xsave = cpuid_row(c, 1, 0), *e = cpuid_row(c, 0xd, sub);

	if (!e || !(xsave->ecx & BIT(26)))
		return 0;
	if (!sub)
		return e->eax | (u64)e->edx << 32;
	return e->eax & BIT(3) ? e->ecx | (u64)e->edx << 32 : 0;	/* XSAVES */
}

/* Of the bits that CPUID @c announces: those of the host's own offer. */
static u64 allowed(struct kvm_cpuid2 *c, enum reg reg)
{
	struct kvm_cpuid2 *all = supported_cpuid();
	u64 mask = 0;
	unsigned int bit;

	switch (reg) {
	case XCR0:
		mask = xsave_bits(c, 0) & xsave_bits(all, 0);
		for (bit = 0; bit < 64; bit++)
			if (with_bit(XCR0, 1, bit) & ~mask)
				mask &= ~BIT(bit);
		break;
	case XSS:
		mask = xsave_bits(c, 1) & xsave_bits(all, 1);
		break;
	case MISC_FEATURES:
		mask = BIT(0);
		break;
	default:
		mask = feature_bits(c, reg) & feature_bits(all, reg);
	}
	free(all);
	return mask;
}

static void check_mask(const char *what, enum reg reg, u64 wanted, u64 got)
{
	char name[96];

	snprintf(name, sizeof(name), "%s: bits that %s", regs[reg].name, what);
	CHECK_EQ(name, wanted, got);
}

/* ---- the guest's own writes ---- */

/* Stock KVM asks the CPU which bits SPEC_CTRL has, and both emulators take any. */
static int spec_ctrl_unknown(void)
{
	return dev_is_kvm() && (host_is_tcg() || host_is_bochs());
}

/*
 * QEMU's TCG drops bits 63:32 of a guest's MOV to CR0 without an exit, and does not intercept XSETBV: of a
 * CPU with MPX, which no guest is offered, it takes bits 4:3. Stock KVM there drops bits 63:32 of a MOV to
 * CR4, and lets a guest set EFER.LMSLE, with which TCG refuses the next VMRUN.
 */
static void leave_out(struct vm *vm)
{
	volatile u64 *l = *GUEST_VAR(vm, left_out);

	if (spec_ctrl_unknown())
		l[SPEC_CTRL] = ~0ULL;
	if (!host_is_tcg())
		return;
	l[CR0] = 0xffffffff00000000;
	l[XCR0] = BIT(3) | BIT(4);
	if (!dev_is_kvm())
		return;
	l[CR4] = 0xffffffff00000000;
	l[EFER] = EFER_LMSLE;
}

static struct vcpu *start(enum told told, int filtered)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct kvm_cpuid2 *c = cpuid_told(told);
	struct vcpu *vcpu;
	u8 all = 0xff;

	if (filtered) {
		struct kvm_msr_filter filter = {
			.ranges[0] = { KVM_MSR_FILTER_READ, 1, 0x174, &all },
		};

		REQUIRE_CAP(KVM_CAP_X86_MSR_FILTER);
		vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
	}
	/* for SMEP and SMAP: pages of the kernel */
	*(u64 *)vm_hva(vm, VM_PML4) &= ~BIT(2);
	vcpu = vcpu_create_guest(vm, 0, guest_sweep);
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	vcpu_args(vcpu, told != HIDDEN, 0, 0);
	leave_out(vm);
	free(c);
	return vcpu;
}

static void check_guest(enum told told, int filtered)
{
	struct vcpu *vcpu = start(told, filtered);
	struct kvm_cpuid2 *c = cpuid_told(told);
	volatile u64 *t = *GUEST_VAR(vcpu->vm, took), *k = *GUEST_VAR(vcpu->vm, kept);
	u64 cr4 = CR4_ALWAYS | (allowed(c, CR4) & ~CR4_LA57), efer = EFER_SCE | allowed(c, EFER);
	u64 cr0 = 0xffffffff & ~(CR0_PE | CR0_NW | CR0_PG) & ~(*GUEST_VAR(vcpu->vm, left_out))[CR0];
	struct kvm_cpuid_entry2 *f7 = cpuid_row(c, 7, 0), *fd = cpuid_row(c, 0xd, 1);
	u64 seen;
	enum reg reg;

	vcpu_run_done(vcpu);
	seen = *GUEST_VAR(vcpu->vm, readable);
	check_mask("MOV takes", CR0, cr0, t[CR0]);
	check_mask("MOV changes", CR0, cr0 & CR0_DEFINED & ~CR0_ET, k[CR0]);
	check_mask("MOV takes", CR4, cr4, t[CR4]);
	check_mask("MOV changes", CR4, cr4, k[CR4]);
	check_mask("WRMSR takes", EFER, efer | EFER_LMA, t[EFER]);
	check_mask("WRMSR changes", EFER, efer, k[EFER]);
	for (reg = SPEC_CTRL; reg <= XSS; reg++) {
		check_mask("WRMSR takes", reg, allowed(c, reg), t[reg]);
		if (reg != PRED_CMD && reg != FLUSH_CMD)
			check_mask("WRMSR changes", reg, allowed(c, reg), k[reg]);
	}
	check_mask("XSETBV takes", XCR0, allowed(c, XCR0), t[XCR0]);
	CHECK_EQ("SPEC_CTRL can be read", !!feature_bits(c, SPEC_CTRL), !!(seen & BIT(SPEC_CTRL)));
	CHECK_EQ("PRED_CMD can be read", 0, !!(seen & BIT(PRED_CMD)));
	CHECK_EQ("FLUSH_CMD can be read", 0, !!(seen & BIT(FLUSH_CMD)));
	CHECK_EQ("ARCH_CAPABILITIES can be read", !!(f7 && f7->edx & BIT(29)),
		 !!(seen & BIT(ARCH_CAPABILITIES)));
	CHECK_EQ("XSS can be read", !!(fd && fd->eax & BIT(3)), !!(seen & BIT(XSS)));
	free(c);
}

static void test_offered(void) { check_guest(OFFERED, 0); }
static void test_filtered(void) { check_guest(OFFERED, 1); }
static void test_hidden(void) { check_guest(HIDDEN, 0); }
static void test_claimed(void) { check_guest(CLAIMED, 0); }

/* ---- the launcher's ---- */

static int set_sregs(struct vcpu *vcpu, struct kvm_sregs *s, struct kvm_sregs2 *s2)
{
	return s2 ? __vcpu_ioctl(vcpu, KVM_SET_SREGS2, s2) : __vcpu_ioctl(vcpu, KVM_SET_SREGS, s);
}

/* @word: in struct kvm_sregs2 @s2, or else in struct kvm_sregs @s */
static void sweep_sregs(struct vcpu *vcpu, enum reg reg, __u64 *word, struct kvm_sregs *s,
			struct kvm_sregs2 *s2, u64 wanted, u64 changes)
{
	u64 base = *word, t = 0, k = 0, strange = 0;
	unsigned int bit;

	for (bit = 0; bit < 64; bit++) {
		struct kvm_sregs now;
		int ret;

		*word = base ^ BIT(bit);
		ret = set_sregs(vcpu, s, s2);
		if (ret && ret != -EINVAL)
			strange |= BIT(bit);
		if (!ret)
			t |= BIT(bit);
		now = vcpu_sregs(vcpu);
		if ((reg == CR0 ? now.cr0 : reg == CR4 ? now.cr4 : now.efer) == *word)
			k |= BIT(bit);
		*word = base;
		ASSERT_EQ(set_sregs(vcpu, s, s2), 0);
	}
	check_mask(s2 ? "KVM_SET_SREGS2 takes" : "KVM_SET_SREGS takes", reg, wanted, t);
	check_mask(s2 ? "KVM_SET_SREGS2 changes" : "KVM_SET_SREGS changes", reg, changes, k);
	check_mask("get another answer than 0 and EINVAL", reg, 0, strange);
}

static void check_sregs(int two)
{
	struct vcpu *vcpu = start(OFFERED, 0);
	struct kvm_cpuid2 *c = cpuid_told(OFFERED);
	u64 cr0 = 0xffffffff & ~(CR0_PE | CR0_NW | CR0_PG), cr0_kept = cr0 & CR0_DEFINED & ~CR0_ET;
	u64 cr4 = CR4_ALWAYS | allowed(c, CR4), efer = EFER_SCE | allowed(c, EFER);
	struct kvm_sregs s = vcpu_sregs(vcpu);
	struct kvm_sregs2 s2, *second = NULL;

	if (two) {
		REQUIRE_CAP(KVM_CAP_SREGS2);
		vcpu_ioctl(vcpu, KVM_GET_SREGS2, &s2);
		second = &s2;
	}
	if (dev_is_kvm()) {
		/* takes all of EFER, and keeps reserved bits of CR0 and its ET */
		efer = ~(EFER_LME | EFER_LMA);
		cr0_kept = cr0;
	}
	sweep_sregs(vcpu, CR0, two ? &s2.cr0 : &s.cr0, &s, second, cr0, cr0_kept);
	sweep_sregs(vcpu, CR4, two ? &s2.cr4 : &s.cr4, &s, second, cr4, cr4);
	sweep_sregs(vcpu, EFER, two ? &s2.efer : &s.efer, &s, second, efer, efer);
	free(c);
}

static void test_sregs(void) { check_sregs(0); }
static void test_sregs2(void) { check_sregs(1); }

static void test_msrs(void)
{
	struct vcpu *vcpu = start(OFFERED, 0);
	struct kvm_cpuid2 *c = cpuid_told(OFFERED);
	enum reg reg;

	for (reg = EFER; reg <= XSS; reg++) {
		u64 base = 0, t = 0, k = 0, v, wanted = allowed(c, reg), changes;
		unsigned int bit;

		if (reg == SPEC_CTRL && spec_ctrl_unknown())
			continue;
		__vcpu_get_msr(vcpu, regs[reg].msr, &base);
		for (bit = 0; bit < 64; bit++) {
			if (__vcpu_set_msr(vcpu, regs[reg].msr, base ^ BIT(bit)) == 1)
				t |= BIT(bit);
			if (__vcpu_get_msr(vcpu, regs[reg].msr, &v) == 1 && v == (base ^ BIT(bit)))
				k |= BIT(bit);
			__vcpu_set_msr(vcpu, regs[reg].msr, base);
		}
		if (reg == ARCH_CAPABILITIES)
			wanted = ~0ULL;		/* the launcher's */
		changes = wanted;
		if (reg == EFER) {
			changes = wanted |= EFER_SCE;
			wanted |= EFER_LMA;	/* follows LME and CR0.PG */
			/* which stock KVM lets be changed in a guest with paging on */
			if (dev_is_kvm())
				wanted |= EFER_LME, changes |= EFER_LME;
			/* and LMSLE, with nesting */
			if (dev_is_kvm() && (wanted & BIT(12)))
				wanted |= EFER_LMSLE, changes |= EFER_LMSLE;
		}
		check_mask("KVM_SET_MSRS takes", reg, wanted, t);
		if (reg != PRED_CMD && reg != FLUSH_CMD)
			check_mask("KVM_SET_MSRS changes", reg, changes, k);
	}
	free(c);
}

static void test_xcrs(void)
{
	struct vcpu *vcpu = start(OFFERED, 0);
	struct kvm_cpuid2 *c = cpuid_told(OFFERED);
	struct kvm_xcrs x = { .nr_xcrs = 1 };
	u64 t = 0, k = 0, wanted = allowed(c, XCR0);
	unsigned int bit;

	REQUIRE(xsave_bits(c, 0), "no XSAVE");
	for (bit = 0; bit < 64; bit++) {
		u64 v = with_bit(XCR0, 1, bit);

		x.nr_xcrs = 1;
		x.xcrs[0] = (struct kvm_xcr){ .value = v };
		if (!__vcpu_ioctl(vcpu, KVM_SET_XCRS, &x))
			t |= BIT(bit);
		vcpu_ioctl(vcpu, KVM_GET_XCRS, &x);
		if (x.xcrs[0].value == v)
			k |= BIT(bit);
		x.xcrs[0].value = 1;
		vcpu_ioctl(vcpu, KVM_SET_XCRS, &x);
	}
	check_mask("KVM_SET_XCRS takes", XCR0, wanted, t);
	check_mask("KVM_SET_XCRS changes", XCR0, wanted, k);
	free(c);
}

/* ---- from one vCPU to another ---- */

static volatile u64 most[NR_REGS];

static void guest_most(void)
{
	enum reg reg;

	for (reg = CR4; reg < NR_REGS; reg++) {
		u64 base = reg == CR4 || reg == EFER ? get(reg) : 0;

		if (most[reg])
			GUEST_ROW("set", NO_FAULT, put(reg, base | most[reg]));
	}
	GUEST_SYNC(1);
	for (reg = CR4; reg < NR_REGS; reg++)
		if (reg != PRED_CMD && reg != FLUSH_CMD && reg != XCR0 && most[reg])
			GUEST_ROW("after the move", most[reg], get(reg) & most[reg]);
}

static void move_msrs(struct vcpu *from, struct vcpu *to)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 512 * sizeof(u32));
	u32 i, moved = 0;

	ASSERT(list, "out of memory");
	list->nmsrs = 512;
	dev_ioctl(KVM_GET_MSR_INDEX_LIST, list);
	for (i = 0; i < list->nmsrs; i++) {
		u32 msr = list->indices[i];
		char name[48];
		u64 v, w = 0;

		if (__vcpu_get_msr(from, msr, &v) != 1)
			continue;
		snprintf(name, sizeof(name), "MSR 0x%x", msr);
		if (__vcpu_set_msr(to, msr, v) == 1)
			moved++;
		else
			CHECK_RET(name, 1, 0);
		/* but for the TSC and Hyper-V's clock, which count on */
		if (msr == 0x10 || msr == 0x40000020)
			continue;
		if (__vcpu_get_msr(to, msr, &w) != 1 || w != v)
			CHECK_EQ(name, v, w);
	}
	test_note("%u MSRs moved", moved);
	free(list);
}

static void test_move(void)
{
	struct vcpu *a = start(OFFERED, 0), *b = start(OFFERED, 0);
	struct kvm_cpuid2 *c = cpuid_told(OFFERED);
	struct kvm_sregs s, t;
	struct kvm_regs r;
	struct kvm_xcrs x;
	enum reg reg;

	vcpu_start64(a, guest_most);
	for (reg = CR4; reg < NR_REGS; reg++)
		(*GUEST_VAR(a->vm, most))[reg] = allowed(c, reg);
	/* not in long mode, and no nesting */
	(*GUEST_VAR(a->vm, most))[CR4] &= ~(CR4_LA57 | BIT(13));
	(*GUEST_VAR(a->vm, most))[EFER] &= ~BIT(12);
	if (!xsave_bits(c, 0))
		(*GUEST_VAR(a->vm, most))[XCR0] = 0;
	vcpu_run_sync(a, 1);
	vcpu_complete(a);
	memcpy(b->vm->mem, a->vm->mem, VM_MEM_SIZE);
	s = vcpu_sregs(a);
	r = vcpu_regs(a);
	vcpu_set_sregs(b, &s);
	vcpu_set_regs(b, &r);
	if (xsave_bits(c, 0)) {
		vcpu_ioctl(a, KVM_GET_XCRS, &x);
		vcpu_ioctl(b, KVM_SET_XCRS, &x);
	}
	move_msrs(a, b);
	t = vcpu_sregs(b);
	CHECK_EQ("CR0", s.cr0, t.cr0);
	CHECK_EQ("CR4", s.cr4, t.cr4);
	CHECK_EQ("EFER", s.efer, t.efer);
	vcpu_run_done(b);
	free(c);
}

static const struct test_case cases[] = {
	{ "guest", test_offered },
	{ "guest_filtered", test_filtered },
	{ "guest_hidden", test_hidden },
	{ "guest_claimed", test_claimed },
	{ "sregs", test_sregs },
	{ "sregs2", test_sregs2 },
	{ "msrs", test_msrs },
	{ "xcrs", test_xcrs },
	{ "move", test_move },
};

TEST_MAIN(cases)

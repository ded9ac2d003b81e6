/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx_check() names the field of each single rule of VM entry that a VMCS breaks, and finds nothing wrong with states that a CPU
 * accepts: 64-bit, PAE, real mode, virtual-8086.
 */
#include "test.h"
#include "check.h"

/* What Bochs's corei7_skylake_x has. */
static const struct vmx_check_env env = {
	.pin = { 0x16, 0xff }, .cpu = { 0x04006172, 0xfff9fffe }, .cpu2 = { 0, 0x02127fff },
	.exit = { 0x00036dfb, 0x007fefff }, .entry = { 0x000011fb, 0x0000f3ff },
	.cr0_must = 0x80000021, .cr0_may = 0xffffffff, .cr4_must = 0x2000, .cr4_may = 0x3767ff,
	.maxphyaddr = 40, .linear_bits = 48, .ept_ad = 1, .hlt_state = 1, .zero_length = 0,
};

#define DATA64	{ .limit = ~0u, .ar = 0xc093, .selector = 0x10 }

/* A Linux guest in its kernel, a Linux host. */
static const struct vmx_snapshot good = {
	.pin = 0x3f, .cpu = 0x9401e172 | 1 << 7 | 1 << 28, .cpu2 = 0xa2, .exit = 0x003f6fff & ~(1 << 15), .entry = 0xd3ff,
	.vpid = 1, .msr_bitmap = 0x1000, .eptp = 0x200000 | 0x5e,
	.host_cr0 = 0x80050033, .host_cr3 = 0x1000, .host_cr4 = 0x3626f0, .host_efer = 0xd01, .host_pat = 0x0407050600070106,
	.host_rip = 0xffffffffc0001000, .host_sysenter_esp = 0xfffffe0000002000, .host_sysenter_eip = 0xffffffff81001000,
	.host_gs_base = 0xffff888000000000, .host_tr_base = 0xfffffe0000003000, .host_gdtr_base = 0xfffffe0000001000,
	.host_idtr_base = 0xfffffe0000000000, .host_cs = 0x10, .host_ss = 0x18, .host_tr = 0x40,
	.cr0 = 0x80050033, .cr3 = 0x5000, .cr4 = 0x26f0, .dr7 = 0x400, .efer = 0xd01, .pat = 0x0407050600070106,
	.rip = 0xffffffff81000000, .rflags = 0x202,
	.seg = {
		DATA64, { .limit = ~0u, .ar = 0xa09b, .selector = 8 }, DATA64, DATA64, DATA64, DATA64,
		{ .ar = 0x10000 }, { .base = 0xfffffe0000003000, .limit = 0x206f, .ar = 0x8b, .selector = 0x40 },
	},
	.gdtr_base = 0xfffffe0000001000, .gdtr_limit = 0x7f, .idtr_base = 0xfffffe0000000000, .idtr_limit = 0xfff,
	.link_pointer = ~0ull,
};

static struct vmx_snapshot real_mode(void)
{
	struct vmx_snapshot s = good;
	unsigned int n;

	s.entry &= ~0x200u;
	s.cr0 = 0x30;
	s.cr4 = 0x2000;
	s.efer = 0;
	s.rip = 0xfff0;
	for (n = CHECK_ES; n <= CHECK_GS; n++)
		s.seg[n] = (struct vmx_snapshot_seg){ .limit = 0xffff, .ar = 0x93 };
	s.seg[CHECK_CS] = (struct vmx_snapshot_seg){ .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b, .selector = 0xf000 };
	s.seg[CHECK_LDTR] = (struct vmx_snapshot_seg){ .limit = 0xffff, .ar = 0x82 };
	s.seg[CHECK_TR] = (struct vmx_snapshot_seg){ .limit = 0xffff, .ar = 0x8b };
	return s;
}

static struct vmx_snapshot pae(void)
{
	struct vmx_snapshot s = good;

	s.entry &= ~0x200u;
	s.efer = 0x801;
	s.cr4 = 0x2020;
	s.rip = 0x100000;
	s.seg[CHECK_CS].ar = 0xc09b;
	s.pdpte[0] = 0x6001;
	return s;
}

static struct vmx_snapshot vm86(void)
{
	struct vmx_snapshot s = pae();
	unsigned int n;

	s.rflags |= 1 << 17;
	for (n = CHECK_ES; n <= CHECK_GS; n++)
		s.seg[n] = (struct vmx_snapshot_seg){ .base = 0x12340, .limit = 0xffff, .ar = 0xf3, .selector = 0x1234 };
	return s;
}

static void accepted(const char *name, struct vmx_snapshot s)
{
	struct vmx_violation v = { };

	if (vmx_check(&s, &env, &v))
		test_note("%s: %s = %#llx: %s (%s)", name, v.field, (unsigned long long)v.value, v.rule, v.section);
	CHECK_EQ(name, 0, !!v.field);
}

static void test_accepted(void)
{
	struct vmx_snapshot s = good;

	accepted("64-bit", good);
	accepted("real mode", real_mode());
	accepted("PAE", pae());
	accepted("virtual-8086", vm86());
	s.entry_info = 0x80000b0e;
	accepted("page fault", s);
	s.entry_info = 0x80000030;
	accepted("external interrupt", s);
	s = real_mode();
	s.entry_info = 0x8000030d;
	accepted("#GP in real mode, no error code", s);
	s = good;
	s.interruptibility = 1;
	accepted("shadow of STI", s);
	s.seg[CHECK_SS] = (struct vmx_snapshot_seg){ .ar = 0x10000 };
	accepted("null SS", s);
}

/**
 * struct broken - one field set to a value that breaks one rule
 * @field: part of the name that vmx_check() must give
 * @offset, @size: of the member
 * @value: for it
 */
struct broken {
	const char *name;
	const char *field;
	size_t offset, size;
	u64 value;
};

#define B(name, field, member, value) \
	{ name, field, offsetof(struct vmx_snapshot, member), sizeof(good.member), value }
#define NOCAN	0x1234567800000000ull

static const struct broken broken_long[] = {
	B("pin: must-be-1 bit clear", "pin-based", pin, 0x29),
	B("pin: reserved bit", "pin-based", pin, 0x13f),
	B("cpu: must-be-1 bit clear", "primary", cpu, 0x90000000),
	B("cpu2: reserved bit", "secondary", cpu2, 0xa2 | 1 << 31),
	B("five CR3 targets", "CR3-target", cr3_target_count, 5),
	B("MSR bitmap not aligned", "MSR-bitmap", msr_bitmap, 0x1800),
	B("MSR bitmap too high", "MSR-bitmap", msr_bitmap, 1ull << 40),
	B("virtual NMIs without NMI exiting", "pin-based", pin, 0x37),
	B("VPID 0", "VPID", vpid, 0),
	B("unrestricted without EPT", "secondary", cpu2, 0xa0),
	B("PML without EPT", "secondary", cpu2, 0x20020),
	B("TSC multiplier 0", "TSC multiplier", cpu2, 0x20000a2),
	B("EPTP memory type", "EPT pointer", eptp, 0x20005c),
	B("EPTP levels", "EPT pointer", eptp, 0x200056),
	B("EPTP reserved bit", "EPT pointer", eptp, 0x2000de),
	B("EPTP too high", "EPT pointer", eptp, 1ull << 40 | 0x5e),
	B("exit: must-be-1 bit clear", "VM-exit controls", exit, 0x200),
	B("exit: timer saved, not used", "VM-exit controls", exit, 0x007f6fff),
	B("entry: reserved bit", "VM-entry controls", entry, 0x800d3ff),
	B("event: type 1", "interruption information", entry_info, 0x80000120),
	B("event: NMI 3", "interruption information", entry_info, 0x80000203),
	B("event: exception 32", "interruption information", entry_info, 0x80000320),
	B("event: other 1", "interruption information", entry_info, 0x80000701),
	B("event: #GP without error code", "interruption information", entry_info, 0x8000030d),
	B("event: #UD with error code", "interruption information", entry_info, 0x80000b06),
	B("event: interrupt with error code", "interruption information", entry_info, 0x80000830),
	B("event: reserved bit", "interruption information", entry_info, 0x80001030),
	B("event: INT n without length", "instruction length", entry_info, 0x80000480),
	B("host CR0 without NE", "host CR0", host_cr0, 0x80050013),
	B("host CR4 without VMXE", "host CR4", host_cr4, 0x3606f0),
	B("host CR3 too high", "host CR3", host_cr3, 1ull << 40),
	B("host SYSENTER_ESP", "host IA32_SYSENTER_ESP", host_sysenter_esp, NOCAN),
	B("host SYSENTER_EIP", "host IA32_SYSENTER_EIP", host_sysenter_eip, NOCAN),
	B("host PAT type 2", "host IA32_PAT", host_pat, 0x0407050600070206),
	B("host EFER reserved bit", "host IA32_EFER", host_efer, 0x1d01),
	B("host EFER without LMA", "host IA32_EFER", host_efer, 0x901),
	B("host CS RPL", "host CS", host_cs, 0x13),
	B("host SS TI", "host SS", host_ss, 0x1c),
	B("host DS RPL", "host DS", host_ds, 0x2b),
	B("host ES RPL", "host ES", host_es, 0x2b),
	B("host FS RPL", "host FS", host_fs, 0x63),
	B("host GS TI", "host GS", host_gs, 0x4),
	B("host TR RPL", "host TR", host_tr, 0x41),
	B("host CS null", "host CS", host_cs, 0),
	B("host TR null", "host TR", host_tr, 0),
	B("host FS base", "host FS base", host_fs_base, NOCAN),
	B("host GS base", "host GS base", host_gs_base, NOCAN),
	B("host TR base", "host TR base", host_tr_base, NOCAN),
	B("host GDTR base", "host GDTR base", host_gdtr_base, NOCAN),
	B("host IDTR base", "host IDTR base", host_idtr_base, NOCAN),
	B("host without PAE", "host CR4", host_cr4, 0x3626d0),
	B("host RIP", "host RIP", host_rip, NOCAN),
	B("CR0 without NE", "guest CR0", cr0, 0x80050013),
	B("CR0 upper half", "guest CR0", cr0, 0x180050033),
	B("PG without PE", "guest CR0", cr0, 0x80050032),
	B("CR4 without VMXE", "guest CR4", cr4, 0x6f0),
	B("CR4 bit the CPU lacks", "guest CR4", cr4, 0x10026f0),
	B("DEBUGCTL reserved bit", "guest IA32_DEBUGCTL", debugctl, 1 << 20),
	B("long mode without PG", "guest CR0", cr0, 0x00050033),
	B("long mode without PAE", "guest CR4", cr4, 0x26d0),
	B("CR3 too high", "guest CR3", cr3, 1ull << 40),
	B("DR7 upper half", "guest DR7", dr7, 0x100000400),
	B("SYSENTER_ESP", "guest IA32_SYSENTER_ESP", sysenter_esp, NOCAN),
	B("SYSENTER_EIP", "guest IA32_SYSENTER_EIP", sysenter_eip, NOCAN),
	B("PAT type 3", "guest IA32_PAT", pat, 0x0307050600070106),
	B("EFER reserved bit", "guest IA32_EFER", efer, 0x1d01),
	B("EFER without LMA", "guest IA32_EFER", efer, 0x901),
	B("EFER without LME", "guest IA32_EFER", efer, 0xc01),
	B("TR TI", "guest TR selector", seg[CHECK_TR].selector, 0x44),
	B("TR unusable", "guest TR access", seg[CHECK_TR].ar, 0x10000),
	B("TR not busy", "guest TR access", seg[CHECK_TR].ar, 0x89),
	B("TR 16-bit in long mode", "guest TR access", seg[CHECK_TR].ar, 0x83),
	B("TR with S", "guest TR access", seg[CHECK_TR].ar, 0x9b),
	B("TR not present", "guest TR access", seg[CHECK_TR].ar, 0x0b),
	B("TR granularity", "guest TR access", seg[CHECK_TR].ar, 0x808b),
	B("TR base", "guest TR base", seg[CHECK_TR].base, NOCAN),
	B("LDTR a TSS", "guest LDTR access", seg[CHECK_LDTR].ar, 0x8b),
	B("FS base", "guest FS base", seg[CHECK_FS].base, NOCAN),
	B("GS base", "guest GS base", seg[CHECK_GS].base, NOCAN),
	B("CS base", "guest CS base", seg[CHECK_CS].base, 1ull << 32),
	B("DS base", "guest DS base", seg[CHECK_DS].base, 1ull << 32),
	B("CS not accessed", "guest CS access", seg[CHECK_CS].ar, 0xa09a),
	B("CS data, DPL 3", "guest CS access", seg[CHECK_CS].ar, 0xc0f3),
	B("CS DPL not that of SS", "guest CS access", seg[CHECK_CS].ar, 0xa0fb),
	B("CS conforming above SS", "guest CS access", seg[CHECK_CS].ar, 0xa0ff),
	B("CS with L and D", "guest CS access", seg[CHECK_CS].ar, 0xe09b),
	B("CS reserved bit", "guest CS access", seg[CHECK_CS].ar, 0xa19b),
	B("CS granularity", "guest CS access", seg[CHECK_CS].limit, 0xfffff000),
	B("SS read-only", "guest SS access", seg[CHECK_SS].ar, 0xc091),
	B("DS not accessed", "guest DS access", seg[CHECK_DS].ar, 0xc092),
	B("ES execute-only", "guest ES access", seg[CHECK_ES].ar, 0xc099),
	B("FS without S", "guest FS access", seg[CHECK_FS].ar, 0xc083),
	B("GS not present", "guest GS access", seg[CHECK_GS].ar, 0xc013),
	B("GDTR base", "guest GDTR base", gdtr_base, NOCAN),
	B("IDTR base", "guest IDTR base", idtr_base, NOCAN),
	B("GDTR limit", "guest GDTR limit", gdtr_limit, 0x10000),
	B("IDTR limit", "guest IDTR limit", idtr_limit, 0x10000),
	B("RIP", "guest RIP", rip, NOCAN),
	B("RFLAGS bit 1", "guest RFLAGS", rflags, 0x200),
	B("RFLAGS bit 15", "guest RFLAGS", rflags, 0x8202),
	B("VM in long mode", "guest", rflags, 0x20202),
	B("activity 4", "activity", activity, 4),
	B("interruptibility reserved bit", "interruptibility", interruptibility, 0x20),
	B("STI and MOV SS", "interruptibility", interruptibility, 3),
	B("blocking by SMI", "interruptibility", interruptibility, 4),
	B("pending debug reserved bit", "pending debug", pending_debug, 0x20),
	B("link pointer not aligned", "link pointer", link_pointer, 0x1234),
};

static const struct broken broken_pae[] = {
	B("PCIDE outside long mode", "guest CR4", cr4, 0x22020),
	B("RIP above 4G", "guest RIP", rip, 1ull << 32),
	B("PDPTE reserved bit", "guest PDPTE0", pdpte[0], 0x6021),
	B("PDPTE too high", "guest PDPTE3", pdpte[3], 1ull << 40 | 1),
	B("LMA without the control", "guest IA32_EFER", efer, 0xd01),
};

static const struct broken broken_real[] = {
	B("error code in real mode", "interruption information", entry_info, 0x80000b0d),
	B("VM in real mode", "guest", rflags, 0x20202),
};

static const struct broken broken_vm86[] = {
	B("base not selector * 16", "guest DS base", seg[CHECK_DS].base, 0x12350),
	B("limit", "guest ES limit", seg[CHECK_ES].limit, 0xfffff),
	B("rights", "guest CS access", seg[CHECK_CS].ar, 0x93),
};

static void check_broken(const struct vmx_snapshot *from, const struct broken *b, size_t n)
{
	for (; n--; b++) {
		struct vmx_snapshot s = *from;
		struct vmx_violation v = { .field = "nothing", .rule = "", .section = "" };

		memcpy((char *)&s + b->offset, &b->value, b->size);
		vmx_check(&s, &env, &v);
		if (!strstr(v.field, b->field))
			test_note("%s: %s = %#llx: %s (%s)", b->name, v.field, (unsigned long long)v.value, v.rule, v.section);
		CHECK_EQ(b->name, 1, !!strstr(v.field, b->field));
		CHECK_EQ("has a rule and a section", 1, v.rule[0] && v.section[0]);
	}
}

static void test_long(void)
{
	check_broken(&good, broken_long, ARRAY_SIZE(broken_long));
}

static void test_pae(void)
{
	struct vmx_snapshot s = pae();

	check_broken(&s, broken_pae, ARRAY_SIZE(broken_pae));
}

static void test_real(void)
{
	struct vmx_snapshot s = real_mode();

	check_broken(&s, broken_real, ARRAY_SIZE(broken_real));
}

static void test_vm86(void)
{
	struct vmx_snapshot s = vm86();

	check_broken(&s, broken_vm86, ARRAY_SIZE(broken_vm86));
}

/* Rules between two fields, each of them valid by itself. */
static const char *refused(const struct vmx_snapshot *s, const struct vmx_check_env *e)
{
	struct vmx_violation v = { .field = "nothing" };

	vmx_check(s, e, &v);
	return v.field;
}

#define CHECK_REFUSED(name, field, s)	CHECK_EQ(name, 1, !!strstr(refused(s, &env), field))

static void test_pairs(void)
{
	struct vmx_snapshot s = good;
	struct vmx_check_env old = env;

	s.interruptibility = 1;
	s.entry_info = 0x80000030;
	CHECK_REFUSED("interrupt in the shadow of STI", "interruptibility", &s);
	s.interruptibility = 2;
	s.entry_info = 0x80000202;
	CHECK_REFUSED("NMI in the shadow of MOV SS", "interruptibility", &s);
	s.interruptibility = 8;
	CHECK_REFUSED("NMI while NMIs are masked", "interruptibility", &s);
	s = good;
	s.rflags = 2;
	s.interruptibility = 1;
	CHECK_REFUSED("STI with IF clear", "interruptibility", &s);
	s.interruptibility = 0;
	s.entry_info = 0x80000030;
	CHECK_REFUSED("interrupt with IF clear", "guest RFLAGS", &s);
	s = good;
	s.rflags |= 1 << 8;
	s.interruptibility = 2;
	CHECK_REFUSED("TF in a shadow without BS", "pending debug", &s);
	s.pending_debug = 1 << 14;
	CHECK_REFUSED("TF in a shadow with BS", "nothing", &s);
	s = good;
	s.activity = 1;
	s.interruptibility = 1;
	CHECK_REFUSED("halted in a shadow", "activity", &s);
	s = good;
	s.entry_info = 0x80000480;
	s.entry_length = 16;
	CHECK_REFUSED("INT n of 16 bytes", "instruction length", &s);
	s = good;
	s.entry_info = 0x80000b0e;
	s.entry_error = 0x10000;
	CHECK_REFUSED("error code of 17 bits", "error code", &s);
	s = real_mode();
	s.seg[CHECK_CS].ar = 0x93;
	s.seg[CHECK_SS].ar = 0xf3;
	CHECK_REFUSED("SS with DPL 3 in real mode", "guest SS access", &s);
	s = good;
	s.cpu |= 1 << 22;
	s.pin &= ~(1u << 5);
	CHECK_REFUSED("NMI window without virtual NMIs", "primary", &s);
	old.ept_ad = 0;
	CHECK_EQ("EPT flags on a CPU without", 1, !!strstr(refused(&good, &old), "EPT pointer"));
	old = env;
	old.linear_bits = 57;
	s = good;
	s.rip = 0xff00000000000000;
	CHECK_REFUSED("57-bit RIP on a CPU with 48", "guest RIP", &s);
	CHECK_EQ("57-bit RIP on a CPU with 57", 1, !!strstr(refused(&s, &old), "nothing"));
}

static const struct test_case cases[] = {
	{ "accepted", test_accepted },
	{ "long_mode", test_long },
	{ "pae", test_pae },
	{ "real_mode", test_real },
	{ "vm86", test_vm86 },
	{ "pairs", test_pairs },
};

TEST_MAIN(cases)

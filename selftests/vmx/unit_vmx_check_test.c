/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmx_check() against each rule of the SDM's chapter "VM Entries" that it knows: a state that is valid, one store, and the one
 * rule that breaks then, named with field, value, section and kind. Every rule of check.c is broken at least once, and valid
 * states of all modes pass.
 */
#include <stdbool.h>
#include <keel/groups.h>
#include "test.h"
#include "check.h"
#include "rule_count.h"

#define WIDTH		40
#define TOP		BIT(WIDTH)
#define NOCAN		0x1234567800000000ull

/* What Bochs's corei7_skylake_x has. */
#define SKYLAKE									\
	.pin = { 0x16, 0xff }, .cpu = { 0x04006172, 0xfff9fffe }, .cpu2 = { 0, 0x02127fff },	\
	.exit = { 0x00036dfb, 0x007fefff }, .entry = { 0x000011fb, 0x0000f3ff }, .vm_functions = 1,	\
	.cr0_must = 0x80000021, .cr0_may = 0xffffffff, .cr4_must = 0x2000, .cr4_may = 0x3767ff,	\
	.debugctl = 0x7fc3, .perf_global = 0x7000000ff, .ept_vpid = BIT(6) | BIT(8) | BIT(14) | BIT(21),	\
	.maxphyaddr = WIDTH, .linear_bits = 48, .cr3_targets = 4, .activities = 0xe

static const struct vmx_check_env skylake = { SKYLAKE };

/* A CPU with all that the manual knows. */
#define FUTURE									\
	.pin = { 0x16, 0xff }, .cpu = { 0x04006172, 0xfffffffe }, .cpu2 = { 0, 0xffffffff }, .cpu3 = 0x1f,	\
	.exit = { 0x00036dfb, 0xffffffff }, .exit2 = 8, .entry = { 0x000011fb, 0xffffffff }, .vm_functions = 1,	\
	.cr0_must = 0x80000021, .cr0_may = 0xffffffff, .cr4_must = 0x2000, .cr4_may = 0x1ff7fff,	\
	.debugctl = 0xffc7, .perf_global = 0x7000000ff, .rtit_ctl = 0xffff7fff, .lbr_ctl = 0x7f000f,	\
	.ept_vpid = BIT(6) | BIT(7) | BIT(8) | BIT(14) | BIT(21) | BIT(23),	\
	.maxphyaddr = WIDTH, .linear_bits = 48, .cr3_targets = 4, .activities = 0xe, .zero_length = 1,	\
	.rtm = 1, .bus_lock = 1, .sgx = 1

static const struct vmx_check_env future = { FUTURE };

/* And CPUs with less, or more. */
static const struct vmx_check_env no_mtf = { SKYLAKE, .cpu = { 0x04006172, 0xf7f9fffe } };
static const struct vmx_check_env no_ad = { SKYLAKE, .ept_vpid = BIT(6) | BIT(8) | BIT(14) };
static const struct vmx_check_env no_uc = { SKYLAKE, .ept_vpid = BIT(6) | BIT(14) | BIT(21) };
static const struct vmx_check_env no_wb = { SKYLAKE, .ept_vpid = BIT(6) | BIT(8) | BIT(21) };
static const struct vmx_check_env no_hlt = { SKYLAKE, .activities = 0xc };
static const struct vmx_check_env no_sipi = { SKYLAKE, .activities = 0x6 };
static const struct vmx_check_env free_error = { SKYLAKE, .free_error_code = 1 };
static const struct vmx_check_env zero_length = { SKYLAKE, .zero_length = 1 };
static const struct vmx_check_env wide = { FUTURE, .linear_bits = 57, .maxphyaddr = 52 };
static const struct vmx_check_env tags = { FUTURE, .cr3_tags = 3ull << 61 };
static const struct vmx_check_env itself = { SKYLAKE, .vmcs = 0x7000 };

#define DATA64	{ .limit = ~0u, .ar = 0xc093, .selector = 0x10 }

/* A 64-bit Linux guest in its kernel, on a Linux host. */
static const struct vmx_snapshot long_mode = {
	.pin = 0x3f, .cpu = 0x9401e1f2, .cpu2 = 0xa2, .exit = 0x003f6fff, .entry = 0xd3ff,
	.vpid = 1, .msr_bitmap = 0x1000, .eptp = 0x200000 | 0x5e,
	.host_cr0 = 0x80050033, .host_cr3 = 0x1000, .host_cr4 = 0x3626f0, .host_efer = 0xd01, .host_pat = 0x0407050600070106,
	.host_rip = 0xffffffffc0001000, .host_sysenter_esp = 0xfffffe0000002000, .host_sysenter_eip = 0xffffffff81001000,
	.host_gs_base = 0xffff888000000000, .host_tr_base = 0xfffffe0000003000, .host_gdtr_base = 0xfffffe0000001000,
	.host_idtr_base = 0xfffffe0000000000, .host_cs = 0x10, .host_ss = 0x18, .host_tr = 0x40,
	.cr0 = 0x80050033, .cr3 = 0x5000, .cr4 = 0x26f0, .dr7 = 0x400, .efer = 0xd01, .pat = 0x0407050600070106,
	.rip = 0xffffffff81000000, .rflags = 0x202,
	.seg = {
		DATA64, { .limit = ~0u, .ar = 0xa09b, .selector = 8 }, DATA64, DATA64, DATA64, DATA64,
		{ .limit = 0xffff, .ar = 0x82 }, { .base = 0xfffffe0000003000, .limit = 0x206f, .ar = 0x8b, .selector = 0x40 },
	},
	.gdtr_base = 0xfffffe0000001000, .gdtr_limit = 0x7f, .idtr_base = 0xfffffe0000000000, .idtr_limit = 0xfff,
	.link_pointer = ~0ull,
};

static const struct vmx_snapshot_msr good_msrs[] = { { .index = 0x174, .value = 0x10 }, { .index = 0xc0000102 } };

static struct vmx_snapshot mode_long(void)
{
	return long_mode;
}

/* Every control on that can be. */
static struct vmx_snapshot mode_all(void)
{
	struct vmx_snapshot s = long_mode;

	s.pin = 0xff;
	s.cpu = 0xfffffffe;
	s.cpu2 = 0xfffffffe;
	s.cpu3 = 0x1f;
	s.exit = 0xffffffff;
	s.exit2 = 8;
	s.entry = 0xfffff3ff;
	s.posted_vector = 0xf2;
	s.last_pid = 1;
	s.io_bitmap_a = 0x2000;
	s.io_bitmap_b = 0x3000;
	s.virtual_apic = s.apic_access = s.pml = s.eptp_list = s.vmread_bitmap = s.vmwrite_bitmap = s.ve_info = s.sppt = 0x4000;
	s.posted_desc = 0x4040;
	s.pid_table = 0x4048;
	s.hlat = 0x4018;
	s.pasid_low = s.pasid_high = 0x6000;
	s.tsc_multiplier = BIT(48);
	s.vm_functions = 1;
	s.exit_store_count = s.exit_load_count = s.entry_load_count = 2;
	s.exit_store_addr = s.exit_load_addr = 0x8010;
	s.entry_load_addr = 0x8000;
	s.msrs = good_msrs;
	s.nr_msrs = ARRAY_SIZE(good_msrs);
	s.host_perf_global = s.perf_global = 7;
	s.host_s_cet = s.s_cet = 0x3f;
	s.host_ssp = s.ssp = 0xffffc90000000ff8;
	s.host_ssp_table = s.ssp_table = 0xffffc90000000000;
	s.host_pkrs = s.pkrs = 0x55555554;
	s.bndcfgs = 3;
	s.rtit_ctl = 1;
	s.lbr_ctl = 7;
	s.uinv = 0xec;
	return s;
}

/* The same without posted interrupts, interrupt delivery and x2APIC mode: the TPR threshold counts. */
static struct vmx_snapshot mode_tpr(void)
{
	struct vmx_snapshot s = mode_all();

	s.pin &= ~0x80u;
	s.cpu2 &= ~0x210u;
	s.tpr_threshold = 5;
	s.vtpr = 0x5f;
	return s;
}

static struct vmx_snapshot mode_compat(void)
{
	struct vmx_snapshot s = long_mode;

	s.rip = 0x08048000;
	s.seg[SEG_CS].ar = 0xc09b;
	return s;
}

static struct vmx_snapshot mode_pae(void)
{
	struct vmx_snapshot s = long_mode;

	s.entry &= ~0x200u;
	s.efer = 0x801;
	s.cr4 = 0x2020;
	s.rip = 0x100000;
	s.seg[SEG_CS].ar = 0xc09b;
	s.pdpte0 = s.pdpte3 = 0x6001;
	return s;
}

static struct vmx_snapshot mode_prot(void)
{
	struct vmx_snapshot s = mode_pae();

	s.cr0 = 0x31;
	s.cr4 = 0x2000;
	s.efer = 0;
	return s;
}

static struct vmx_snapshot mode_real(void)
{
	struct vmx_snapshot s = long_mode;
	unsigned int n;

	s.entry &= ~0x200u;
	s.cr0 = 0x30;
	s.cr4 = 0x2000;
	s.efer = 0;
	s.rip = 0xfff0;
	for (n = SEG_ES; n <= SEG_GS; n++)
		s.seg[n] = (struct segment){ .limit = 0xffff, .ar = 0x93 };
	s.seg[SEG_CS] = (struct segment){ .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b, .selector = 0xf000 };
	s.seg[SEG_LDTR] = (struct segment){ .limit = 0xffff, .ar = 0x82 };
	s.seg[SEG_TR] = (struct segment){ .limit = 0xffff, .ar = 0x8b };
	return s;
}

/* Protected mode whose segments are still real mode's: what unrestricted guests are for. */
static struct vmx_snapshot mode_big_real(void)
{
	struct vmx_snapshot s = mode_real();

	s.cr0 |= 1;
	s.seg[SEG_CS].ar = 0x93;
	return s;
}

static struct vmx_snapshot mode_vm86(void)
{
	struct vmx_snapshot s = mode_pae();
	unsigned int n;

	s.rflags |= BIT(17);
	for (n = SEG_ES; n <= SEG_GS; n++)
		s.seg[n] = (struct segment){ .base = 0x12340, .limit = 0xffff, .ar = 0xf3, .selector = 0x1234 };
	return s;
}

/* Not an unrestricted guest, in user mode of a 64-bit system. */
static struct vmx_snapshot mode_restricted(void)
{
	struct vmx_snapshot s = long_mode;
	unsigned int n;

	s.cpu2 &= ~0x80u;
	for (n = SEG_ES; n <= SEG_GS; n++)
		s.seg[n] = (struct segment){ .limit = ~0u, .ar = 0xc0f3, .selector = 0x2b };
	s.seg[SEG_CS] = (struct segment){ .limit = ~0u, .ar = 0xa0fb, .selector = 0x33 };
	s.rip = 0x400000;
	return s;
}

/* Neither secondary nor tertiary controls: EPT is off as well. */
static struct vmx_snapshot mode_first(void)
{
	struct vmx_snapshot s = mode_restricted();

	s.cpu &= ~BIT(31);
	s.cpu2 = 0xffffffff;
	s.eptp = ~0ull;
	return s;
}

struct store {
	u16 at;
	u8 size;
	u64 value;
};

#define MAX_STORES	4

/**
 * struct row - a state, and what is to be said of it
 * @stores: all but the last leave it valid
 * @field, @rule: what the last one breaks; NULL: nothing
 * @other: the field is another than the one stored to
 */
struct row {
	const char *name;
	struct vmx_snapshot (*mode)(void);
	const struct vmx_check_env *env;
	struct store stores[MAX_STORES];
	const char *field;
	const char *rule;
	bool other;
};

#define SET(member, value)	{ offsetof(struct vmx_snapshot, member), sizeof(long_mode.member), value }
#define S1(m, v)		{ SET(m, v) }

/* One store to the field that is named; to another one; and with stores that prepare it. */
#define ONE(name, mode, env, member, value, field, rule)	{ name, mode_##mode, &env, S1(member, value), field, rule, false }
#define OTHER(name, mode, env, member, value, field, rule)	{ name, mode_##mode, &env, S1(member, value), field, rule, true }
#define MANY(name, mode, env, field, rule, ...)			{ name, mode_##mode, &env, { __VA_ARGS__ }, field, rule, false }
#define MANY_OTHER(name, mode, env, field, rule, ...)		{ name, mode_##mode, &env, { __VA_ARGS__ }, field, rule, true }

#define PIN		"pin-based VM-execution controls"
#define CPU		"primary processor-based VM-execution controls"
#define CPU2		"secondary processor-based VM-execution controls"
#define CPU3		"tertiary processor-based VM-execution controls"
#define EXITS		"VM-exit controls"
#define ENTRIES		"VM-entry controls"
#define R_PAGE		"bits 11:0 and those above the physical address width must be zero"
#define R_RESERVED	"reserved bits must be zero"
#define R_CANONICAL	"must be canonical"
#define R_WIDTH		"bits above the physical address width must be zero"
#define R_HIGH		"bits 63:32 must be zero"

/* An address of a page, in each way it can be wrong. */
#define PAGES(what, member)										\
	ONE(what ": bit 0", all, future, member, 0x4001, what, R_PAGE),					\
	ONE(what ": bit 11", all, future, member, 0x4800, what, R_PAGE),				\
	ONE(what ": first bit too many", all, future, member, TOP, what, R_PAGE),			\
	ONE(what ": bit 63", all, future, member, BIT(63), what, R_PAGE)

static const struct row execution[] = {
	ONE("pin: bit 1 clear", long, skylake, pin, 0x3d, PIN, "reserved bits must be as IA32_VMX_PINBASED_CTLS says"),
	ONE("pin: bit 4 clear", long, skylake, pin, 0x2f, PIN, "reserved bits must be as IA32_VMX_PINBASED_CTLS says"),
	ONE("pin: bit 8", long, skylake, pin, 0x13f, PIN, "reserved bits must be as IA32_VMX_PINBASED_CTLS says"),
	ONE("pin: bit 31", long, skylake, pin, 0x8000003f, PIN, "reserved bits must be as IA32_VMX_PINBASED_CTLS says"),
	ONE("cpu: bit 1 clear", long, skylake, cpu, 0x9401e1f0, CPU, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says"),
	ONE("cpu: bit 26 clear", long, skylake, cpu, 0x9001e1f2, CPU, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says"),
	ONE("cpu: bit 0", long, skylake, cpu, 0x9401e1f3, CPU, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says"),
	ONE("cpu: tertiary controls, not there", long, skylake, cpu, 0x9403e1f2, CPU, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says"),
	ONE("cpu: monitor trap flag, not there", long, no_mtf, cpu, 0x9c01e1f2, CPU, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says"),
	ONE("cpu2: bit 15", long, skylake, cpu2, 0x80a2, CPU2, "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says"),
	ONE("cpu2: mode-based execution, not there", long, skylake, cpu2, 0x4000a2, CPU2, "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says"),
	ONE("cpu2: bit 31", long, skylake, cpu2, 0x800000a2, CPU2, "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says"),
	ONE("cpu3: bit 5", all, future, cpu3, 0x3f, CPU3, "reserved bits must be as IA32_VMX_PROCBASED_CTLS3 says"),
	ONE("cpu3: bit 63", all, future, cpu3, 0x1f | BIT(63), CPU3, "reserved bits must be as IA32_VMX_PROCBASED_CTLS3 says"),
	ONE("5 CR3 targets", long, skylake, cr3_target_count, 5, "CR3-target count", "must not be above what IA32_VMX_MISC says"),
	ONE("2^31 CR3 targets", long, skylake, cr3_target_count, BIT(31), "CR3-target count", "must not be above what IA32_VMX_MISC says"),
	PAGES("I/O-bitmap address A", io_bitmap_a),
	PAGES("I/O-bitmap address B", io_bitmap_b),
	PAGES("MSR-bitmap address", msr_bitmap),
	PAGES("virtual-APIC address", virtual_apic),
	PAGES("PML address", pml),
	PAGES("EPTP-list address", eptp_list),
	PAGES("VMREAD-bitmap address", vmread_bitmap),
	PAGES("VMWRITE-bitmap address", vmwrite_bitmap),
	PAGES("virtualization-exception information address", ve_info),
	PAGES("sub-page-permission-table pointer", sppt),
	PAGES("low PASID directory address", pasid_low),
	PAGES("high PASID directory address", pasid_high),
	MANY("APIC-access address: bit 0", tpr, future, "APIC-access address", R_PAGE, SET(cpu2, 0xfffffdef), SET(apic_access, 0x4001)),
	MANY("APIC-access address: too high", tpr, future, "APIC-access address", R_PAGE, SET(cpu2, 0xfffffdef), SET(apic_access, TOP)),
	ONE("TPR threshold: bit 4", tpr, future, tpr_threshold, 0x10, "TPR threshold", "bits 31:4 must be zero without virtual-interrupt delivery"),
	ONE("TPR threshold: bit 31", tpr, future, tpr_threshold, BIT(31), "TPR threshold", "bits 31:4 must be zero without virtual-interrupt delivery"),
	ONE("TPR threshold above the priority", tpr, future, tpr_threshold, 6, "TPR threshold", "must not be above bits 7:4 of the virtual task priority"),
	OTHER("the priority below the threshold", tpr, future, vtpr, 0x4f, "TPR threshold", "must not be above bits 7:4 of the virtual task priority"),
	ONE("virtual NMIs without NMI exiting", long, skylake, pin, 0x37, PIN, "virtual NMIs need NMI exiting"),
	MANY("NMI window without virtual NMIs", long, skylake, CPU, "NMI-window exiting needs virtual NMIs", SET(pin, 0x1f), SET(cpu, 0x9441e1f2)),
	ONE("x2APIC mode without TPR shadow", long, skylake, cpu2, 0xb2, CPU2, "virtualize x2APIC mode needs the TPR shadow"),
	ONE("APIC registers without TPR shadow", long, skylake, cpu2, 0x1a2, CPU2, "APIC-register virtualization needs the TPR shadow"),
	ONE("interrupt delivery without TPR shadow", long, skylake, cpu2, 0x2a2, CPU2, "virtual-interrupt delivery needs the TPR shadow"),
	ONE("x2APIC mode and APIC accesses", all, future, cpu2, 0xffffffff, CPU2, "virtualize APIC accesses must be 0 with virtualize x2APIC mode"),
	MANY_OTHER("interrupt delivery without interrupt exiting", all, future, CPU2, "virtual-interrupt delivery needs external-interrupt exiting",
		   SET(pin, 0x7f), SET(pin, 0x7e)),
	ONE("posted interrupts without interrupt delivery", long, skylake, pin, 0xbf, PIN, "posted interrupts need virtual-interrupt delivery"),
	ONE("posted interrupts without acknowledge", all, future, exit, 0xffff7fff, EXITS, "posted interrupts need acknowledge interrupt on exit"),
	ONE("notification vector: bit 8", all, future, posted_vector, 0x1f2, "posted-interrupt notification vector", "bits 15:8 must be zero"),
	ONE("notification vector: bit 15", all, future, posted_vector, 0x80f2, "posted-interrupt notification vector", "bits 15:8 must be zero"),
	ONE("descriptor: bit 5", all, future, posted_desc, 0x4060, "posted-interrupt descriptor address",
	    "bits 5:0 and those above the physical address width must be zero"),
	ONE("descriptor: too high", all, future, posted_desc, TOP, "posted-interrupt descriptor address",
	    "bits 5:0 and those above the physical address width must be zero"),
	MANY_OTHER("IPI virtualization without TPR shadow", all, future, CPU3, "IPI virtualization needs the TPR shadow",
		   SET(pin, 0x7f), SET(cpu2, 0xfffffcee), SET(cpu, 0xffdffffe)),
	ONE("PID table: bit 2", all, future, pid_table, 0x404c, "PID-pointer table address",
	    "bits 2:0 and those above the physical address width must be zero"),
	ONE("PID table: too high", all, future, pid_table, TOP, "PID-pointer table address",
	    "bits 2:0 and those above the physical address width must be zero"),
	MANY("PID table: its end too high", all, future, "last PID-pointer index", "the last entry must lie below the physical address limit",
	     SET(pid_table, TOP - 16), SET(last_pid, 2)),
	ONE("VPID 0", long, skylake, vpid, 0, "VPID", "must not be zero while VPIDs are enabled"),
	ONE("TSC multiplier 0", all, future, tsc_multiplier, 0, "TSC multiplier", "must not be zero while TSC scaling is on"),
	OTHER("TSC scaling with multiplier 0", long, skylake, cpu2, 0x20000a2, "TSC multiplier", "must not be zero while TSC scaling is on"),
	ONE("unrestricted guest without EPT", long, skylake, cpu2, 0xa0, CPU2, "unrestricted guest needs EPT"),
	ONE("mode-based execution without EPT", restricted, future, cpu2, 0x400020, CPU2, "mode-based execute control needs EPT"),
	ONE("PML without EPT", restricted, future, cpu2, 0x20020, CPU2, "page-modification logging needs EPT"),
	ONE("sub-page permissions without EPT", restricted, future, cpu2, 0x800020, CPU2, "sub-page write permissions need EPT"),
	ONE("trace in guest memory without EPT", restricted, future, cpu2, 0x1000020, CPU2, "processor trace in guest-physical memory needs EPT"),
	ONE("trace in guest memory without load", all, future, entry, 0xfffbf3ff, ENTRIES, "processor trace in guest-physical memory needs load IA32_RTIT_CTL"),
	ONE("trace in guest memory without clear", all, future, exit, 0xfdffffff, EXITS, "processor trace in guest-physical memory needs clear IA32_RTIT_CTL"),
	MANY("HLAT without EPT", restricted, future, CPU3, "hypervisor-managed linear-address translation needs EPT",
	     SET(cpu2, 0x20), SET(cpu, 0x9403e1f2), SET(cpu3, 2)),
	MANY("paging-write control without EPT", restricted, future, CPU3, "EPT paging-write control needs EPT",
	     SET(cpu2, 0x20), SET(cpu, 0x9403e1f2), SET(cpu3, 4)),
	MANY("guest-paging verification without EPT", restricted, future, CPU3, "guest-paging verification needs EPT",
	     SET(cpu2, 0x20), SET(cpu, 0x9403e1f2), SET(cpu3, 8)),
	ONE("HLAT pointer: bit 0", all, future, hlat, 0x4019, "HLAT pointer", "bits 2:0, 11:5 and those above the physical address width must be zero"),
	ONE("HLAT pointer: bit 5", all, future, hlat, 0x4038, "HLAT pointer", "bits 2:0, 11:5 and those above the physical address width must be zero"),
	ONE("HLAT pointer: too high", all, future, hlat, TOP, "HLAT pointer", "bits 2:0, 11:5 and those above the physical address width must be zero"),
	ONE("VM function 1", all, future, vm_functions, 3, "VM-function controls", "reserved bits must be as IA32_VMX_VMFUNC says"),
	ONE("VM function 63", all, future, vm_functions, 1 | BIT(63), "VM-function controls", "reserved bits must be as IA32_VMX_VMFUNC says"),
	MANY("EPTP switching without EPT", restricted, skylake, "VM-function controls", "EPTP switching needs EPT",
	     SET(cpu2, 0x2020), SET(vm_functions, 1)),
	ONE("EPTP: memory type 1", long, skylake, eptp, 0x200059, "EPT pointer", "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has"),
	ONE("EPTP: memory type 4", long, skylake, eptp, 0x20005c, "EPT pointer", "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has"),
	ONE("EPTP: memory type 7", long, skylake, eptp, 0x20005f, "EPT pointer", "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has"),
	ONE("EPTP: uncached, not there", long, no_uc, eptp, 0x200058, "EPT pointer", "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has"),
	MANY("EPTP: write-back, not there", long, no_wb, "EPT pointer", "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has",
	     SET(eptp, 0x200058), SET(eptp, 0x20005e)),
	ONE("EPTP: 1 level", long, skylake, eptp, 0x200046, "EPT pointer", "bits 5:3 must be the levels of the tables, less 1"),
	ONE("EPTP: 3 levels", long, skylake, eptp, 0x200056, "EPT pointer", "bits 5:3 must be the levels of the tables, less 1"),
	ONE("EPTP: 5 levels, not there", long, skylake, eptp, 0x200066, "EPT pointer", "bits 5:3 must be the levels of the tables, less 1"),
	ONE("EPTP: 8 levels", long, future, eptp, 0x20007e, "EPT pointer", "bits 5:3 must be the levels of the tables, less 1"),
	MANY("EPTP: accessed and dirty flags, not there", long, no_ad, "EPT pointer", "bit 6 must be zero without EPT accessed and dirty flags",
	     SET(eptp, 0x20001e), SET(eptp, 0x20005e)),
	ONE("EPTP: shadow stacks, not there", long, skylake, eptp, 0x2000de, "EPT pointer", "bit 7 must be zero without supervisor shadow stacks"),
	ONE("EPTP: bit 8", long, skylake, eptp, 0x20015e, "EPT pointer", "bits 11:8 and those above the physical address width must be zero"),
	ONE("EPTP: bit 11", long, skylake, eptp, 0x20085e, "EPT pointer", "bits 11:8 and those above the physical address width must be zero"),
	ONE("EPTP: first bit too many", long, skylake, eptp, TOP | 0x5e, "EPT pointer", "bits 11:8 and those above the physical address width must be zero"),
	ONE("EPTP: bit 63", long, skylake, eptp, BIT(63) | 0x5e, "EPT pointer", "bits 11:8 and those above the physical address width must be zero"),
};

#define AREA(what, which)										\
	ONE(what ": bit 0", all, future, which##_addr, 0x8001, what " address", "bits 3:0 must be zero"),	\
	ONE(what ": bit 3", all, future, which##_addr, 0x8008, what " address", "bits 3:0 must be zero"),	\
	ONE(what ": too high", all, future, which##_addr, TOP, what " address", "the area must lie below the physical address limit"), \
	ONE(what ": bit 63", all, future, which##_addr, BIT(63), what " address", "the area must lie below the physical address limit"), \
	MANY_OTHER(what ": its end too high", all, future, what " address", "the area must lie below the physical address limit",	\
		   SET(which##_addr, TOP - 0x20), SET(which##_count, 3))

static const struct row exits[] = {
	ONE("exit: bit 0 clear", long, skylake, exit, 0x003f6ffe, EXITS, "reserved bits must be as IA32_VMX_EXIT_CTLS says"),
	ONE("exit: bit 17 clear", long, skylake, exit, 0x003d6fff, EXITS, "reserved bits must be as IA32_VMX_EXIT_CTLS says"),
	ONE("exit: perf, not there", long, skylake, exit, 0x003f7fff, EXITS, "reserved bits must be as IA32_VMX_EXIT_CTLS says"),
	ONE("exit: CET, not there", long, skylake, exit, 0x103f6fff, EXITS, "reserved bits must be as IA32_VMX_EXIT_CTLS says"),
	ONE("exit: bit 31", long, skylake, exit, 0x803f6fff, EXITS, "reserved bits must be as IA32_VMX_EXIT_CTLS says"),
	ONE("exit2: bit 0", all, future, exit2, 9, "secondary VM-exit controls", "reserved bits must be as IA32_VMX_EXIT_CTLS2 says"),
	ONE("exit2: bit 63", all, future, exit2, BIT(63), "secondary VM-exit controls", "reserved bits must be as IA32_VMX_EXIT_CTLS2 says"),
	ONE("timer saved, not on", long, skylake, exit, 0x007f6fff, EXITS, "saving the preemption timer needs the timer"),
	AREA("VM-exit MSR-store", exit_store),
	AREA("VM-exit MSR-load", exit_load),
};

#define INFO	"VM-entry interruption information"
#define EVENT(name, mode, env, value, rule)	ONE("event: " name, mode, env, entry_info, value, INFO, rule)
#define R_TYPE1		"the type 1 is reserved"
#define R_ERROR_MODE	"an error code goes with a hardware exception in protected mode alone"
#define R_NO_ERROR	"this exception has no error code"
#define R_NEEDS_ERROR	"this exception needs an error code"
#define R_INFO		"bits 30:12 must be zero"

static const struct row entries[] = {
	ONE("entry: bit 0 clear", long, skylake, entry, 0xd3fe, ENTRIES, "reserved bits must be as IA32_VMX_ENTRY_CTLS says"),
	ONE("entry: bit 12 clear", long, skylake, entry, 0xc3ff, ENTRIES, "reserved bits must be as IA32_VMX_ENTRY_CTLS says"),
	ONE("entry: CET, not there", long, skylake, entry, 0x10d3ff, ENTRIES, "reserved bits must be as IA32_VMX_ENTRY_CTLS says"),
	ONE("entry: bit 31", long, skylake, entry, 0x8000d3ff, ENTRIES, "reserved bits must be as IA32_VMX_ENTRY_CTLS says"),
	ONE("entry to SMM", all, future, entry, 0xfffff7ff, ENTRIES, "entry to SMM must be 0 outside SMM"),
	ONE("end of dual-monitor treatment", all, future, entry, 0xfffffbff, ENTRIES, "deactivate dual-monitor treatment must be 0 outside SMM"),
	EVENT("type 1", long, skylake, 0x80000120, R_TYPE1),
	EVENT("type 1, vector 255", long, skylake, 0x800001ff, R_TYPE1),
	EVENT("other event without trap flag", long, no_mtf, 0x80000700, "the type 7 is reserved without the monitor trap flag"),
	EVENT("NMI 0", long, skylake, 0x80000200, "the vector of an NMI is 2"),
	EVENT("NMI 3", long, skylake, 0x80000203, "the vector of an NMI is 2"),
	EVENT("NMI 34", long, skylake, 0x80000222, "the vector of an NMI is 2"),
	EVENT("exception 32", long, skylake, 0x80000320, "the vector of an exception is at most 31"),
	EVENT("exception 255", long, skylake, 0x800003ff, "the vector of an exception is at most 31"),
	EVENT("other 1", long, skylake, 0x80000701, "the vector of an other event is 0"),
	EVENT("other 255", long, skylake, 0x800007ff, "the vector of an other event is 0"),
	EVENT("interrupt with error code", long, skylake, 0x80000830, R_ERROR_MODE),
	EVENT("NMI with error code", long, skylake, 0x80000a02, R_ERROR_MODE),
	EVENT("INT n with error code", long, skylake, 0x80000c0d, R_ERROR_MODE),
	EVENT("INT3 with error code", long, skylake, 0x80000e03, R_ERROR_MODE),
	EVENT("other with error code", long, skylake, 0x80000f00, R_ERROR_MODE),
	EVENT("#GP with error code in real mode", real, skylake, 0x80000b0d, R_ERROR_MODE),
	EVENT("#DE with error code", long, skylake, 0x80000b00, R_NO_ERROR),
	EVENT("#DB with error code", long, skylake, 0x80000b01, R_NO_ERROR),
	EVENT("#UD with error code", long, skylake, 0x80000b06, R_NO_ERROR),
	EVENT("exception 9 with error code", long, skylake, 0x80000b09, R_NO_ERROR),
	EVENT("exception 15 with error code", long, skylake, 0x80000b0f, R_NO_ERROR),
	EVENT("#MF with error code", long, skylake, 0x80000b10, R_NO_ERROR),
	EVENT("#MC with error code", long, skylake, 0x80000b12, R_NO_ERROR),
	EVENT("exception 31 with error code", long, skylake, 0x80000b1f, R_NO_ERROR),
	EVENT("#DF without error code", long, skylake, 0x80000308, R_NEEDS_ERROR),
	EVENT("#TS without error code", long, skylake, 0x8000030a, R_NEEDS_ERROR),
	EVENT("#NP without error code", long, skylake, 0x8000030b, R_NEEDS_ERROR),
	EVENT("#SS without error code", long, skylake, 0x8000030c, R_NEEDS_ERROR),
	EVENT("#GP without error code", long, skylake, 0x8000030d, R_NEEDS_ERROR),
	EVENT("#PF without error code", long, skylake, 0x8000030e, R_NEEDS_ERROR),
	EVENT("#AC without error code", long, skylake, 0x80000311, R_NEEDS_ERROR),
	EVENT("#CP without error code", long, future, 0x80000315, R_NEEDS_ERROR),
	EVENT("#CP with error code, without CET", long, skylake, 0x80000b15, R_NO_ERROR),
	EVENT("#GP without error code, not unrestricted", restricted, skylake, 0x8000030d, R_NEEDS_ERROR),
	EVENT("bit 12", long, skylake, 0x80001030, R_INFO),
	EVENT("bit 13", long, skylake, 0x80002030, R_INFO),
	EVENT("bit 30", long, skylake, 0xc0000030, R_INFO),
	MANY("error code: bit 16", long, skylake, "VM-entry exception error code", "bits 31:16 must be zero",
	     SET(entry_info, 0x80000b0e), SET(entry_error, 0x10000)),
	MANY("error code: bit 31", long, skylake, "VM-entry exception error code", "bits 31:16 must be zero",
	     SET(entry_info, 0x80000b0e), SET(entry_error, BIT(31))),
	MANY("INT n of 16 bytes", long, skylake, "VM-entry instruction length", "must not be above 15",
	     SET(entry_length, 2), SET(entry_info, 0x80000480), SET(entry_length, 16)),
	MANY("INT1 of 2^31 bytes", long, skylake, "VM-entry instruction length", "must not be above 15",
	     SET(entry_length, 1), SET(entry_info, 0x80000501), SET(entry_length, BIT(31))),
	MANY("INT3 of 16 bytes", long, skylake, "VM-entry instruction length", "must not be above 15",
	     SET(entry_length, 1), SET(entry_info, 0x80000603), SET(entry_length, 16)),
	OTHER("INT n of 0 bytes", long, skylake, entry_info, 0x80000480, "VM-entry instruction length", "must not be zero unless IA32_VMX_MISC says so"),
	OTHER("INT1 of 0 bytes", long, skylake, entry_info, 0x80000501, "VM-entry instruction length", "must not be zero unless IA32_VMX_MISC says so"),
	OTHER("INT3 of 0 bytes", long, skylake, entry_info, 0x80000603, "VM-entry instruction length", "must not be zero unless IA32_VMX_MISC says so"),
	AREA("VM-entry MSR-load", entry_load),
};

#define R_FIXED		"bits fixed in VMX operation"
#define R_PAT		"each byte must be a memory type"
#define R_WP		"WP must be set with CR4.CET"
#define R_SUPPRESS	"SUPPRESS and TRACKER must not both be set"
#define HOST(name, member, value, rule)	ONE("host " name, long, skylake, member, value, HOST_FIELD, rule)

static const struct row host_registers[] = {
#define HOST_FIELD "host CR0"
	HOST("CR0: PE clear", host_cr0, 0x80050032, R_FIXED),
	HOST("CR0: NE clear", host_cr0, 0x80050013, R_FIXED),
	HOST("CR0: PG clear", host_cr0, 0x00050033, R_FIXED),
	HOST("CR0: bit 32", host_cr0, 0x180050033, R_FIXED),
	HOST("CR0: bit 63", host_cr0, 0x80050033 | BIT(63), R_FIXED),
	MANY("host CET without WP", all, future, "host CR0", R_WP, SET(host_cr4, 0xb626f0), SET(host_cr0, 0x80040033)),
#undef HOST_FIELD
#define HOST_FIELD "host CR4"
	HOST("CR4: VMXE clear", host_cr4, 0x3606f0, R_FIXED),
	HOST("CR4: bit 15", host_cr4, 0x36a6f0, R_FIXED),
	HOST("CR4: CET, not there", host_cr4, 0xb626f0, R_FIXED),
	HOST("CR4: bit 63", host_cr4, 0x3626f0 | BIT(63), R_FIXED),
#undef HOST_FIELD
	ONE("host CR3: first bit too many", long, skylake, host_cr3, TOP, "host CR3", R_WIDTH),
	ONE("host CR3: bit 51", long, skylake, host_cr3, BIT(51), "host CR3", R_WIDTH),
	ONE("host CR3: bit 63", long, skylake, host_cr3, BIT(63), "host CR3", R_WIDTH),
	ONE("host CR3: tag, not there", long, skylake, host_cr3, BIT(62), "host CR3", R_WIDTH),
	ONE("host SYSENTER_ESP", long, skylake, host_sysenter_esp, NOCAN, "host IA32_SYSENTER_ESP", R_CANONICAL),
	ONE("host SYSENTER_EIP", long, skylake, host_sysenter_eip, NOCAN, "host IA32_SYSENTER_EIP", R_CANONICAL),
	ONE("host perf: bit 8", all, future, host_perf_global, BIT(8), "host IA32_PERF_GLOBAL_CTRL", R_RESERVED),
	ONE("host perf: bit 63", all, future, host_perf_global, BIT(63), "host IA32_PERF_GLOBAL_CTRL", R_RESERVED),
	ONE("host PAT: type 2", long, skylake, host_pat, 0x0407050600070206, "host IA32_PAT", R_PAT),
	ONE("host PAT: type 3, last byte", long, skylake, host_pat, 0x0307050600070106, "host IA32_PAT", R_PAT),
	ONE("host PAT: type 8", long, skylake, host_pat, 0x0407050600070108, "host IA32_PAT", R_PAT),
	ONE("host EFER: bit 1", long, skylake, host_efer, 0xd03, "host IA32_EFER", R_RESERVED),
	ONE("host EFER: bit 12", long, skylake, host_efer, 0x1d01, "host IA32_EFER", R_RESERVED),
	ONE("host EFER: bit 63", long, skylake, host_efer, 0xd01 | BIT(63), "host IA32_EFER", R_RESERVED),
	ONE("host EFER: LMA clear", long, skylake, host_efer, 0x901, "host IA32_EFER", "LMA must be as the host address-space size control"),
	ONE("host EFER: LME clear", long, skylake, host_efer, 0xc01, "host IA32_EFER", "LME must be as the host address-space size control"),
	ONE("host S_CET: bit 6", all, future, host_s_cet, 0x40, "host IA32_S_CET", R_RESERVED),
	ONE("host S_CET: bit 9", all, future, host_s_cet, 0x200, "host IA32_S_CET", R_RESERVED),
	ONE("host S_CET: both states", all, future, host_s_cet, 0xc00, "host IA32_S_CET", R_SUPPRESS),
	ONE("host S_CET: bitmap", all, future, host_s_cet, NOCAN, "host IA32_S_CET", R_CANONICAL),
	ONE("host SSP table", all, future, host_ssp_table, NOCAN, "host IA32_INTERRUPT_SSP_TABLE_ADDR", R_CANONICAL),
	ONE("host SSP: bit 0", all, future, host_ssp, 0x1001, "host SSP", "bits 1:0 must be zero"),
	ONE("host SSP: bit 1", all, future, host_ssp, 0x1002, "host SSP", "bits 1:0 must be zero"),
	ONE("host SSP", all, future, host_ssp, NOCAN, "host SSP", R_CANONICAL),
	ONE("host PKRS", all, future, host_pkrs, BIT(32), "host IA32_PKRS", R_HIGH),
};

#define R_SELECTOR	"RPL and TI must be zero"
#define HOST_SELECTOR(n, member)									\
	ONE("host " n ": RPL 1", long, skylake, member, 0x11, "host " n " selector", R_SELECTOR),	\
	ONE("host " n ": RPL 3", long, skylake, member, 0x13, "host " n " selector", R_SELECTOR),	\
	ONE("host " n ": TI", long, skylake, member, 0x14, "host " n " selector", R_SELECTOR)
#define HOST_BASE(n, member)										\
	ONE("host " n " base: bit 47 alone", long, skylake, member, BIT(47), "host " n " base", R_CANONICAL),	\
	ONE("host " n " base: bit 63 alone", long, skylake, member, BIT(63), "host " n " base", R_CANONICAL)

static const struct row host_segments[] = {
	HOST_SELECTOR("CS", host_cs), HOST_SELECTOR("SS", host_ss), HOST_SELECTOR("DS", host_ds), HOST_SELECTOR("ES", host_es),
	HOST_SELECTOR("FS", host_fs), HOST_SELECTOR("GS", host_gs), HOST_SELECTOR("TR", host_tr),
	ONE("host CS null", long, skylake, host_cs, 0, "host CS selector", "must not be null"),
	ONE("host TR null", long, skylake, host_tr, 0, "host TR selector", "must not be null"),
	HOST_BASE("FS", host_fs_base), HOST_BASE("GS", host_gs_base), HOST_BASE("TR", host_tr_base),
	HOST_BASE("GDTR", host_gdtr_base), HOST_BASE("IDTR", host_idtr_base),
};

static const struct row address_space[] = {
	ONE("32-bit host", long, skylake, exit, 0x003f6dff, EXITS, "a 64-bit host needs the host address-space size control"),
	ONE("host without PAE", long, skylake, host_cr4, 0x3626d0, "host CR4", "PAE must be set in a 64-bit host"),
	ONE("host RIP: bit 47 alone", long, skylake, host_rip, BIT(47), "host RIP", R_CANONICAL),
	ONE("host RIP: bit 63 alone", long, skylake, host_rip, BIT(63), "host RIP", R_CANONICAL),
};

static const struct row guest_registers[] = {
	ONE("CR0: NE clear", long, skylake, cr0, 0x80050013, "guest CR0", R_FIXED),
	ONE("CR0: bit 32", long, skylake, cr0, 0x180050033, "guest CR0", R_FIXED),
	ONE("CR0: bit 63, real mode", real, skylake, cr0, 0x30 | BIT(63), "guest CR0", R_FIXED),
	ONE("CR0: PE clear, not unrestricted", restricted, skylake, cr0, 0x80050032, "guest CR0", R_FIXED),
	ONE("CR0: PG clear, not unrestricted", restricted, skylake, cr0, 0x00050033, "guest CR0", R_FIXED),
	ONE("CR0: PG clear, no secondary controls", first, skylake, cr0, 0x00050033, "guest CR0", R_FIXED),
	ONE("PG without PE", long, skylake, cr0, 0x80050032, "guest CR0", "PG needs PE"),
	ONE("PG without PE, real mode", real, skylake, cr0, 0x80000030, "guest CR0", "PG needs PE"),
	ONE("CR4: VMXE clear", long, skylake, cr4, 0x6f0, "guest CR4", R_FIXED),
	ONE("CR4: LA57, not there", long, skylake, cr4, 0x36f0, "guest CR4", R_FIXED),
	ONE("CR4: PKS, not there", long, skylake, cr4, 0x10026f0, "guest CR4", R_FIXED),
	ONE("CR4: bit 63, real mode", real, skylake, cr4, 0x2000 | BIT(63), "guest CR4", R_FIXED),
	MANY("CET without WP", all, future, "guest CR0", R_WP, SET(cr4, 0x8026f0), SET(cr0, 0x80040033)),
	MANY_OTHER("WP clear, then CET", all, future, "guest CR0", R_WP, SET(cr0, 0x80040033), SET(cr4, 0x8026f0)),
	ONE("long mode without PG", long, skylake, cr0, 0x00050033, "guest CR0", "PG must be set in an IA-32e mode guest"),
	ONE("long mode without PAE", long, skylake, cr4, 0x26d0, "guest CR4", "PAE must be set in an IA-32e mode guest"),
	ONE("PCIDE with PAE paging", pae, skylake, cr4, 0x22020, "guest CR4", "PCIDE must be clear outside IA-32e mode"),
	ONE("PCIDE in real mode", real, skylake, cr4, 0x22000, "guest CR4", "PCIDE must be clear outside IA-32e mode"),
	ONE("CR3: first bit too many", long, skylake, cr3, TOP, "guest CR3", R_WIDTH),
	ONE("CR3: bit 63", long, skylake, cr3, BIT(63), "guest CR3", R_WIDTH),
	ONE("CR3: too high in real mode", real, skylake, cr3, BIT(51), "guest CR3", R_WIDTH),
	ONE("CR3: bit 60 besides the tags", long, tags, cr3, BIT(60), "guest CR3", R_WIDTH),
	ONE("DEBUGCTL: bit 2, not there", long, skylake, debugctl, 4, "guest IA32_DEBUGCTL", R_RESERVED),
	ONE("DEBUGCTL: bit 5", long, future, debugctl, 0x20, "guest IA32_DEBUGCTL", R_RESERVED),
	ONE("DEBUGCTL: bit 15, not there", long, skylake, debugctl, 0x8000, "guest IA32_DEBUGCTL", R_RESERVED),
	ONE("DEBUGCTL: bit 63", long, future, debugctl, BIT(63), "guest IA32_DEBUGCTL", R_RESERVED),
	ONE("DR7: bit 32", long, skylake, dr7, 0x400 | BIT(32), "guest DR7", R_HIGH),
	ONE("DR7: bit 63", long, skylake, dr7, 0x400 | BIT(63), "guest DR7", R_HIGH),
	ONE("SYSENTER_ESP", long, skylake, sysenter_esp, NOCAN, "guest IA32_SYSENTER_ESP", R_CANONICAL),
	ONE("SYSENTER_EIP", long, skylake, sysenter_eip, NOCAN, "guest IA32_SYSENTER_EIP", R_CANONICAL),
	ONE("SYSENTER_EIP in real mode", real, skylake, sysenter_eip, BIT(63), "guest IA32_SYSENTER_EIP", R_CANONICAL),
	ONE("perf: bit 8", all, future, perf_global, BIT(8), "guest IA32_PERF_GLOBAL_CTRL", R_RESERVED),
	ONE("perf: bit 35", all, future, perf_global, BIT(35), "guest IA32_PERF_GLOBAL_CTRL", R_RESERVED),
	ONE("PAT: type 2", long, skylake, pat, 0x0407050600070102, "guest IA32_PAT", R_PAT),
	ONE("PAT: type 3", long, skylake, pat, 0x0307050600070106, "guest IA32_PAT", R_PAT),
	ONE("PAT: type 255", long, skylake, pat, 0x04070506ff070106, "guest IA32_PAT", R_PAT),
	ONE("EFER: bit 1", long, skylake, efer, 0xd03, "guest IA32_EFER", R_RESERVED),
	ONE("EFER: SVME", long, skylake, efer, 0x1d01, "guest IA32_EFER", R_RESERVED),
	ONE("EFER: bit 63, real mode", real, skylake, efer, BIT(63), "guest IA32_EFER", R_RESERVED),
	ONE("EFER: LMA clear in long mode", long, skylake, efer, 0x901, "guest IA32_EFER", "LMA must be as the IA-32e mode guest control"),
	ONE("EFER: LMA with PAE paging", pae, skylake, efer, 0xd01, "guest IA32_EFER", "LMA must be as the IA-32e mode guest control"),
	ONE("EFER: LMA in real mode", real, skylake, efer, 0x400, "guest IA32_EFER", "LMA must be as the IA-32e mode guest control"),
	ONE("EFER: LME clear in long mode", long, skylake, efer, 0xc01, "guest IA32_EFER", "LMA and LME must be alike while CR0.PG is set"),
	ONE("EFER: LME with PAE paging", pae, skylake, efer, 0x901, "guest IA32_EFER", "LMA and LME must be alike while CR0.PG is set"),
	ONE("BNDCFGS: bit 2", all, future, bndcfgs, 7, "guest IA32_BNDCFGS", "bits 11:2 must be zero"),
	ONE("BNDCFGS: bit 11", all, future, bndcfgs, 0x803, "guest IA32_BNDCFGS", "bits 11:2 must be zero"),
	ONE("BNDCFGS: base", all, future, bndcfgs, NOCAN, "guest IA32_BNDCFGS", "the linear address must be canonical"),
	ONE("RTIT_CTL: bit 63", all, future, rtit_ctl, BIT(63), "guest IA32_RTIT_CTL", R_RESERVED),
	ONE("LBR_CTL: bit 4", all, future, lbr_ctl, 0x17, "guest IA32_LBR_CTL", R_RESERVED),
	ONE("PKRS: bit 32", all, future, pkrs, BIT(32), "guest IA32_PKRS", R_HIGH),
	ONE("UINV: bit 8", all, future, uinv, 0x1ec, "guest UINV", "bits 15:8 must be zero"),
	ONE("S_CET: bit 7", all, future, s_cet, 0x80, "guest IA32_S_CET", R_RESERVED),
	ONE("S_CET: both states", all, future, s_cet, 0xc00, "guest IA32_S_CET", R_SUPPRESS),
	ONE("S_CET: bitmap", all, future, s_cet, NOCAN, "guest IA32_S_CET", R_CANONICAL),
	ONE("SSP table", all, future, ssp_table, NOCAN, "guest IA32_INTERRUPT_SSP_TABLE_ADDR", R_CANONICAL),
};

#define SEG(n)		seg[SEG_##n]
#define RIGHTS(n)	"guest " #n " access rights"
#define R_S		"S must be set for code and data"
#define R_S_CLEAR	"S must be clear for TR and LDTR"
#define R_PRESENT	"P must be set"
#define R_LOW		"bits 11:8 must be zero"
#define R_REST		"bits 31:17 must be zero"
#define R_G_CLEAR	"G must be clear unless bits 11:0 of the limit are all set"
#define R_G_SET		"G must be set if any of bits 31:20 of the limit is"
#define R_ACCESSED	"the type must be accessed"
#define R_READABLE	"code must be readable"
#define R_STACK		"the type must be accessed writable data"
#define R_CODE		"the type must be accessed code (or 3 in an unrestricted guest)"

/* What holds for all; @ok are valid rights. */
#define COMMON(n, ok)											\
	ONE(#n ": not present", long, skylake, SEG(n).ar, (ok) & ~0x80u, RIGHTS(n), R_PRESENT),		\
	ONE(#n ": bit 8", long, skylake, SEG(n).ar, (ok) | 0x100, RIGHTS(n), R_LOW),			\
	ONE(#n ": bit 11", long, skylake, SEG(n).ar, (ok) | 0x800, RIGHTS(n), R_LOW),			\
	ONE(#n ": bit 17", long, skylake, SEG(n).ar, (ok) | 0x20000, RIGHTS(n), R_REST),		\
	ONE(#n ": bit 31", long, skylake, SEG(n).ar, (ok) | BIT(31), RIGHTS(n), R_REST)
/* Those of 4G. */
#define BIG(n, ok)											\
	COMMON(n, ok),											\
	ONE(#n ": S clear", long, skylake, SEG(n).ar, (ok) & ~0x10u, RIGHTS(n), R_S),			\
	OTHER(#n ": pages, limit in bytes", long, skylake, SEG(n).limit, 0xfffffffe, RIGHTS(n), R_G_CLEAR),	\
	ONE(#n ": bytes, limit of 4G", long, skylake, SEG(n).ar, (ok) & ~0x8000u, RIGHTS(n), R_G_SET)
#define DATA(n)												\
	BIG(n, 0xc093),											\
	ONE(#n ": not accessed", long, skylake, SEG(n).ar, 0xc092, RIGHTS(n), R_ACCESSED),		\
	ONE(#n ": code not accessed", long, skylake, SEG(n).ar, 0xc09a, RIGHTS(n), R_ACCESSED),		\
	ONE(#n ": code not readable", long, skylake, SEG(n).ar, 0xc099, RIGHTS(n), R_READABLE),		\
	ONE(#n ": conforming code not readable", long, skylake, SEG(n).ar, 0xc09d, RIGHTS(n), R_READABLE),	\
	ONE(#n ": DPL below RPL", restricted, skylake, SEG(n).ar, 0xc0d3, RIGHTS(n), "DPL must not be below the selector's RPL"), \
	ONE(#n ": code, DPL below RPL", restricted, skylake, SEG(n).ar, 0xc0db, RIGHTS(n), "DPL must not be below the selector's RPL")
#define HIGH_BASE(n)											\
	ONE(#n " base: bit 32", long, skylake, SEG(n).base, BIT(32), "guest " #n " base", R_HIGH),	\
	ONE(#n " base: bit 63", long, skylake, SEG(n).base, BIT(63), "guest " #n " base", R_HIGH)
#define WILD_BASE(n)											\
	ONE(#n " base: bit 47 alone", long, skylake, SEG(n).base, BIT(47), "guest " #n " base", R_CANONICAL),	\
	ONE(#n " base: bit 63 alone", long, skylake, SEG(n).base, BIT(63), "guest " #n " base", R_CANONICAL)
#define VM86(n)												\
	ONE("virtual-8086 " #n ": base", vm86, skylake, SEG(n).base, 0x12350, "guest " #n " base",	\
	    "must be the selector times 16 in virtual-8086 mode"),					\
	ONE("virtual-8086 " #n ": limit", vm86, skylake, SEG(n).limit, 0xfffff, "guest " #n " limit",	\
	    "must be ffff in virtual-8086 mode"),							\
	ONE("virtual-8086 " #n ": rights", vm86, skylake, SEG(n).ar, 0x93, RIGHTS(n), "must be f3 in virtual-8086 mode")

static const struct row segments[] = {
	DATA(ES), DATA(DS), DATA(FS), DATA(GS),
	BIG(CS, 0xa09b),
	BIG(SS, 0xc093),
	HIGH_BASE(CS), HIGH_BASE(SS), HIGH_BASE(DS), HIGH_BASE(ES),
	WILD_BASE(FS), WILD_BASE(GS), WILD_BASE(LDTR), WILD_BASE(TR),
	VM86(ES), VM86(CS), VM86(SS), VM86(DS), VM86(FS), VM86(GS),
	ONE("CS: not accessed", long, skylake, SEG(CS).ar, 0xa09a, RIGHTS(CS), R_CODE),
	ONE("CS: read-only data", long, skylake, SEG(CS).ar, 0xa091, RIGHTS(CS), R_CODE),
	ONE("CS: expand-down data", big_real, skylake, SEG(CS).ar, 0x97, RIGHTS(CS), R_CODE),
	ONE("CS: data, not unrestricted", restricted, skylake, SEG(CS).ar, 0xc0f3, RIGHTS(CS), R_CODE),
	ONE("CS: data with DPL 3", big_real, skylake, SEG(CS).ar, 0xf3, RIGHTS(CS), "DPL must be 0 where the type is 3"),
	ONE("CS: DPL 3, SS 0", long, skylake, SEG(CS).ar, 0xa0fb, RIGHTS(CS), "DPL must be that of SS"),
	ONE("CS: execute-only, DPL 1, SS 0", long, skylake, SEG(CS).ar, 0xa0b9, RIGHTS(CS), "DPL must be that of SS"),
	OTHER("SS: DPL 3, CS 0", long, skylake, SEG(SS).ar, 0xc0f3, RIGHTS(CS), "DPL must be that of SS"),
	ONE("CS: conforming, DPL 3, SS 0", long, skylake, SEG(CS).ar, 0xa0ff, RIGHTS(CS), "DPL of conforming code must not be above that of SS"),
	ONE("CS: conforming, DPL 1, SS 0", long, skylake, SEG(CS).ar, 0xa0bd, RIGHTS(CS), "DPL of conforming code must not be above that of SS"),
	ONE("CS: L and D", long, skylake, SEG(CS).ar, 0xe09b, RIGHTS(CS), "L and D must not both be set in IA-32e mode"),
	ONE("SS: read-only", long, skylake, SEG(SS).ar, 0xc091, RIGHTS(SS), R_STACK),
	ONE("SS: not accessed", long, skylake, SEG(SS).ar, 0xc092, RIGHTS(SS), R_STACK),
	ONE("SS: code", long, skylake, SEG(SS).ar, 0xc09b, RIGHTS(SS), R_STACK),
	ONE("SS: selector of another ring than CS", restricted, skylake, SEG(SS).selector, 0x2a, "guest SS selector", "RPL must be that of CS"),
	OTHER("CS: selector of another ring than SS", restricted, skylake, SEG(CS).selector, 0x30, "guest SS selector", "RPL must be that of CS"),
	MANY("SS: DPL not its selector's", restricted, skylake, RIGHTS(SS), "DPL must be the selector's RPL",
	     SET(SEG(CS).ar, 0xa0ff), SET(SEG(SS).ar, 0xc0f3), SET(SEG(CS).ar, 0xa09f), SET(SEG(SS).ar, 0xc0d3)),
	MANY("SS: DPL 3 in real mode", real, skylake, RIGHTS(SS), "DPL must be 0 in real mode or where the type of CS is 3",
	     SET(SEG(CS).ar, 0x93), SET(SEG(SS).ar, 0xf3)),
	ONE("SS: DPL 1 beside CS of type 3", big_real, skylake, SEG(SS).ar, 0xb3, RIGHTS(SS), "DPL must be 0 in real mode or where the type of CS is 3"),
	MANY("SS: unusable with DPL 3 in real mode", real, skylake, RIGHTS(SS), "DPL must be 0 in real mode or where the type of CS is 3",
	     SET(SEG(CS).ar, 0x93), SET(SEG(SS).ar, 0x10060)),
	COMMON(TR, 0x8b),
	ONE("TR: S", long, skylake, SEG(TR).ar, 0x9b, RIGHTS(TR), R_S_CLEAR),
	ONE("TR: TI", long, skylake, SEG(TR).selector, 0x44, "guest TR selector", "TI must be zero"),
	ONE("TR: unusable", long, skylake, SEG(TR).ar, 0x1008b, RIGHTS(TR), "must be usable"),
	ONE("TR: not busy", long, skylake, SEG(TR).ar, 0x89, RIGHTS(TR), "must be a busy TSS"),
	ONE("TR: an LDT", long, skylake, SEG(TR).ar, 0x82, RIGHTS(TR), "must be a busy TSS"),
	ONE("TR: 16 bits, not busy", pae, skylake, SEG(TR).ar, 0x81, RIGHTS(TR), "must be a busy TSS"),
	ONE("TR: 16 bits in long mode", long, skylake, SEG(TR).ar, 0x83, RIGHTS(TR), "must be a 64-bit TSS in IA-32e mode"),
	ONE("TR: pages, limit in bytes", long, skylake, SEG(TR).ar, 0x808b, RIGHTS(TR), R_G_CLEAR),
	OTHER("TR: bytes, limit of 1M", long, skylake, SEG(TR).limit, 0x100000, RIGHTS(TR), R_G_SET),
	COMMON(LDTR, 0x82),
	ONE("LDTR: S", long, skylake, SEG(LDTR).ar, 0x92, RIGHTS(LDTR), R_S_CLEAR),
	ONE("LDTR: TI", long, skylake, SEG(LDTR).selector, 0x4, "guest LDTR selector", "TI must be zero"),
	ONE("LDTR: a TSS", long, skylake, SEG(LDTR).ar, 0x8b, RIGHTS(LDTR), "must be an LDT"),
	ONE("LDTR: type 0", long, skylake, SEG(LDTR).ar, 0x80, RIGHTS(LDTR), "must be an LDT"),
	OTHER("LDTR: bytes, limit of 1M", long, skylake, SEG(LDTR).limit, 0x100000, RIGHTS(LDTR), R_G_SET),
};

static const struct row tables[] = {
	ONE("GDTR base: bit 47 alone", long, skylake, gdtr_base, BIT(47), "guest GDTR base", R_CANONICAL),
	ONE("GDTR base: real mode", real, skylake, gdtr_base, BIT(63), "guest GDTR base", R_CANONICAL),
	ONE("IDTR base: bit 47 alone", long, skylake, idtr_base, BIT(47), "guest IDTR base", R_CANONICAL),
	ONE("IDTR base: real mode", real, skylake, idtr_base, BIT(63), "guest IDTR base", R_CANONICAL),
	ONE("GDTR limit: bit 16", long, skylake, gdtr_limit, 0x10000, "guest GDTR limit", "bits 31:16 must be zero"),
	ONE("GDTR limit: bit 31", long, skylake, gdtr_limit, BIT(31), "guest GDTR limit", "bits 31:16 must be zero"),
	ONE("IDTR limit: bit 16", long, skylake, idtr_limit, 0x10000, "guest IDTR limit", "bits 31:16 must be zero"),
	ONE("IDTR limit: bit 31", long, skylake, idtr_limit, BIT(31), "guest IDTR limit", "bits 31:16 must be zero"),
};

#define R_RIP32		"bits 63:32 must be zero outside 64-bit mode"
#define R_ALIKE		"bits above the linear address width must be alike"
#define R_RFLAGS	"bits 63:22, 15, 5 and 3 must be zero, bit 1 must be set"

static const struct row flow[] = {
	ONE("RIP: bit 32, compatibility mode", compat, skylake, rip, BIT(32), "guest RIP", R_RIP32),
	ONE("RIP: bit 32, PAE", pae, skylake, rip, BIT(32), "guest RIP", R_RIP32),
	ONE("RIP: bit 63, real mode", real, skylake, rip, BIT(63), "guest RIP", R_RIP32),
	ONE("RIP: bit 32, virtual-8086 mode", vm86, skylake, rip, BIT(32), "guest RIP", R_RIP32),
	ONE("RIP: bit 48 alone", long, skylake, rip, BIT(48), "guest RIP", R_ALIKE),
	ONE("RIP: bit 63 alone", long, skylake, rip, BIT(63), "guest RIP", R_ALIKE),
	ONE("RIP: all but bit 48", long, skylake, rip, ~BIT(48), "guest RIP", R_ALIKE),
	ONE("RIP: bit 57 of 57", long, wide, rip, BIT(57), "guest RIP", R_ALIKE),
	ONE("RFLAGS: bit 1 clear", long, skylake, rflags, 0x200, "guest RFLAGS", R_RFLAGS),
	ONE("RFLAGS: bit 3", long, skylake, rflags, 0x20a, "guest RFLAGS", R_RFLAGS),
	ONE("RFLAGS: bit 5", real, skylake, rflags, 0x22, "guest RFLAGS", R_RFLAGS),
	ONE("RFLAGS: bit 15", long, skylake, rflags, 0x8202, "guest RFLAGS", R_RFLAGS),
	ONE("RFLAGS: bit 22", long, skylake, rflags, 0x400202, "guest RFLAGS", R_RFLAGS),
	ONE("RFLAGS: bit 63", long, skylake, rflags, 0x202 | BIT(63), "guest RFLAGS", R_RFLAGS),
	MANY("interrupt with IF clear", long, skylake, "guest RFLAGS", "IF must be set for an external interrupt",
	     SET(entry_info, 0x80000030), SET(rflags, 2)),
	MANY_OTHER("IF clear, then an interrupt", real, skylake, "guest RFLAGS", "IF must be set for an external interrupt",
		   SET(rflags, 2), SET(entry_info, 0x80000030)),
	MANY_OTHER("virtual-8086 mode in long mode", vm86, skylake, "guest RFLAGS", "VM must be clear in IA-32e mode",
		   SET(entry, 0x51ff), SET(entry, 0x53ff)),
	MANY_OTHER("virtual-8086 mode in real mode", vm86, skylake, "guest RFLAGS", "VM must be clear in real mode",
		   SET(cr0, 0x31), SET(cr0, 0x30)),
	ONE("SSP: bit 0", all, future, ssp, 0x1001, "guest SSP", "bits 1:0 must be zero"),
	ONE("SSP: bit 1", all, future, ssp, 0x1002, "guest SSP", "bits 1:0 must be zero"),
	ONE("SSP: bit 48 alone", all, future, ssp, BIT(48), "guest SSP", R_ALIKE),
	MANY("SSP: bit 32, compatibility mode", compat, future, "guest SSP", R_RIP32, SET(entry, 0x10d3ff), SET(ssp, BIT(32))),
};

#define R_EVENT_STATE	"the event that goes in is none for this state"
#define HALTED(name, info)	MANY_OTHER("halted: " name, long, skylake, "activity state", R_EVENT_STATE, SET(entry_length, 1), SET(activity, 1), SET(entry_info, info))
#define SHUT(name, info)	MANY_OTHER("shut down: " name, long, skylake, "activity state", R_EVENT_STATE, SET(activity, 2), SET(entry_info, info))
#define R_BS_SET	"BS must be set with RFLAGS.TF, no BTF, and blocking by STI or MOV SS, or HLT"
#define R_BS_CLEAR	"BS must be clear without RFLAGS.TF, or with BTF, and blocking by STI or MOV SS, or HLT"
#define BLOCKING	"interruptibility state"
#define PENDING		"pending debug exceptions"

static const struct row other_state[] = {
	ONE("activity 4", long, skylake, activity, 4, "activity state", "must be 0 to 3"),
	ONE("activity 2^31", long, skylake, activity, BIT(31), "activity state", "must be 0 to 3"),
	ONE("halted, not there", long, no_hlt, activity, 1, "activity state", "must be one that IA32_VMX_MISC has"),
	ONE("waiting for SIPI, not there", long, no_sipi, activity, 3, "activity state", "must be one that IA32_VMX_MISC has"),
	ONE("halted in user mode", restricted, skylake, activity, 1, "activity state", "HLT needs an SS.DPL of 0"),
	MANY("halted in the shadow of STI", long, skylake, "activity state", "must be active with blocking by STI or MOV SS",
	     SET(interruptibility, 1), SET(activity, 1)),
	MANY("shut down in the shadow of MOV SS", long, skylake, "activity state", "must be active with blocking by STI or MOV SS",
	     SET(interruptibility, 2), SET(activity, 2)),
	MANY_OTHER("waiting for SIPI, then MOV SS", long, skylake, "activity state", "must be active with blocking by STI or MOV SS",
		   SET(activity, 3), SET(interruptibility, 2)),
	HALTED("#UD", 0x80000306), HALTED("#PF", 0x80000b0e), HALTED("INT n", 0x80000480), HALTED("INT3", 0x80000603),
	HALTED("INT1", 0x80000501),
	SHUT("interrupt", 0x80000030), SHUT("#DB", 0x80000301), SHUT("#GP", 0x80000b0d), SHUT("other", 0x80000700),
	MANY_OTHER("waiting for SIPI: NMI", long, skylake, "activity state", R_EVENT_STATE, SET(activity, 3), SET(entry_info, 0x80000202)),
	MANY_OTHER("waiting for SIPI: #MC", long, skylake, "activity state", R_EVENT_STATE, SET(activity, 3), SET(entry_info, 0x80000312)),
	ONE("blocking: bit 5", long, skylake, interruptibility, 0x20, BLOCKING, "bits 31:5 must be zero"),
	ONE("blocking: bit 31", long, skylake, interruptibility, BIT(31), BLOCKING, "bits 31:5 must be zero"),
	ONE("blocking by STI and MOV SS", long, skylake, interruptibility, 3, BLOCKING, "not both STI and MOV SS"),
	MANY("blocking by STI with IF clear", long, skylake, BLOCKING, "blocking by STI needs RFLAGS.IF", SET(rflags, 2), SET(interruptibility, 1)),
	MANY_OTHER("IF clear under blocking by STI", long, skylake, BLOCKING, "blocking by STI needs RFLAGS.IF", SET(interruptibility, 1), SET(rflags, 2)),
	MANY("interrupt in the shadow of STI", long, skylake, BLOCKING, "no blocking by STI with an external interrupt",
	     SET(entry_info, 0x80000030), SET(interruptibility, 1)),
	MANY("interrupt in the shadow of MOV SS", long, skylake, BLOCKING, "no blocking by MOV SS with an external interrupt",
	     SET(entry_info, 0x80000030), SET(interruptibility, 2)),
	MANY("NMI in the shadow of MOV SS", long, skylake, BLOCKING, "no blocking by MOV SS with an NMI",
	     SET(entry_info, 0x80000202), SET(interruptibility, 2)),
	ONE("blocking by SMI", long, skylake, interruptibility, 4, BLOCKING, "no blocking by SMI outside SMM"),
	MANY("NMI while NMIs are blocked", long, skylake, BLOCKING, "no blocking by NMI with an NMI",
	     SET(entry_info, 0x80000202), SET(interruptibility, 8)),
	ONE("enclave interruption without SGX", long, skylake, interruptibility, 0x10, BLOCKING, "no enclave interruption on a CPU without SGX"),
	MANY("enclave interruption and MOV SS", long, future, BLOCKING, "no blocking by MOV SS with an enclave interruption",
	     SET(interruptibility, 0x10), SET(interruptibility, 0x12)),
	ONE("pending: bit 4", long, skylake, pending_debug, 0x10, PENDING, R_RESERVED),
	ONE("pending: bit 13", long, skylake, pending_debug, 0x2000, PENDING, R_RESERVED),
	ONE("pending: bit 15", long, skylake, pending_debug, 0x8000, PENDING, R_RESERVED),
	ONE("pending: bit 63", long, skylake, pending_debug, BIT(63), PENDING, R_RESERVED),
	ONE("pending: bus lock, not there", long, skylake, pending_debug, 0x800, PENDING, "bit 11 must be zero without bus-lock detection"),
	MANY_OTHER("TF in the shadow of STI without BS", long, skylake, PENDING, R_BS_SET, SET(rflags, 0x302), SET(interruptibility, 1)),
	MANY_OTHER("TF in the shadow of MOV SS without BS", long, skylake, PENDING, R_BS_SET, SET(rflags, 0x302), SET(interruptibility, 2)),
	MANY_OTHER("TF halted without BS", long, skylake, PENDING, R_BS_SET, SET(rflags, 0x302), SET(activity, 1)),
	MANY("BS in the shadow of MOV SS without TF", long, skylake, PENDING, R_BS_CLEAR, SET(interruptibility, 2), SET(pending_debug, BIT(14))),
	MANY("BS halted without TF", long, skylake, PENDING, R_BS_CLEAR, SET(activity, 1), SET(pending_debug, BIT(14))),
	MANY("BS in the shadow of STI with BTF", long, skylake, PENDING, R_BS_CLEAR,
	     SET(debugctl, 2), SET(rflags, 0x302), SET(interruptibility, 1), SET(pending_debug, BIT(14))),
	ONE("RTM, not there", long, skylake, pending_debug, BIT(16) | BIT(12), PENDING, "RTM must be clear on a CPU without transactional memory"),
	ONE("RTM without bit 12", long, future, pending_debug, BIT(16), PENDING, "RTM goes with bit 12 and nothing else"),
	ONE("RTM with B0", long, future, pending_debug, BIT(16) | BIT(12) | 1, PENDING, "RTM goes with bit 12 and nothing else"),
	MANY("RTM in the shadow of MOV SS", long, future, PENDING, "RTM must be clear with blocking by MOV SS",
	     SET(interruptibility, 2), SET(pending_debug, BIT(16) | BIT(12))),
	ONE("link pointer: bit 0", long, skylake, link_pointer, 0x8001, "VMCS link pointer", R_PAGE ", or all bits one"),
	ONE("link pointer: bit 11", long, skylake, link_pointer, 0x8800, "VMCS link pointer", R_PAGE ", or all bits one"),
	ONE("link pointer: too high", long, skylake, link_pointer, TOP, "VMCS link pointer", R_PAGE ", or all bits one"),
	ONE("link pointer: all ones but one", long, skylake, link_pointer, ~1ull, "VMCS link pointer", R_PAGE ", or all bits one"),
	ONE("link pointer: the VMCS itself", long, itself, link_pointer, 0x7000, "VMCS link pointer", "must not be the VMCS itself"),
};

#define R_PDPTE	"reserved bits of a present entry must be zero"
#define PDPTE(n)											\
	ONE("PDPTE" #n ": bit 1", pae, skylake, pdpte##n, 0x6003, "guest PDPTE" #n, R_PDPTE),		\
	ONE("PDPTE" #n ": bit 5", pae, skylake, pdpte##n, 0x6021, "guest PDPTE" #n, R_PDPTE),		\
	ONE("PDPTE" #n ": bit 8", pae, skylake, pdpte##n, 0x6101, "guest PDPTE" #n, R_PDPTE),		\
	ONE("PDPTE" #n ": too high", pae, skylake, pdpte##n, TOP | 1, "guest PDPTE" #n, R_PDPTE)

static const struct row pdptes[] = {
	PDPTE(0), PDPTE(1), PDPTE(2), PDPTE(3),
};

struct section {
	const char *title;
	enum vmx_broken kind;
	const struct row *rows;
	size_t n;
};

static const struct section sections[] = {
	{ "VM-Execution Control Fields", VMX_BROKEN_CONTROL, execution, ARRAY_SIZE(execution) },
	{ "VM-Exit Control Fields", VMX_BROKEN_CONTROL, exits, ARRAY_SIZE(exits) },
	{ "VM-Entry Control Fields", VMX_BROKEN_CONTROL, entries, ARRAY_SIZE(entries) },
	{ "Checks on Host Control Registers, MSRs, and SSP", VMX_BROKEN_HOST, host_registers, ARRAY_SIZE(host_registers) },
	{ "Checks on Host Segment and Descriptor-Table Registers", VMX_BROKEN_HOST, host_segments, ARRAY_SIZE(host_segments) },
	{ "Checks Related to Address-Space Size", VMX_BROKEN_HOST, address_space, ARRAY_SIZE(address_space) },
	{ "Checks on Guest Control Registers, Debug Registers, and MSRs", VMX_BROKEN_GUEST, guest_registers, ARRAY_SIZE(guest_registers) },
	{ "Checks on Guest Segment Registers", VMX_BROKEN_GUEST, segments, ARRAY_SIZE(segments) },
	{ "Checks on Guest Descriptor-Table Registers", VMX_BROKEN_GUEST, tables, ARRAY_SIZE(tables) },
	{ "Checks on Guest RIP, RFLAGS, and SSP", VMX_BROKEN_GUEST, flow, ARRAY_SIZE(flow) },
	{ "Checks on Guest Non-Register State", VMX_BROKEN_GUEST, other_state, ARRAY_SIZE(other_state) },
	{ "Checks on Guest Page-Directory-Pointer-Table Entries", VMX_BROKEN_GUEST, pdptes, ARRAY_SIZE(pdptes) },
};

#define VALID(name, mode, env, ...)	{ name, mode_##mode, &env, { __VA_ARGS__ } }

static const struct row valid[] = {
	VALID("64-bit mode", long, skylake),
	VALID("all controls", all, future),
	VALID("TPR shadow", tpr, future),
	VALID("compatibility mode", compat, skylake),
	VALID("PAE paging", pae, skylake),
	VALID("protected mode without paging", prot, skylake),
	VALID("real mode", real, skylake),
	VALID("protected mode with real-mode segments", big_real, skylake),
	VALID("virtual-8086 mode", vm86, skylake),
	VALID("64-bit user mode, not unrestricted", restricted, skylake),
	VALID("no secondary controls", first, skylake),
	VALID("secondary controls off, whatever they are", first, skylake, SET(cpu2, 0x12345678)),
	VALID("4 CR3 targets", long, skylake, SET(cr3_target_count, 4)),
	VALID("no MSR bitmap, whatever its address", long, skylake, SET(cpu, 0x8401e1f2), SET(msr_bitmap, ~0ull)),
	VALID("no VPID", long, skylake, SET(cpu2, 0x82), SET(vpid, 0)),
	VALID("EPTP uncached", long, skylake, SET(eptp, 0x200058)),
	VALID("EPTP of 5 levels", long, future, SET(eptp, 0x200066)),
	VALID("EPTP with shadow stacks", long, future, SET(eptp, 0x2000de)),
	VALID("EPTP without accessed and dirty flags", long, no_ad, SET(eptp, 0x20001e)),
	VALID("TPR threshold 0", tpr, future, SET(tpr_threshold, 0), SET(vtpr, 0)),
	VALID("PID table to the last byte", all, future, SET(pid_table, TOP - 16)),
	VALID("MSR area to the last byte", all, future, SET(entry_load_addr, TOP - 32)),
	VALID("no MSR area, whatever its address", long, skylake, SET(entry_load_addr, ~0ull)),
	VALID("no event, whatever the rest", long, skylake, SET(entry_info, 0x7fffffff)),
	VALID("external interrupt 0", long, skylake, SET(entry_info, 0x80000000)),
	VALID("external interrupt 255", long, skylake, SET(entry_info, 0x800000ff)),
	VALID("NMI", long, skylake, SET(entry_info, 0x80000202)),
	VALID("#PF", long, skylake, SET(entry_info, 0x80000b0e), SET(entry_error, 0xffff)),
	VALID("#CP", long, future, SET(entry_info, 0x80000b15)),
	VALID("exception 21 without CET", long, skylake, SET(entry_info, 0x80000315)),
	VALID("exception 31", long, skylake, SET(entry_info, 0x8000031f)),
	VALID("#GP in real mode, no error code", real, skylake, SET(entry_info, 0x8000030d)),
	VALID("#GP without its error code, where that is free", long, free_error, SET(entry_info, 0x8000030d)),
	VALID("#UD with error code, where that is free", long, free_error, SET(entry_info, 0x80000b06)),
	VALID("INT 80", long, skylake, SET(entry_length, 2), SET(entry_info, 0x80000480)),
	VALID("INT3 of 15 bytes", long, skylake, SET(entry_length, 15), SET(entry_info, 0x80000603)),
	VALID("INT n of 0 bytes, where that is allowed", long, zero_length, SET(entry_info, 0x80000480)),
	VALID("monitor trap flag pending", long, skylake, SET(entry_info, 0x80000700)),
	VALID("host CR3 to the last bit", long, skylake, SET(host_cr3, TOP - 1)),
	VALID("host CR3 with tags", long, tags, SET(host_cr3, 3ull << 61)),
	VALID("host PAT not loaded, whatever it is", long, skylake, SET(exit, 0x00376fff), SET(host_pat, ~0ull)),
	VALID("host with null SS", long, skylake, SET(host_ss, 0)),
	VALID("CR0.CD and NW", long, skylake, SET(cr0, 0xe0050033)),
	VALID("NW without CD", long, skylake, SET(cr0, 0xa0050033)),
	VALID("CR3 with tags", long, tags, SET(cr3, 3ull << 61)),
	VALID("LA57", long, wide, SET(cr4, 0x36f0)),
	VALID("CET", all, future, SET(cr4, 0x8026f0)),
	VALID("debug controls not loaded, whatever they are", long, skylake, SET(entry, 0xd3fb), SET(dr7, ~0ull), SET(debugctl, ~0ull)),
	VALID("PAT not loaded, whatever it is", long, skylake, SET(entry, 0x93ff), SET(pat, ~0ull)),
	VALID("EFER not loaded, whatever it is", long, skylake, SET(entry, 0x53ff), SET(efer, ~0ull)),
	VALID("EFER.LME without paging", prot, skylake, SET(efer, 0x100)),
	VALID("null SS", long, skylake, SET(SEG(SS).ar, 0x10000)),
	VALID("unusable segments hold anything", long, skylake, SET(SEG(DS).ar, 0xffffffff), SET(SEG(DS).base, ~0ull), SET(SEG(DS).limit, 0x12345678)),
	VALID("unusable LDTR holds anything", long, skylake, SET(SEG(LDTR).ar, 0xffffffff), SET(SEG(LDTR).base, NOCAN), SET(SEG(LDTR).selector, 4)),
	VALID("code in DS", long, skylake, SET(SEG(DS).ar, 0xc09b)),
	VALID("conforming code below SS", restricted, skylake, SET(SEG(CS).ar, 0xa09f)),
	VALID("conforming code in DS, DPL below RPL", restricted, skylake, SET(SEG(DS).ar, 0xc0df)),
	VALID("16-bit TSS", pae, skylake, SET(SEG(TR).ar, 0x83)),
	VALID("L and D outside long mode", pae, skylake, SET(SEG(CS).ar, 0xe09b)),
	VALID("RIP: bit 47 alone", long, skylake, SET(rip, BIT(47))),
	VALID("RIP: 57 bits", long, wide, SET(rip, 0xff00000000000000)),
	VALID("RIP: 4G less 1 in compatibility mode", compat, skylake, SET(rip, 0xffffffff)),
	VALID("shadow of STI", long, skylake, SET(interruptibility, 1)),
	VALID("NMI in the shadow of STI", long, skylake, SET(interruptibility, 1), SET(entry_info, 0x80000202)),
	VALID("exception in the shadow of MOV SS", long, skylake, SET(interruptibility, 2), SET(entry_info, 0x80000306)),
	VALID("NMIs blocked", long, skylake, SET(interruptibility, 8)),
	VALID("NMI while blocked, not virtual", long, skylake, SET(pin, 0x1f), SET(interruptibility, 8), SET(entry_info, 0x80000202)),
	VALID("enclave interruption", long, future, SET(interruptibility, 0x10)),
	VALID("halted", long, skylake, SET(activity, 1)),
	VALID("halted: interrupt", long, skylake, SET(activity, 1), SET(entry_info, 0x80000030)),
	VALID("halted: #DB", long, skylake, SET(activity, 1), SET(entry_info, 0x80000301)),
	VALID("shut down: #MC", long, skylake, SET(activity, 2), SET(entry_info, 0x80000312)),
	VALID("waiting for SIPI", long, skylake, SET(activity, 3)),
	VALID("TF in a shadow with BS", long, skylake, SET(rflags, 0x302), SET(pending_debug, BIT(14)), SET(interruptibility, 2)),
	VALID("BS without a shadow", long, skylake, SET(pending_debug, BIT(14))),
	VALID("pending RTM", long, future, SET(pending_debug, BIT(16) | BIT(12))),
	VALID("pending bus lock", long, future, SET(pending_debug, BIT(11))),
	VALID("link pointer of another VMCS", long, itself, SET(link_pointer, 0x8000)),
	VALID("PDPTEs not present hold anything", pae, skylake, SET(pdpte1, ~1ull)),
	VALID("PDPTEs of long mode hold anything", long, skylake, SET(pdpte1, ~0ull)),
};

static void apply(struct vmx_snapshot *s, const struct store *store)
{
	/* little endian: the low bytes come first */
	memcpy((u8 *)s + store->at, &store->value, store->size);
}

static unsigned int count_stores(const struct row *row)
{
	unsigned int n;

	for (n = 0; n < MAX_STORES && row->stores[n].size; n++)
		;
	return n;
}

static bool same(const struct violation *v, const struct section *section, const struct row *row, u64 value)
{
	return !strcmp(v->field, row->field) && !strcmp(v->rule, row->rule) && !strcmp(v->section, section->title) &&
	       v->kind == section->kind && (row->other || v->value == value);
}

/* All stores but the last leave a valid state; the last one breaks one rule. */
static void check_broken(const struct section *section, const struct row *row)
{
	struct violation v = { "nothing", 0, "nothing", "nowhere" };
	struct vmx_snapshot s = row->mode(), before;
	unsigned int i, n = count_stores(row);
	u64 value = row->stores[n - 1].value;

	for (i = 0; i + 1 < n; i++)
		apply(&s, &row->stores[i]);
	if (vmx_check(&s, row->env, &v))
		test_note("%s: invalid at the start: %s = %#llx: %s", row->name, v.field, (unsigned long long)v.value, v.rule);
	CHECK_EQ(row->name, 0, vmx_check(&s, row->env, &v));
	apply(&s, &row->stores[n - 1]);
	before = s;
	CHECK_EQ(row->name, 1, vmx_check(&s, row->env, &v));
	ASSERT(!memcmp(&before, &s, sizeof(s)), "%s: the snapshot was changed", row->name);
	if (same(&v, section, row, value))
		return;
	test_note("%s: wanted %s = %#llx: %s (%s)", row->name, row->field, (unsigned long long)value, row->rule, section->title);
	test_note("%s: got %s = %#llx: %s (%s)", row->name, v.field, (unsigned long long)v.value, v.rule, v.section);
	CHECK_EQ("named as wanted", 1, 0);
}

static void for_all(void (*check)(const struct section *section, const struct row *row))
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sections); i++)
		for (j = 0; j < sections[i].n; j++)
			check(&sections[i], &sections[i].rows[j]);
}

/* ---- MSRs to be loaded: what is wrong lies in memory ---- */

static const struct {
	const char *name;
	struct vmx_snapshot_msr msr;
	const char *rule;
	u64 value;
} msrs[] = {
	{ "MSR: FS base", { 0xc0000100 }, "the bases of FS and GS are fields", 0xc0000100 },
	{ "MSR: GS base", { 0xc0000101 }, "the bases of FS and GS are fields", 0xc0000101 },
	{ "MSR: x2APIC ID", { 0x802 }, "must not be one of the local x2APIC", 0x802 },
	{ "MSR: x2APIC, the last", { 0x8ff }, "must not be one of the local x2APIC", 0x8ff },
	{ "MSR: SMM monitor", { 0x9b }, "must be one that can be written outside SMM", 0x9b },
	{ "MSR: bit 32 of an entry", { 0x174, 1 }, "bits 63:32 of an entry must be zero", 1 },
	{ "MSR: bit 63 of an entry", { 0x174, 0x80000000 }, "bits 63:32 of an entry must be zero", 0x80000000 },
};

static void check_msr(size_t i)
{
	struct vmx_snapshot_msr area[] = { good_msrs[0], msrs[i].msr };
	struct vmx_snapshot s = mode_all();
	struct violation v = { };

	s.msrs = area;
	CHECK_EQ(msrs[i].name, 1, vmx_check(&s, &future, &v));
	CHECK_EQ("an MSR", VMX_BROKEN_MSR, v.kind);
	CHECK_EQ("of the area", 0, strcmp(v.field, "VM-entry MSR-load area, MSR"));
	CHECK_EQ("rule", 0, strcmp(v.rule, msrs[i].rule));
	CHECK_EQ("value", msrs[i].value, v.value);
	CHECK_EQ("section", 0, strcmp(v.section, "Loading MSRs"));
	/* entries beyond the count, and those that are not known, are not looked at */
	s.entry_load_count = 1;
	CHECK_EQ("one entry", 0, vmx_check(&s, &future, &v));
	s.entry_load_count = 2;
	s.nr_msrs = 1;
	CHECK_EQ("one entry known", 0, vmx_check(&s, &future, &v));
}

static void break_all(void)
{
	size_t i;

	for_all(check_broken);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		check_msr(i);
}

static const char *names[1000];
static size_t nr_names;

static void add_name(const char *name)
{
	size_t i;

	for (i = 0; i < nr_names; i++)
		ASSERT(strcmp(names[i], name), "two cases are called %s", name);
	ASSERT(nr_names < ARRAY_SIZE(names), "too many cases");
	names[nr_names++] = name;
}

static void add_row(const struct section *section, const struct row *row)
{
	add_name(row->name);
}

static void test_broken(void)
{
	size_t i;

	for_all(add_row);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		add_name(msrs[i].name);
	break_all();
	test_note("%zu violations, each alone, names all distinct", nr_names);
	ASSERT_GE(nr_names, 300);
}

static void test_coverage(void)
{
	const struct rule_site *site;
	unsigned int n = 0;

	break_all();
	for (site = __start_rule_sites; site < __stop_rule_sites; site++, n++) {
		if (!site->broken)
			test_note("never broken: %s", site->condition);
		CHECK_EQ(site->condition, 1, !!site->broken);
	}
	test_note("%u rules, all broken at least once", n);
	ASSERT_GE(n, 200);
}

static void test_valid(void)
{
	size_t i;
	unsigned int j;

	for (i = 0; i < ARRAY_SIZE(valid); i++) {
		struct vmx_snapshot s = valid[i].mode();
		struct violation v = { };

		for (j = 0; j < count_stores(&valid[i]); j++)
			apply(&s, &valid[i].stores[j]);
		if (vmx_check(&s, valid[i].env, &v))
			test_note("%s: %s = %#llx: %s (%s)", valid[i].name, v.field, (unsigned long long)v.value, v.rule, v.section);
		CHECK_EQ(valid[i].name, 0, !!v.field);
		add_name(valid[i].name);
	}
	test_note("%zu valid variants", ARRAY_SIZE(valid));
}

/* The groups of registers that ioctls write, by the field that is named. */
static const struct {
	const char *name;
	struct vmx_snapshot (*mode)(void);
	struct store store;
	u32 groups;
} written[] = {
	{ "CR0", mode_long, SET(cr0, 0), RG_CR0 },
	{ "CR3", mode_long, SET(cr3, TOP), RG_CR3 },
	{ "CR4", mode_long, SET(cr4, 0), RG_CR4 },
	{ "EFER", mode_long, SET(efer, 0), RG_EFER },
	{ "DR7", mode_long, SET(dr7, TOP), RG_DR },
	{ "DEBUGCTL", mode_long, SET(debugctl, TOP), RG_BACKEND_MSR },
	{ "PAT", mode_long, SET(pat, ~0ull), RG_PAT },
	{ "SYSENTER_EIP", mode_long, SET(sysenter_eip, NOCAN), RG_SYSCALL },
	{ "selector", mode_long, SET(SEG(TR).selector, 4), RG_SEG },
	{ "base", mode_long, SET(SEG(FS).base, NOCAN), RG_SEG },
	{ "limit", mode_vm86, SET(SEG(FS).limit, 0), RG_SEG },
	{ "access rights", mode_long, SET(SEG(CS).ar, 0), RG_SEG },
	{ "GDTR", mode_long, SET(gdtr_base, NOCAN), RG_DT },
	{ "IDTR", mode_long, SET(idtr_limit, ~0u), RG_DT },
	{ "RIP", mode_long, SET(rip, TOP << 10), RG_RIP },
	{ "RFLAGS", mode_long, SET(rflags, 0), RG_RFLAGS },
	{ "event", mode_long, SET(entry_info, 0x80000100), RG_EVENT },
	{ "shadow", mode_long, SET(interruptibility, 3), RG_SHADOW },
	{ "PDPTE", mode_pae, SET(pdpte0, 3), RG_CR3 },
	{ "Keel's own", mode_long, SET(vpid, 0), 0 },
	{ "the host's", mode_long, SET(host_cr0, 0), 0 },
};

static void test_groups(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(written); i++) {
		struct vmx_snapshot s = written[i].mode();
		struct violation v = { };

		apply(&s, &written[i].store);
		CHECK_EQ("broken", 1, vmx_check(&s, &skylake, &v));
		CHECK_EQ(written[i].name, written[i].groups, v.groups);
	}
}

/* Any bits: no undefined behaviour, and what is reported is complete. */
static void test_random(void)
{
	static struct vmx_snapshot (*const modes[])(void) = { mode_long, mode_all, mode_pae, mode_real, mode_vm86, mode_restricted };
	const size_t bytes = offsetof(struct vmx_snapshot, msrs);
	unsigned int i, found = 0;
	u64 seed = 1;
	int flips;

	for (i = 0; i < 200000; i++) {
		struct vmx_snapshot s = modes[i % ARRAY_SIZE(modes)]();
		struct violation v = { };

		for (flips = 0; flips < 3; flips++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			((u8 *)&s)[(seed >> 33) % bytes] ^= 1 << (seed >> 61);
		}
		if (!vmx_check(&s, &future, &v))
			continue;
		found++;
		ASSERT(v.field && v.rule && v.section && v.kind, "a violation without its name");
	}
	test_note("%u of %u random snapshots break a rule", found, i);
	ASSERT_GE(found, 1000);
}

static const struct test_case cases[] = {
	{ "broken", test_broken },
	{ "coverage", test_coverage },
	{ "valid", test_valid },
	{ "groups", test_groups },
	{ "random", test_random },
};

TEST_MAIN(cases)

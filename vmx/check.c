// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VM entry refuses a VMCS: the rules of the SDM's chapter "VM Entries", in its order, applied to a snapshot. Pure, and built in
 * user space as well, so it spells the few bits it needs by itself. Rules about what Keel never uses (SMM, SGX, VMCS shadowing,
 * posted interrupts, processor trace) are left out.
 */
#include "check.h"

#define BITX(n)			(1ull << (n))

/* Pin-based, primary and secondary processor-based, exit and entry controls */
#define PIN_INTR		BITX(0)
#define PIN_NMI			BITX(3)
#define PIN_VNMI		BITX(5)
#define PIN_TIMER		BITX(6)
#define CPU_NMI_WINDOW		BITX(22)
#define CPU_MSR_BITMAP		BITX(28)
#define CPU_SECONDARY		BITX(31)
#define CPU2_EPT		BITX(1)
#define CPU2_VPID		BITX(5)
#define CPU2_UNRESTRICTED	BITX(7)
#define CPU2_PML		BITX(17)
#define CPU2_TSC_SCALING	BITX(25)
#define EXIT_HOST64		BITX(9)
#define EXIT_LOAD_PAT		BITX(19)
#define EXIT_LOAD_EFER		BITX(21)
#define EXIT_SAVE_TIMER		BITX(22)
#define ENTRY_LOAD_DEBUG	BITX(2)
#define ENTRY_IA32E		BITX(9)
#define ENTRY_LOAD_PAT		BITX(14)
#define ENTRY_LOAD_EFER		BITX(15)

#define CR0_PE			BITX(0)
#define CR0_PG			BITX(31)
#define CR4_PAE			BITX(5)
#define CR4_PCIDE		BITX(17)
#define EFER_LME_BIT		BITX(8)
#define EFER_LMA_BIT		BITX(10)
#define EFER_DEFINED		(BITX(0) | EFER_LME_BIT | EFER_LMA_BIT | BITX(11))
#define RFLAGS_TF		BITX(8)
#define RFLAGS_IF		BITX(9)
#define RFLAGS_VM		BITX(17)
#define RFLAGS_ZEROS		(~(BITX(22) - 1) | BITX(15) | BITX(5) | BITX(3))
#define DEBUGCTL_DEFINED	0xffc3ull
#define DEBUGCTL_BTF_BIT	BITX(1)

#define INFO_VALID		BITX(31)
#define INFO_ERROR		BITX(11)
#define INFO_TYPE(x)		(((x) >> 8) & 7)
#define INFO_RESERVED		0x7ffff000u
enum { TYPE_INTR = 0, TYPE_RESERVED = 1, TYPE_NMI = 2, TYPE_HARD = 3, TYPE_SOFT = 4, TYPE_PRIV = 5, TYPE_SOFT_EXC = 6, TYPE_OTHER = 7 };
/* #DF #TS #NP #SS #GP #PF #AC */
#define ERROR_VECTORS		(1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17)

#define STATE_STI		BITX(0)
#define STATE_MOVSS		BITX(1)
#define STATE_SMI		BITX(2)
#define STATE_NMI		BITX(3)

/* B0-B3, enabled breakpoint, BS, RTM */
#define PENDING_DEFINED		(0xfull | BITX(12) | BITX(14) | BITX(16))

#define AR_TYPE(ar)		((ar) & 15)
#define AR_S			BITX(4)
#define AR_DPL(ar)		(((ar) >> 5) & 3)
#define AR_P			BITX(7)
#define AR_L			BITX(13)
#define AR_DB			BITX(14)
#define AR_G			BITX(15)
#define AR_UNUSABLE		BITX(16)
#define AR_RESERVED		0xfffe0f00u
#define SEL_TI			4
#define SEL_RPL(s)		((s) & 3)

struct check {
	const struct vmx_snapshot *s;
	const struct vmx_check_env *env;
	struct vmx_violation *v;
	const char *section;
};

static _Bool report(const struct check *c, const char *field, __u64 value, const char *rule)
{
	*c->v = (struct vmx_violation){ .field = field, .value = value, .rule = rule, .section = c->section };
	return 1;
}

/* Each line of a check is one rule: WHEN it is broken, the field, and what the manual asks for. */
#define RULE(broken, field, value, rule) \
	do { if (broken) return report(c, field, value, rule); } while (0)

static _Bool canonical(const struct check *c, __u64 address)
{
	unsigned int unused = 64 - c->env->linear_bits;

	return (__u64)((__s64)(address << unused) >> unused) == address;
}

static _Bool beyond(const struct check *c, __u64 address)
{
	return address >> c->env->maxphyaddr;
}

static _Bool range_broken(struct vmx_check_range r, __u32 val)
{
	return (val & r.must) != r.must || (val & ~r.may);
}

static _Bool fixed_broken(__u64 val, __u64 must, __u64 may)
{
	return (val & must) != must || (val & ~may);
}

static _Bool pat_broken(__u64 pat)
{
	unsigned int i;

	for (i = 0; i < 64; i += 8) {
		__u8 type = pat >> i;

		if (type > 7 || type == 2 || type == 3)
			return 1;
	}
	return 0;
}

static __u32 secondary(const struct vmx_snapshot *s)
{
	return s->cpu & CPU_SECONDARY ? s->cpu2 : 0;
}

static _Bool is_unrestricted(const struct vmx_snapshot *s)
{
	return secondary(s) & CPU2_UNRESTRICTED;
}

/* ---- controls ---- */

static _Bool check_execution(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 cpu2 = secondary(s);

	c->section = "VM-Execution Control Fields";
	RULE(range_broken(c->env->pin, s->pin), "pin-based controls", s->pin, "reserved bits must be as IA32_VMX_PINBASED_CTLS says");
	RULE(range_broken(c->env->cpu, s->cpu), "primary processor-based controls", s->cpu,
	     "reserved bits must be as IA32_VMX_PROCBASED_CTLS says");
	RULE((s->cpu & CPU_SECONDARY) && range_broken(c->env->cpu2, s->cpu2), "secondary processor-based controls", s->cpu2,
	     "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says");
	RULE(s->cr3_target_count > 4, "CR3-target count", s->cr3_target_count, "must not be above 4");
	RULE((s->cpu & CPU_MSR_BITMAP) && ((s->msr_bitmap & 0xfff) || beyond(c, s->msr_bitmap)), "MSR-bitmap address", s->msr_bitmap,
	     "bits 11:0 and those above the physical address width must be zero");
	RULE(!(s->pin & PIN_NMI) && (s->pin & PIN_VNMI), "pin-based controls", s->pin, "virtual NMIs need NMI exiting");
	RULE(!(s->pin & PIN_VNMI) && (s->cpu & CPU_NMI_WINDOW), "primary processor-based controls", s->cpu,
	     "NMI-window exiting needs virtual NMIs");
	RULE((cpu2 & CPU2_VPID) && !s->vpid, "VPID", 0, "must not be zero while VPIDs are enabled");
	RULE((cpu2 & CPU2_UNRESTRICTED) && !(cpu2 & CPU2_EPT), "secondary processor-based controls", cpu2,
	     "unrestricted guest needs EPT");
	RULE((cpu2 & CPU2_PML) && !(cpu2 & CPU2_EPT), "secondary processor-based controls", cpu2, "page-modification logging needs EPT");
	RULE((cpu2 & CPU2_TSC_SCALING) && !s->tsc_multiplier, "TSC multiplier", 0, "must not be zero while TSC scaling is on");
	return 0;
}

static _Bool check_eptp(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u64 eptp = s->eptp;

	c->section = "VM-Execution Control Fields";
	if (!(secondary(s) & CPU2_EPT))
		return 0;
	RULE((eptp & 7) != 0 && (eptp & 7) != 6, "EPT pointer", eptp, "the memory type (bits 2:0) must be 0 or 6");
	RULE(((eptp >> 3) & 7) != 3 && ((eptp >> 3) & 7) != 4, "EPT pointer", eptp, "bits 5:3 must be the levels of the tables, less 1");
	RULE((eptp & BITX(6)) && !c->env->ept_ad, "EPT pointer", eptp, "bit 6 must be zero without EPT accessed and dirty flags");
	RULE((eptp & 0xf80) || beyond(c, eptp), "EPT pointer", eptp,
	     "bits 11:7 and those above the physical address width must be zero");
	return 0;
}

static _Bool needs_length(unsigned int type)
{
	return type == TYPE_SOFT || type == TYPE_PRIV || type == TYPE_SOFT_EXC;
}

static _Bool has_error(const struct vmx_snapshot *s, unsigned int type, __u8 vector)
{
	return type == TYPE_HARD && vector < 32 && (ERROR_VECTORS & (1u << vector)) && (!is_unrestricted(s) || (s->cr0 & CR0_PE));
}

static _Bool check_event(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 info = s->entry_info;
	unsigned int type = INFO_TYPE(info);
	__u8 vector = info;
	_Bool length_bad = s->entry_length > 15 || (!s->entry_length && !c->env->zero_length);

	c->section = "VM-Entry Control Fields";
	if (!(info & INFO_VALID))
		return 0;
	RULE(type == TYPE_RESERVED, "VM-entry interruption information", info, "the type 1 is reserved");
	RULE(type == TYPE_NMI && vector != 2, "VM-entry interruption information", info, "the vector of an NMI is 2");
	RULE(type == TYPE_HARD && vector > 31, "VM-entry interruption information", info, "the vector of an exception is at most 31");
	RULE(type == TYPE_OTHER && vector, "VM-entry interruption information", info, "the vector of an other event is 0");
	RULE(!!(info & INFO_ERROR) != has_error(s, type, vector), "VM-entry interruption information", info,
	     "an error code goes with #DF, #TS, #NP, #SS, #GP, #PF and #AC in protected mode, and with nothing else");
	RULE(info & INFO_RESERVED, "VM-entry interruption information", info, "bits 30:12 must be zero");
	RULE((info & INFO_ERROR) && (s->entry_error >> 16), "VM-entry exception error code", s->entry_error, "bits 31:16 must be zero");
	RULE(needs_length(type) && length_bad, "VM-entry instruction length", s->entry_length, "must be 1 to 15 for a software event");
	return 0;
}

static _Bool check_exit_entry(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	c->section = "VM-Exit Control Fields";
	RULE(range_broken(c->env->exit, s->exit), "VM-exit controls", s->exit, "reserved bits must be as IA32_VMX_EXIT_CTLS says");
	RULE(!(s->pin & PIN_TIMER) && (s->exit & EXIT_SAVE_TIMER), "VM-exit controls", s->exit,
	     "saving the preemption timer needs the timer");
	c->section = "VM-Entry Control Fields";
	RULE(range_broken(c->env->entry, s->entry), "VM-entry controls", s->entry, "reserved bits must be as IA32_VMX_ENTRY_CTLS says");
	return 0;
}

/* ---- host ---- */

static _Bool check_host_registers(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u64 long_mode = s->exit & EXIT_HOST64 ? EFER_LMA_BIT | EFER_LME_BIT : 0;

	c->section = "Checks on Host Control Registers, MSRs, and SSP";
	RULE(fixed_broken(s->host_cr0, c->env->cr0_must, c->env->cr0_may), "host CR0", s->host_cr0, "bits fixed in VMX operation");
	RULE(fixed_broken(s->host_cr4, c->env->cr4_must, c->env->cr4_may), "host CR4", s->host_cr4, "bits fixed in VMX operation");
	RULE(beyond(c, s->host_cr3), "host CR3", s->host_cr3, "bits above the physical address width must be zero");
	RULE(!canonical(c, s->host_sysenter_esp), "host IA32_SYSENTER_ESP", s->host_sysenter_esp, "must be canonical");
	RULE(!canonical(c, s->host_sysenter_eip), "host IA32_SYSENTER_EIP", s->host_sysenter_eip, "must be canonical");
	RULE((s->exit & EXIT_LOAD_PAT) && pat_broken(s->host_pat), "host IA32_PAT", s->host_pat, "each byte must be a memory type");
	RULE((s->exit & EXIT_LOAD_EFER) && (s->host_efer & ~EFER_DEFINED), "host IA32_EFER", s->host_efer,
	     "reserved bits must be zero");
	RULE((s->exit & EXIT_LOAD_EFER) && (s->host_efer & (EFER_LMA_BIT | EFER_LME_BIT)) != long_mode, "host IA32_EFER", s->host_efer,
	     "LMA and LME must be as the host address-space size control");
	return 0;
}

static _Bool check_host_segments(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	c->section = "Checks on Host Segment and Descriptor-Table Registers";
	RULE(s->host_cs & 7, "host CS selector", s->host_cs, "RPL and TI must be zero");
	RULE(s->host_ss & 7, "host SS selector", s->host_ss, "RPL and TI must be zero");
	RULE(s->host_ds & 7, "host DS selector", s->host_ds, "RPL and TI must be zero");
	RULE(s->host_es & 7, "host ES selector", s->host_es, "RPL and TI must be zero");
	RULE(s->host_fs & 7, "host FS selector", s->host_fs, "RPL and TI must be zero");
	RULE(s->host_gs & 7, "host GS selector", s->host_gs, "RPL and TI must be zero");
	RULE(s->host_tr & 7, "host TR selector", s->host_tr, "RPL and TI must be zero");
	RULE(!s->host_cs, "host CS selector", 0, "must not be null");
	RULE(!s->host_tr, "host TR selector", 0, "must not be null");
	RULE(!s->host_ss && !(s->exit & EXIT_HOST64), "host SS selector", 0, "must not be null in a 32-bit host");
	RULE(!canonical(c, s->host_fs_base), "host FS base", s->host_fs_base, "must be canonical");
	RULE(!canonical(c, s->host_gs_base), "host GS base", s->host_gs_base, "must be canonical");
	RULE(!canonical(c, s->host_tr_base), "host TR base", s->host_tr_base, "must be canonical");
	RULE(!canonical(c, s->host_gdtr_base), "host GDTR base", s->host_gdtr_base, "must be canonical");
	RULE(!canonical(c, s->host_idtr_base), "host IDTR base", s->host_idtr_base, "must be canonical");
	c->section = "Checks Related to Address-Space Size";
	RULE(!(s->exit & EXIT_HOST64), "VM-exit controls", s->exit, "a 64-bit host needs the host address-space size control");
	RULE(!(s->host_cr4 & CR4_PAE), "host CR4", s->host_cr4, "PAE must be set in a 64-bit host");
	RULE(!canonical(c, s->host_rip), "host RIP", s->host_rip, "must be canonical");
	return 0;
}

/* ---- guest ---- */

static _Bool check_guest_control(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u64 cr0_must = c->env->cr0_must;
	_Bool ia32e = s->entry & ENTRY_IA32E;

	c->section = "Checks on Guest Control Registers, Debug Registers, and MSRs";
	if (is_unrestricted(s))
		cr0_must &= ~(CR0_PE | CR0_PG);
	RULE(fixed_broken(s->cr0, cr0_must, c->env->cr0_may), "guest CR0", s->cr0, "bits fixed in VMX operation");
	RULE((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE), "guest CR0", s->cr0, "PG needs PE");
	RULE(fixed_broken(s->cr4, c->env->cr4_must, c->env->cr4_may), "guest CR4", s->cr4, "bits fixed in VMX operation");
	RULE((s->entry & ENTRY_LOAD_DEBUG) && (s->debugctl & ~DEBUGCTL_DEFINED), "guest IA32_DEBUGCTL", s->debugctl,
	     "reserved bits must be zero");
	RULE(ia32e && !(s->cr0 & CR0_PG), "guest CR0", s->cr0, "PG must be set in an IA-32e mode guest");
	RULE(ia32e && !(s->cr4 & CR4_PAE), "guest CR4", s->cr4, "PAE must be set in an IA-32e mode guest");
	RULE(!ia32e && (s->cr4 & CR4_PCIDE), "guest CR4", s->cr4, "PCIDE must be clear outside IA-32e mode");
	RULE(beyond(c, s->cr3), "guest CR3", s->cr3, "bits above the physical address width must be zero");
	RULE((s->entry & ENTRY_LOAD_DEBUG) && (s->dr7 >> 32), "guest DR7", s->dr7, "bits 63:32 must be zero");
	RULE(!canonical(c, s->sysenter_esp), "guest IA32_SYSENTER_ESP", s->sysenter_esp, "must be canonical");
	RULE(!canonical(c, s->sysenter_eip), "guest IA32_SYSENTER_EIP", s->sysenter_eip, "must be canonical");
	RULE((s->entry & ENTRY_LOAD_PAT) && pat_broken(s->pat), "guest IA32_PAT", s->pat, "each byte must be a memory type");
	if (!(s->entry & ENTRY_LOAD_EFER))
		return 0;
	RULE(s->efer & ~EFER_DEFINED, "guest IA32_EFER", s->efer, "reserved bits must be zero");
	RULE(!!(s->efer & EFER_LMA_BIT) != ia32e, "guest IA32_EFER", s->efer, "LMA must be as the IA-32e mode guest control");
	RULE((s->cr0 & CR0_PG) && !!(s->efer & EFER_LMA_BIT) != !!(s->efer & EFER_LME_BIT), "guest IA32_EFER", s->efer,
	     "LMA and LME must be alike while CR0.PG is set");
	return 0;
}

/* Names of a segment's fields. */
struct seg_names {
	const char *selector, *base, *limit, *ar;
};

#define NAMES(n)	{ "guest " n " selector", "guest " n " base", "guest " n " limit", "guest " n " access rights" }
static const struct seg_names seg_names[CHECK_SEGS] = {
	NAMES("ES"), NAMES("CS"), NAMES("SS"), NAMES("DS"), NAMES("FS"), NAMES("GS"), NAMES("LDTR"), NAMES("TR"),
};

static _Bool usable(const struct vmx_snapshot_seg *seg)
{
	return !(seg->ar & AR_UNUSABLE);
}

static _Bool check_vm86(struct check *c)
{
	unsigned int n;

	for (n = CHECK_ES; n <= CHECK_GS; n++) {
		const struct vmx_snapshot_seg *seg = &c->s->seg[n];

		RULE(seg->base != (__u64)seg->selector << 4, seg_names[n].base, seg->base, "must be the selector times 16 in virtual-8086 mode");
		RULE(seg->limit != 0xffff, seg_names[n].limit, seg->limit, "must be ffff in virtual-8086 mode");
		RULE(seg->ar != 0xf3, seg_names[n].ar, seg->ar, "must be f3 in virtual-8086 mode");
	}
	return 0;
}

static _Bool check_bases(struct check *c)
{
	const struct vmx_snapshot_seg *seg = c->s->seg;
	unsigned int n;

	RULE(!canonical(c, seg[CHECK_TR].base), "guest TR base", seg[CHECK_TR].base, "must be canonical");
	RULE(!canonical(c, seg[CHECK_FS].base), "guest FS base", seg[CHECK_FS].base, "must be canonical");
	RULE(!canonical(c, seg[CHECK_GS].base), "guest GS base", seg[CHECK_GS].base, "must be canonical");
	RULE(usable(&seg[CHECK_LDTR]) && !canonical(c, seg[CHECK_LDTR].base), "guest LDTR base", seg[CHECK_LDTR].base,
	     "must be canonical");
	RULE(seg[CHECK_CS].base >> 32, "guest CS base", seg[CHECK_CS].base, "bits 63:32 must be zero");
	for (n = CHECK_ES; n <= CHECK_DS; n++)
		RULE(usable(&seg[n]) && (seg[n].base >> 32), seg_names[n].base, seg[n].base, "bits 63:32 must be zero");
	return 0;
}

static _Bool granularity_broken(const struct vmx_snapshot_seg *seg)
{
	return seg->ar & AR_G ? (seg->limit & 0xfff) != 0xfff : seg->limit >> 20;
}

/* What holds for each usable segment. */
static _Bool check_rights(struct check *c, unsigned int n)
{
	const struct vmx_snapshot_seg *seg = &c->s->seg[n];
	_Bool system = n >= CHECK_LDTR;

	RULE(!!(seg->ar & AR_S) == system, seg_names[n].ar, seg->ar, "S must be set for code and data alone");
	RULE(!(seg->ar & AR_P), seg_names[n].ar, seg->ar, "P must be set");
	RULE(seg->ar & AR_RESERVED, seg_names[n].ar, seg->ar, "bits 11:8 and 31:17 must be zero");
	RULE(granularity_broken(seg), seg_names[n].ar, seg->ar, "G must fit the limit");
	return 0;
}

static _Bool check_code(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_snapshot_seg *cs = &s->seg[CHECK_CS], *ss = &s->seg[CHECK_SS];
	unsigned int type = AR_TYPE(cs->ar), dpl = AR_DPL(cs->ar), ss_dpl = AR_DPL(ss->ar);

	RULE(!(type == 3 && is_unrestricted(s)) && (type & 9) != 9, "guest CS access rights", cs->ar,
	     "must be accessed code (or writable data in an unrestricted guest)");
	RULE(type == 3 && dpl, "guest CS access rights", cs->ar, "DPL must be 0 where CS is data");
	RULE((type == 9 || type == 11) && dpl != ss_dpl, "guest CS access rights", cs->ar, "DPL must be that of SS");
	RULE((type == 13 || type == 15) && dpl > ss_dpl, "guest CS access rights", cs->ar, "DPL must not be above that of SS");
	RULE((s->entry & ENTRY_IA32E) && (cs->ar & AR_L) && (cs->ar & AR_DB), "guest CS access rights", cs->ar,
	     "L and D must not both be set in IA-32e mode");
	return check_rights(c, CHECK_CS);
}

static _Bool check_stack(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_snapshot_seg *cs = &s->seg[CHECK_CS], *ss = &s->seg[CHECK_SS];
	unsigned int type = AR_TYPE(ss->ar);

	RULE(usable(ss) && type != 3 && type != 7, "guest SS access rights", ss->ar, "must be accessed writable data");
	RULE(!is_unrestricted(s) && AR_DPL(ss->ar) != SEL_RPL(ss->selector), "guest SS access rights", ss->ar,
	     "DPL must be the selector's RPL");
	RULE((AR_TYPE(cs->ar) == 3 || !(s->cr0 & CR0_PE)) && AR_DPL(ss->ar), "guest SS access rights", ss->ar,
	     "DPL must be 0 in real mode or where CS is data");
	RULE(!is_unrestricted(s) && SEL_RPL(ss->selector) != SEL_RPL(cs->selector), "guest SS selector", ss->selector,
	     "RPL must be that of CS");
	return usable(ss) && check_rights(c, CHECK_SS);
}

static _Bool check_data(struct check *c, unsigned int n)
{
	const struct vmx_snapshot_seg *seg = &c->s->seg[n];
	unsigned int type = AR_TYPE(seg->ar);

	if (!usable(seg))
		return 0;
	RULE(!(type & 1), seg_names[n].ar, seg->ar, "must be accessed");
	RULE((type & 8) && !(type & 2), seg_names[n].ar, seg->ar, "code must be readable");
	RULE(!is_unrestricted(c->s) && type < 12 && AR_DPL(seg->ar) < SEL_RPL(seg->selector), seg_names[n].ar, seg->ar,
	     "DPL must not be below the selector's RPL");
	return check_rights(c, n);
}

static _Bool check_system(struct check *c)
{
	const struct vmx_snapshot_seg *tr = &c->s->seg[CHECK_TR], *ldtr = &c->s->seg[CHECK_LDTR];
	unsigned int type = AR_TYPE(tr->ar);

	RULE(tr->selector & SEL_TI, "guest TR selector", tr->selector, "TI must be zero");
	RULE(!usable(tr), "guest TR access rights", tr->ar, "must be usable");
	RULE(type != 11 && (type != 3 || (c->s->entry & ENTRY_IA32E)), "guest TR access rights", tr->ar,
	     "must be a busy TSS, in IA-32e mode a 64-bit one");
	if (check_rights(c, CHECK_TR))
		return 1;
	if (!usable(ldtr))
		return 0;
	RULE(ldtr->selector & SEL_TI, "guest LDTR selector", ldtr->selector, "TI must be zero");
	RULE(AR_TYPE(ldtr->ar) != 2, "guest LDTR access rights", ldtr->ar, "must be an LDT");
	return check_rights(c, CHECK_LDTR);
}

static _Bool check_segments(struct check *c)
{
	unsigned int n;

	c->section = "Checks on Guest Segment Registers";
	if (check_system(c) || check_bases(c))
		return 1;
	if (c->s->rflags & RFLAGS_VM)
		return check_vm86(c);
	if (check_code(c) || check_stack(c) || check_data(c, CHECK_ES))
		return 1;
	for (n = CHECK_DS; n <= CHECK_GS; n++)
		if (check_data(c, n))
			return 1;
	return 0;
}

static _Bool check_rip(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool code64 = (s->entry & ENTRY_IA32E) && (s->seg[CHECK_CS].ar & AR_L);
	_Bool intr = (s->entry_info & INFO_VALID) && INFO_TYPE(s->entry_info) == TYPE_INTR;

	c->section = "Checks on Guest Descriptor-Table Registers";
	RULE(!canonical(c, s->gdtr_base), "guest GDTR base", s->gdtr_base, "must be canonical");
	RULE(!canonical(c, s->idtr_base), "guest IDTR base", s->idtr_base, "must be canonical");
	RULE(s->gdtr_limit >> 16, "guest GDTR limit", s->gdtr_limit, "bits 31:16 must be zero");
	RULE(s->idtr_limit >> 16, "guest IDTR limit", s->idtr_limit, "bits 31:16 must be zero");
	c->section = "Checks on Guest RIP, RFLAGS, and SSP";
	RULE(!code64 && (s->rip >> 32), "guest RIP", s->rip, "bits 63:32 must be zero outside 64-bit mode");
	RULE(code64 && !canonical(c, s->rip), "guest RIP", s->rip, "must be canonical");
	RULE((s->rflags & RFLAGS_ZEROS) || !(s->rflags & BITX(1)), "guest RFLAGS", s->rflags,
	     "bits 63:22, 15, 5 and 3 must be zero, bit 1 must be set");
	RULE((s->rflags & RFLAGS_VM) && ((s->entry & ENTRY_IA32E) || !(s->cr0 & CR0_PE)), "guest RFLAGS", s->rflags,
	     "VM must be clear in IA-32e mode and in real mode");
	RULE(intr && !(s->rflags & RFLAGS_IF), "guest RFLAGS", s->rflags, "IF must be set for an external interrupt");
	return 0;
}

static _Bool check_interruptibility(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 state = s->interruptibility;
	_Bool valid = s->entry_info & INFO_VALID;
	unsigned int type = INFO_TYPE(s->entry_info);

	RULE(state >> 5, "interruptibility state", state, "bits 31:5 must be zero");
	RULE((state & STATE_STI) && (state & STATE_MOVSS), "interruptibility state", state, "not both STI and MOV SS");
	RULE((state & STATE_STI) && !(s->rflags & RFLAGS_IF), "interruptibility state", state, "blocking by STI needs RFLAGS.IF");
	RULE(valid && type == TYPE_INTR && (state & (STATE_STI | STATE_MOVSS)), "interruptibility state", state,
	     "no blocking by STI or MOV SS with an external interrupt");
	RULE(valid && type == TYPE_NMI && (state & STATE_MOVSS), "interruptibility state", state, "no blocking by MOV SS with an NMI");
	RULE(state & STATE_SMI, "interruptibility state", state, "no blocking by SMI outside SMM");
	RULE(valid && type == TYPE_NMI && (s->pin & PIN_VNMI) && (state & STATE_NMI), "interruptibility state", state,
	     "no blocking by NMI with an NMI");
	return 0;
}

static _Bool check_other(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool blocked = s->interruptibility & (STATE_STI | STATE_MOVSS);
	_Bool step = (s->rflags & RFLAGS_TF) && !(s->debugctl & DEBUGCTL_BTF_BIT);

	c->section = "Checks on Guest Non-Register State";
	RULE(s->activity > 3 || (s->activity == 1 && !c->env->hlt_state), "activity state", s->activity, "must be one that the CPU has");
	RULE(s->activity == 1 && AR_DPL(s->seg[CHECK_SS].ar), "activity state", s->activity, "HLT needs an SS.DPL of 0");
	RULE(s->activity && blocked, "activity state", s->activity, "must be active with blocking by STI or MOV SS");
	if (check_interruptibility(c))
		return 1;
	RULE(s->pending_debug & ~PENDING_DEFINED, "pending debug exceptions", s->pending_debug, "reserved bits must be zero");
	RULE((blocked || s->activity == 1) && step != !!(s->pending_debug & BITX(14)), "pending debug exceptions", s->pending_debug,
	     "BS must be as RFLAGS.TF without BTF, with blocking by STI or MOV SS");
	RULE(s->link_pointer != ~0ull && ((s->link_pointer & 0xfff) || beyond(c, s->link_pointer)), "VMCS link pointer", s->link_pointer,
	     "must be all ones or the address of a VMCS");
	return 0;
}

static _Bool check_pdptes(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	static const char * const names[] = { "guest PDPTE0", "guest PDPTE1", "guest PDPTE2", "guest PDPTE3" };
	unsigned int i;

	c->section = "Checks on Guest Page-Directory-Pointer-Table Entries";
	if (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) || (s->entry & ENTRY_IA32E) || !(secondary(s) & CPU2_EPT))
		return 0;
	for (i = 0; i < 4; i++)
		RULE((s->pdpte[i] & 1) && ((s->pdpte[i] & 0x1e6) || beyond(c, s->pdpte[i])), names[i], s->pdpte[i],
		     "reserved bits of a present entry must be zero");
	return 0;
}

_Bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct vmx_violation *v)
{
	struct check c = { .s = s, .env = env, .v = v };

	return check_execution(&c) || check_eptp(&c) || check_exit_entry(&c) || check_event(&c) || check_host_registers(&c) ||
	       check_host_segments(&c) || check_guest_control(&c) || check_segments(&c) || check_rip(&c) || check_other(&c) ||
	       check_pdptes(&c);
}

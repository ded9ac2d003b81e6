// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VM entry refuses a VMCS: the rules of the SDM's chapter "VM Entries", section by section, applied to a snapshot. Pure, and built in
 * user space as well, so it spells the bits it needs by itself. Rules for controls that Keel leaves off are here too: the entry test
 * turns them on.
 *
 * Left out: what only SMM, a 32-bit host or VM entry without EPT (PDPTEs in memory) can break, and the contents of the VMCS that a
 * link pointer names, since Keel never sets one.
 */
#include <keel/groups.h>
#include "check.h"

#define BITX(n)			(1ull << (n))

/* Pin-based, processor-based (primary, secondary, tertiary), exit and entry controls, VM-function controls */
#define PIN_INTR		BITX(0)
#define PIN_NMI			BITX(3)
#define PIN_VNMI		BITX(5)
#define PIN_TIMER		BITX(6)
#define PIN_POSTED		BITX(7)
#define CPU_TERTIARY		BITX(17)
#define CPU_TPR_SHADOW		BITX(21)
#define CPU_NMI_WINDOW		BITX(22)
#define CPU_IO_BITMAPS		BITX(25)
#define CPU_MTF			BITX(27)
#define CPU_MSR_BITMAP		BITX(28)
#define CPU_SECONDARY		BITX(31)
#define CPU2_APIC_ACCESSES	BITX(0)
#define CPU2_EPT		BITX(1)
#define CPU2_X2APIC		BITX(4)
#define CPU2_VPID		BITX(5)
#define CPU2_UNRESTRICTED	BITX(7)
#define CPU2_APIC_REGISTERS	BITX(8)
#define CPU2_INTR_DELIVERY	BITX(9)
#define CPU2_VM_FUNCTIONS	BITX(13)
#define CPU2_SHADOW_VMCS	BITX(14)
#define CPU2_PML		BITX(17)
#define CPU2_VE			BITX(18)
#define CPU2_PASID		BITX(21)
#define CPU2_MODE_EXEC		BITX(22)
#define CPU2_SUB_PAGE		BITX(23)
#define CPU2_PT_GPA		BITX(24)
#define CPU2_TSC_SCALING	BITX(25)
#define CPU3_HLAT		BITX(1)
#define CPU3_PAGING_WRITE	BITX(2)
#define CPU3_VERIFICATION	BITX(3)
#define CPU3_IPI		BITX(4)
#define EXIT_HOST64		BITX(9)
#define EXIT_LOAD_PERF		BITX(12)
#define EXIT_ACK		BITX(15)
#define EXIT_LOAD_PAT		BITX(19)
#define EXIT_LOAD_EFER		BITX(21)
#define EXIT_SAVE_TIMER		BITX(22)
#define EXIT_CLEAR_RTIT		BITX(25)
#define EXIT_LOAD_CET		BITX(28)
#define EXIT_LOAD_PKRS		BITX(29)
#define EXIT_SECONDARY		BITX(31)
#define ENTRY_LOAD_DEBUG	BITX(2)
#define ENTRY_IA32E		BITX(9)
#define ENTRY_SMM		BITX(10)
#define ENTRY_DUAL_MONITOR	BITX(11)
#define ENTRY_LOAD_PERF		BITX(13)
#define ENTRY_LOAD_PAT		BITX(14)
#define ENTRY_LOAD_EFER		BITX(15)
#define ENTRY_LOAD_BNDCFGS	BITX(16)
#define ENTRY_LOAD_RTIT		BITX(18)
#define ENTRY_LOAD_UINV		BITX(19)
#define ENTRY_LOAD_CET		BITX(20)
#define ENTRY_LOAD_LBR		BITX(21)
#define ENTRY_LOAD_PKRS		BITX(22)
#define VMFUNC_EPTP_SWITCHING	BITX(0)

/* IA32_VMX_EPT_VPID_CAP */
#define EPT_4_LEVELS		BITX(6)
#define EPT_5_LEVELS		BITX(7)
#define EPT_UC			BITX(8)
#define EPT_WB			BITX(14)
#define EPT_FLAGS		BITX(21)
#define EPT_SHADOW_STACK	BITX(23)
#define EPTP_FLAGS		BITX(6)
#define EPTP_SHADOW_STACK	BITX(7)

#define CR0_PE			BITX(0)
#define CR0_WP			BITX(16)
#define CR0_PG			BITX(31)
#define CR4_PAE			BITX(5)
#define CR4_PCIDE		BITX(17)
#define CR4_CET			BITX(23)
#define EFER_LME_BIT		BITX(8)
#define EFER_LMA_BIT		BITX(10)
#define EFER_DEFINED		(BITX(0) | EFER_LME_BIT | EFER_LMA_BIT | BITX(11))
#define RFLAGS_TF		BITX(8)
#define RFLAGS_IF		BITX(9)
#define RFLAGS_VM		BITX(17)
#define RFLAGS_ZEROS		(~(BITX(22) - 1) | BITX(15) | BITX(5) | BITX(3))
#define DEBUGCTL_BTF_BIT	BITX(1)
#define CET_RESERVED		(BITX(6) | BITX(7) | BITX(8) | BITX(9))
#define CET_SUPPRESS		BITX(10)
#define CET_TRACKER		BITX(11)
#define BNDCFGS_RESERVED	0xffcull

#define INFO_VALID		BITX(31)
#define INFO_ERROR		BITX(11)
#define INFO_TYPE(x)		(((x) >> 8) & 7)
#define INFO_RESERVED		0x7ffff000u
enum { TYPE_INTR = 0, TYPE_RESERVED = 1, TYPE_NMI = 2, TYPE_HARD = 3, TYPE_SOFT = 4, TYPE_PRIV = 5, TYPE_SOFT_EXC = 6, TYPE_OTHER = 7 };
#define VECTOR_DB		1
#define VECTOR_NMI		2
#define VECTOR_MC		18
#define VECTOR_CP		21
/* #DF #TS #NP #SS #GP #PF #AC; and #CP where there is CET */
#define ERROR_VECTORS		(1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17)

enum { ACTIVE, HALTED, SHUT_DOWN, WAIT_FOR_SIPI };
#define STATE_STI		BITX(0)
#define STATE_MOVSS		BITX(1)
#define STATE_SMI		BITX(2)
#define STATE_NMI		BITX(3)
#define STATE_ENCLAVE		BITX(4)

/* B0-B3, bus lock, enabled breakpoint, BS, RTM */
#define PENDING_B		0xfull
#define PENDING_BUS_LOCK	BITX(11)
#define PENDING_ENABLED		BITX(12)
#define PENDING_BS		BITX(14)
#define PENDING_RTM		BITX(16)
#define PENDING_DEFINED		(PENDING_B | PENDING_BUS_LOCK | PENDING_ENABLED | PENDING_BS | PENDING_RTM)

#define AR_TYPE(ar)		((ar) & 15)
#define AR_S			BITX(4)
#define AR_DPL(ar)		(((ar) >> 5) & 3)
#define AR_P			BITX(7)
#define AR_L			BITX(13)
#define AR_DB			BITX(14)
#define AR_G			BITX(15)
#define AR_UNUSABLE		BITX(16)
#define AR_RESERVED_LOW		0x00000f00u
#define AR_RESERVED_HIGH	0xfffe0000u
#define SEL_TI			4
#define SEL_RPL(s)		((s) & 3)

/* Fields by the manual's names, with the group of registers that an ioctl sets them by; 0 for what Keel alone writes. */
#define F_PIN			"pin-based VM-execution controls", 0
#define F_CPU			"primary processor-based VM-execution controls", 0
#define F_CPU2			"secondary processor-based VM-execution controls", 0
#define F_CPU3			"tertiary processor-based VM-execution controls", 0
#define F_EXIT			"VM-exit controls", 0
#define F_EXIT2			"secondary VM-exit controls", 0
#define F_ENTRY			"VM-entry controls", 0
#define F_VM_FUNCTIONS		"VM-function controls", 0
#define F_TPR_THRESHOLD		"TPR threshold", 0
#define F_EPTP			"EPT pointer", 0
#define F_HLAT			"HLAT pointer", 0
#define F_INFO			"VM-entry interruption information", RG_EVENT
#define F_ERROR			"VM-entry exception error code", RG_EVENT
#define F_LENGTH		"VM-entry instruction length", RG_EVENT
#define F_CR0			"guest CR0", RG_CR0
#define F_CR3			"guest CR3", RG_CR3
#define F_CR4			"guest CR4", RG_CR4
#define F_EFER			"guest IA32_EFER", RG_EFER
#define F_DR7			"guest DR7", RG_DR
#define F_DEBUGCTL		"guest IA32_DEBUGCTL", RG_BACKEND_MSR
#define F_RIP			"guest RIP", RG_RIP
#define F_RFLAGS		"guest RFLAGS", RG_RFLAGS
#define F_ACTIVITY		"activity state", 0
#define F_BLOCKING		"interruptibility state", RG_SHADOW
#define F_PENDING		"pending debug exceptions", 0
#define F_LINK			"VMCS link pointer", 0

struct check {
	const struct vmx_snapshot *s;
	const struct vmx_check_env *env;
	struct violation *v;
	const char *section;
	enum vmx_broken kind;
};

static _Bool canonical(const struct check *c, __u64 address)
{
	unsigned int unused = 64 - c->env->linear_bits;

	return (__u64)((__s64)(address << unused) >> unused) == address;
}

/* RIP and SSP: the bits that the CPU has not are alike, whatever the highest one that it has. */
static _Bool within_linear(const struct check *c, __u64 address)
{
	__u64 high = address >> c->env->linear_bits;

	return !high || high == ~0ull >> c->env->linear_bits;
}

static _Bool beyond(const struct check *c, __u64 address)
{
	return address >> c->env->maxphyaddr;
}

/* Physical address whose bits below @align's must be zero. */
static _Bool address_broken(const struct check *c, __u64 address, __u64 align)
{
	return (address & (align - 1)) || beyond(c, address);
}

#define PAGE		0x1000ull
#define PAGE_RULE	"bits 11:0 and those above the physical address width must be zero"

static _Bool range_broken(struct vmx_check_range r, __u32 val)
{
	return (val & r.must) != r.must || (val & ~r.may);
}

static _Bool fixed_broken(__u64 val, __u64 must, __u64 may)
{
	return (val & must) != must || (val & ~may);
}

static __u32 secondary(const struct vmx_snapshot *s)
{
	return s->cpu & CPU_SECONDARY ? s->cpu2 : 0;
}

static __u64 tertiary(const struct vmx_snapshot *s)
{
	return s->cpu & CPU_TERTIARY ? s->cpu3 : 0;
}

static _Bool is_unrestricted(const struct vmx_snapshot *s)
{
	return secondary(s) & CPU2_UNRESTRICTED;
}

static _Bool is_64bit_code(const struct vmx_snapshot *s)
{
	return (s->entry & ENTRY_IA32E) && (s->seg[CHECK_CS].ar & AR_L);
}

/* ---- controls ---- */

static _Bool check_reserved(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_check_env *env = c->env;

	RULE(range_broken(env->pin, s->pin), F_PIN, s->pin, "reserved bits must be as IA32_VMX_PINBASED_CTLS says");
	RULE(range_broken(env->cpu, s->cpu), F_CPU, s->cpu, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says");
	RULE(range_broken(env->cpu2, secondary(s)), F_CPU2, s->cpu2, "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says");
	RULE(tertiary(s) & ~env->cpu3, F_CPU3, s->cpu3, "reserved bits must be as IA32_VMX_PROCBASED_CTLS3 says");
	return 0;
}

static _Bool check_execution(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 cpu2 = secondary(s);

	RULE(s->cr3_target_count > c->env->cr3_targets, "CR3-target count", 0, s->cr3_target_count,
	     "must not be above what IA32_VMX_MISC says");
	RULE((s->cpu & CPU_IO_BITMAPS) && address_broken(c, s->io_bitmap_a, PAGE), "I/O-bitmap address A", 0, s->io_bitmap_a, PAGE_RULE);
	RULE((s->cpu & CPU_IO_BITMAPS) && address_broken(c, s->io_bitmap_b, PAGE), "I/O-bitmap address B", 0, s->io_bitmap_b, PAGE_RULE);
	RULE((s->cpu & CPU_MSR_BITMAP) && address_broken(c, s->msr_bitmap, PAGE), "MSR-bitmap address", 0, s->msr_bitmap, PAGE_RULE);
	RULE(!(s->pin & PIN_NMI) && (s->pin & PIN_VNMI), F_PIN, s->pin, "virtual NMIs need NMI exiting");
	RULE(!(s->pin & PIN_VNMI) && (s->cpu & CPU_NMI_WINDOW), F_CPU, s->cpu, "NMI-window exiting needs virtual NMIs");
	RULE((cpu2 & CPU2_VPID) && !s->vpid, "VPID", 0, s->vpid, "must not be zero while VPIDs are enabled");
	RULE((cpu2 & CPU2_SHADOW_VMCS) && address_broken(c, s->vmread_bitmap, PAGE), "VMREAD-bitmap address", 0, s->vmread_bitmap, PAGE_RULE);
	RULE((cpu2 & CPU2_SHADOW_VMCS) && address_broken(c, s->vmwrite_bitmap, PAGE), "VMWRITE-bitmap address", 0, s->vmwrite_bitmap,
	     PAGE_RULE);
	RULE((cpu2 & CPU2_VE) && address_broken(c, s->ve_info, PAGE), "virtualization-exception information address", 0, s->ve_info,
	     PAGE_RULE);
	RULE((cpu2 & CPU2_TSC_SCALING) && !s->tsc_multiplier, "TSC multiplier", 0, s->tsc_multiplier,
	     "must not be zero while TSC scaling is on");
	RULE((cpu2 & CPU2_PASID) && address_broken(c, s->pasid_low, PAGE), "low PASID directory address", 0, s->pasid_low, PAGE_RULE);
	RULE((cpu2 & CPU2_PASID) && address_broken(c, s->pasid_high, PAGE), "high PASID directory address", 0, s->pasid_high, PAGE_RULE);
	return 0;
}

/* The virtual local APIC. */
static _Bool check_apic(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool shadow = s->cpu & CPU_TPR_SHADOW;
	__u32 cpu2 = secondary(s);

	RULE(shadow && address_broken(c, s->virtual_apic, PAGE), "virtual-APIC address", 0, s->virtual_apic, PAGE_RULE);
	RULE(shadow && !(cpu2 & CPU2_INTR_DELIVERY) && (s->tpr_threshold & ~15u), F_TPR_THRESHOLD, s->tpr_threshold,
	     "bits 31:4 must be zero without virtual-interrupt delivery");
	RULE(shadow && !(cpu2 & (CPU2_APIC_ACCESSES | CPU2_INTR_DELIVERY)) && (s->tpr_threshold & 15) > s->vtpr >> 4, F_TPR_THRESHOLD,
	     s->tpr_threshold, "must not be above bits 7:4 of the virtual task priority");
	RULE((cpu2 & CPU2_APIC_ACCESSES) && address_broken(c, s->apic_access, PAGE), "APIC-access address", 0, s->apic_access, PAGE_RULE);
	RULE(!shadow && (cpu2 & CPU2_X2APIC), F_CPU2, cpu2, "virtualize x2APIC mode needs the TPR shadow");
	RULE(!shadow && (cpu2 & CPU2_APIC_REGISTERS), F_CPU2, cpu2, "APIC-register virtualization needs the TPR shadow");
	RULE(!shadow && (cpu2 & CPU2_INTR_DELIVERY), F_CPU2, cpu2, "virtual-interrupt delivery needs the TPR shadow");
	RULE((cpu2 & CPU2_X2APIC) && (cpu2 & CPU2_APIC_ACCESSES), F_CPU2, cpu2,
	     "virtualize APIC accesses must be 0 with virtualize x2APIC mode");
	RULE((cpu2 & CPU2_INTR_DELIVERY) && !(s->pin & PIN_INTR), F_CPU2, cpu2, "virtual-interrupt delivery needs external-interrupt exiting");
	RULE((s->pin & PIN_POSTED) && !(cpu2 & CPU2_INTR_DELIVERY), F_PIN, s->pin, "posted interrupts need virtual-interrupt delivery");
	RULE((s->pin & PIN_POSTED) && !(s->exit & EXIT_ACK), F_EXIT, s->exit, "posted interrupts need acknowledge interrupt on exit");
	RULE((s->pin & PIN_POSTED) && s->posted_vector >> 8, "posted-interrupt notification vector", 0, s->posted_vector,
	     "bits 15:8 must be zero");
	RULE((s->pin & PIN_POSTED) && address_broken(c, s->posted_desc, 64), "posted-interrupt descriptor address", 0, s->posted_desc,
	     "bits 5:0 and those above the physical address width must be zero");
	RULE((tertiary(s) & CPU3_IPI) && !shadow, F_CPU3, s->cpu3, "IPI virtualization needs the TPR shadow");
	RULE((tertiary(s) & CPU3_IPI) && address_broken(c, s->pid_table, 8), "PID-pointer table address", 0, s->pid_table,
	     "bits 2:0 and those above the physical address width must be zero");
	RULE((tertiary(s) & CPU3_IPI) && beyond(c, s->pid_table + s->last_pid * 8ull), "last PID-pointer index", 0, s->last_pid,
	     "the last entry must lie below the physical address limit");
	return 0;
}

/* What needs EPT. */
static _Bool check_paging(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 cpu2 = secondary(s);
	__u64 cpu3 = tertiary(s);
	_Bool ept = cpu2 & CPU2_EPT;

	RULE((cpu2 & CPU2_UNRESTRICTED) && !ept, F_CPU2, cpu2, "unrestricted guest needs EPT");
	RULE((cpu2 & CPU2_MODE_EXEC) && !ept, F_CPU2, cpu2, "mode-based execute control needs EPT");
	RULE((cpu2 & CPU2_PML) && !ept, F_CPU2, cpu2, "page-modification logging needs EPT");
	RULE((cpu2 & CPU2_PML) && address_broken(c, s->pml, PAGE), "PML address", 0, s->pml, PAGE_RULE);
	RULE((cpu2 & CPU2_SUB_PAGE) && !ept, F_CPU2, cpu2, "sub-page write permissions need EPT");
	RULE((cpu2 & CPU2_SUB_PAGE) && address_broken(c, s->sppt, PAGE), "sub-page-permission-table pointer", 0, s->sppt, PAGE_RULE);
	RULE((cpu2 & CPU2_PT_GPA) && !ept, F_CPU2, cpu2, "processor trace in guest-physical memory needs EPT");
	RULE((cpu2 & CPU2_PT_GPA) && !(s->entry & ENTRY_LOAD_RTIT), F_ENTRY, s->entry,
	     "processor trace in guest-physical memory needs load IA32_RTIT_CTL");
	RULE((cpu2 & CPU2_PT_GPA) && !(s->exit & EXIT_CLEAR_RTIT), F_EXIT, s->exit,
	     "processor trace in guest-physical memory needs clear IA32_RTIT_CTL");
	RULE((cpu3 & CPU3_HLAT) && !ept, F_CPU3, cpu3, "hypervisor-managed linear-address translation needs EPT");
	RULE((cpu3 & CPU3_PAGING_WRITE) && !ept, F_CPU3, cpu3, "EPT paging-write control needs EPT");
	RULE((cpu3 & CPU3_VERIFICATION) && !ept, F_CPU3, cpu3, "guest-paging verification needs EPT");
	RULE((cpu3 & CPU3_HLAT) && ((s->hlat & 0xfe7) || beyond(c, s->hlat)), F_HLAT, s->hlat,
	     "bits 2:0, 11:5 and those above the physical address width must be zero");
	RULE((cpu2 & CPU2_VM_FUNCTIONS) && (s->vm_functions & ~c->env->vm_functions), F_VM_FUNCTIONS, s->vm_functions,
	     "reserved bits must be as IA32_VMX_VMFUNC says");
	RULE((cpu2 & CPU2_VM_FUNCTIONS) && (s->vm_functions & VMFUNC_EPTP_SWITCHING) && !ept, F_VM_FUNCTIONS, s->vm_functions,
	     "EPTP switching needs EPT");
	RULE((cpu2 & CPU2_VM_FUNCTIONS) && (s->vm_functions & VMFUNC_EPTP_SWITCHING) && address_broken(c, s->eptp_list, PAGE),
	     "EPTP-list address", 0, s->eptp_list, PAGE_RULE);
	return 0;
}

static _Bool check_eptp(struct check *c)
{
	__u64 eptp = c->s->eptp, cap = c->env->ept_vpid;
	unsigned int type = eptp & 7, levels = ((eptp >> 3) & 7) + 1;

	if (!(secondary(c->s) & CPU2_EPT))
		return 0;
	RULE(!(type == 0 && (cap & EPT_UC)) && !(type == 6 && (cap & EPT_WB)), F_EPTP, eptp,
	     "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has");
	RULE(!(levels == 4 && (cap & EPT_4_LEVELS)) && !(levels == 5 && (cap & EPT_5_LEVELS)), F_EPTP, eptp,
	     "bits 5:3 must be the levels of the tables, less 1");
	RULE((eptp & EPTP_FLAGS) && !(cap & EPT_FLAGS), F_EPTP, eptp, "bit 6 must be zero without EPT accessed and dirty flags");
	RULE((eptp & EPTP_SHADOW_STACK) && !(cap & EPT_SHADOW_STACK), F_EPTP, eptp, "bit 7 must be zero without supervisor shadow stacks");
	RULE((eptp & 0xf00) || beyond(c, eptp), F_EPTP, eptp, "bits 11:8 and those above the physical address width must be zero");
	return 0;
}

/* An area that ends above the physical address limit. */
static _Bool area_beyond(const struct check *c, const struct vmx_snapshot_area *area)
{
	return beyond(c, area->address) || beyond(c, area->address + area->count * 16ull - 1);
}

static _Bool check_area(struct check *c, const struct vmx_snapshot_area *area, const char *field)
{
	if (!area->count)
		return 0;
	RULE(area->address & 15, field, 0, area->address, "bits 3:0 must be zero");
	RULE(area_beyond(c, area), field, 0, area->address, "the area must lie below the physical address limit");
	return 0;
}

static _Bool check_exit(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(range_broken(c->env->exit, s->exit), F_EXIT, s->exit, "reserved bits must be as IA32_VMX_EXIT_CTLS says");
	RULE((s->exit & EXIT_SECONDARY) && (s->exit2 & ~c->env->exit2), F_EXIT2, s->exit2,
	     "reserved bits must be as IA32_VMX_EXIT_CTLS2 says");
	RULE(!(s->pin & PIN_TIMER) && (s->exit & EXIT_SAVE_TIMER), F_EXIT, s->exit, "saving the preemption timer needs the timer");
	return check_area(c, &s->exit_store, "VM-exit MSR-store address") || check_area(c, &s->exit_load, "VM-exit MSR-load address");
}

static _Bool needs_length(unsigned int type)
{
	return type == TYPE_SOFT || type == TYPE_PRIV || type == TYPE_SOFT_EXC;
}

/* Exceptions that bring an error code along. */
static _Bool error_possible(const struct vmx_snapshot *s, unsigned int type)
{
	return type == TYPE_HARD && (!is_unrestricted(s) || (s->cr0 & CR0_PE));
}

static _Bool error_vector(const struct check *c, __u8 vector)
{
	if (vector == VECTOR_CP)
		return !!(c->env->cr4_may & CR4_CET);
	return vector < 32 && (ERROR_VECTORS & (1u << vector));
}

static _Bool check_event(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 info = s->entry_info;
	unsigned int type = INFO_TYPE(info);
	_Bool error = info & INFO_ERROR;
	__u8 vector = info;

	if (!(info & INFO_VALID))
		return 0;
	RULE(type == TYPE_RESERVED, F_INFO, info, "the type 1 is reserved");
	RULE(type == TYPE_OTHER && !(c->env->cpu.may & CPU_MTF), F_INFO, info, "the type 7 is reserved without the monitor trap flag");
	RULE(type == TYPE_NMI && vector != VECTOR_NMI, F_INFO, info, "the vector of an NMI is 2");
	RULE(type == TYPE_HARD && vector > 31, F_INFO, info, "the vector of an exception is at most 31");
	RULE(type == TYPE_OTHER && vector, F_INFO, info, "the vector of an other event is 0");
	RULE(error && !error_possible(s, type), F_INFO, info, "an error code goes with a hardware exception in protected mode alone");
	RULE(error && !c->env->free_error_code && !error_vector(c, vector), F_INFO, info, "this exception has no error code");
	RULE(!error && error_possible(s, type) && !c->env->free_error_code && error_vector(c, vector), F_INFO, info,
	     "this exception needs an error code");
	RULE(info & INFO_RESERVED, F_INFO, info, "bits 30:12 must be zero");
	RULE(error && (s->entry_error >> 16), F_ERROR, s->entry_error, "bits 31:16 must be zero");
	RULE(needs_length(type) && s->entry_length > 15, F_LENGTH, s->entry_length, "must not be above 15");
	RULE(needs_length(type) && !s->entry_length && !c->env->zero_length, F_LENGTH, s->entry_length,
	     "must not be zero unless IA32_VMX_MISC says so");
	return 0;
}

static _Bool check_entry(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(range_broken(c->env->entry, s->entry), F_ENTRY, s->entry, "reserved bits must be as IA32_VMX_ENTRY_CTLS says");
	RULE(s->entry & ENTRY_SMM, F_ENTRY, s->entry, "entry to SMM must be 0 outside SMM");
	RULE(s->entry & ENTRY_DUAL_MONITOR, F_ENTRY, s->entry, "deactivate dual-monitor treatment must be 0 outside SMM");
	return check_event(c) || check_area(c, &s->entry_load, "VM-entry MSR-load address");
}

static _Bool check_controls(struct check *c)
{
	c->kind = VMX_BROKEN_CONTROL;
	c->section = "VM-Execution Control Fields";
	if (check_reserved(c) || check_execution(c) || check_apic(c) || check_paging(c) || check_eptp(c))
		return 1;
	c->section = "VM-Exit Control Fields";
	if (check_exit(c))
		return 1;
	c->section = "VM-Entry Control Fields";
	return check_entry(c);
}

/* ---- host ---- */

static _Bool cr3_broken(const struct check *c, __u64 cr3)
{
	return beyond(c, cr3 & ~c->env->cr3_tags);
}

static _Bool check_host_registers(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool cet = s->exit & EXIT_LOAD_CET;

	RULE(fixed_broken(s->host_cr0, c->env->cr0_must, c->env->cr0_may), "host CR0", 0, s->host_cr0, "bits fixed in VMX operation");
	RULE(fixed_broken(s->host_cr4, c->env->cr4_must, c->env->cr4_may), "host CR4", 0, s->host_cr4, "bits fixed in VMX operation");
	RULE((s->host_cr4 & CR4_CET) && !(s->host_cr0 & CR0_WP), "host CR0", 0, s->host_cr0, "WP must be set with CR4.CET");
	RULE(cr3_broken(c, s->host_cr3), "host CR3", 0, s->host_cr3, "bits above the physical address width must be zero");
	RULE(!canonical(c, s->host_sysenter_esp), "host IA32_SYSENTER_ESP", 0, s->host_sysenter_esp, "must be canonical");
	RULE(!canonical(c, s->host_sysenter_eip), "host IA32_SYSENTER_EIP", 0, s->host_sysenter_eip, "must be canonical");
	RULE((s->exit & EXIT_LOAD_PERF) && (s->host_perf_global & ~c->env->perf_global), "host IA32_PERF_GLOBAL_CTRL", 0,
	     s->host_perf_global, "reserved bits must be zero");
	RULE((s->exit & EXIT_LOAD_PAT) && is_pat_broken(s->host_pat), "host IA32_PAT", 0, s->host_pat, "each byte must be a memory type");
	RULE((s->exit & EXIT_LOAD_EFER) && (s->host_efer & ~EFER_DEFINED), "host IA32_EFER", 0, s->host_efer,
	     "reserved bits must be zero");
	RULE((s->exit & EXIT_LOAD_EFER) && !(s->host_efer & EFER_LMA_BIT) != !(s->exit & EXIT_HOST64), "host IA32_EFER", 0, s->host_efer,
	     "LMA must be as the host address-space size control");
	RULE((s->exit & EXIT_LOAD_EFER) && !(s->host_efer & EFER_LME_BIT) != !(s->exit & EXIT_HOST64), "host IA32_EFER", 0, s->host_efer,
	     "LME must be as the host address-space size control");
	RULE(cet && (s->host_s_cet & CET_RESERVED), "host IA32_S_CET", 0, s->host_s_cet, "reserved bits must be zero");
	RULE(cet && (s->host_s_cet & CET_SUPPRESS) && (s->host_s_cet & CET_TRACKER), "host IA32_S_CET", 0, s->host_s_cet,
	     "SUPPRESS and TRACKER must not both be set");
	RULE(cet && !canonical(c, s->host_s_cet), "host IA32_S_CET", 0, s->host_s_cet, "must be canonical");
	RULE(cet && !canonical(c, s->host_ssp_table), "host IA32_INTERRUPT_SSP_TABLE_ADDR", 0, s->host_ssp_table, "must be canonical");
	RULE(cet && (s->host_ssp & 3), "host SSP", 0, s->host_ssp, "bits 1:0 must be zero");
	RULE(cet && !canonical(c, s->host_ssp), "host SSP", 0, s->host_ssp, "must be canonical");
	RULE((s->exit & EXIT_LOAD_PKRS) && s->host_pkrs >> 32, "host IA32_PKRS", 0, s->host_pkrs, "bits 63:32 must be zero");
	return 0;
}

#define SELECTOR_RULE	"RPL and TI must be zero"

static _Bool check_host_segments(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(s->host_cs & 7, "host CS selector", 0, s->host_cs, SELECTOR_RULE);
	RULE(s->host_ss & 7, "host SS selector", 0, s->host_ss, SELECTOR_RULE);
	RULE(s->host_ds & 7, "host DS selector", 0, s->host_ds, SELECTOR_RULE);
	RULE(s->host_es & 7, "host ES selector", 0, s->host_es, SELECTOR_RULE);
	RULE(s->host_fs & 7, "host FS selector", 0, s->host_fs, SELECTOR_RULE);
	RULE(s->host_gs & 7, "host GS selector", 0, s->host_gs, SELECTOR_RULE);
	RULE(s->host_tr & 7, "host TR selector", 0, s->host_tr, SELECTOR_RULE);
	RULE(!s->host_cs, "host CS selector", 0, s->host_cs, "must not be null");
	RULE(!s->host_tr, "host TR selector", 0, s->host_tr, "must not be null");
	RULE(!canonical(c, s->host_fs_base), "host FS base", 0, s->host_fs_base, "must be canonical");
	RULE(!canonical(c, s->host_gs_base), "host GS base", 0, s->host_gs_base, "must be canonical");
	RULE(!canonical(c, s->host_tr_base), "host TR base", 0, s->host_tr_base, "must be canonical");
	RULE(!canonical(c, s->host_gdtr_base), "host GDTR base", 0, s->host_gdtr_base, "must be canonical");
	RULE(!canonical(c, s->host_idtr_base), "host IDTR base", 0, s->host_idtr_base, "must be canonical");
	return 0;
}

/* The host is a 64-bit kernel. */
static _Bool check_address_space(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(!(s->exit & EXIT_HOST64), F_EXIT, s->exit, "a 64-bit host needs the host address-space size control");
	RULE(!(s->host_cr4 & CR4_PAE), "host CR4", 0, s->host_cr4, "PAE must be set in a 64-bit host");
	RULE(!canonical(c, s->host_rip), "host RIP", 0, s->host_rip, "must be canonical");
	return 0;
}

static _Bool check_host(struct check *c)
{
	c->kind = VMX_BROKEN_HOST;
	/* first, as other rules take a 64-bit host for granted */
	c->section = "Checks Related to Address-Space Size";
	if (check_address_space(c))
		return 1;
	c->section = "Checks on Host Control Registers, MSRs, and SSP";
	if (check_host_registers(c))
		return 1;
	c->section = "Checks on Host Segment and Descriptor-Table Registers";
	return check_host_segments(c);
}

/* ---- guest ---- */

static _Bool check_guest_control(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u64 cr0_must = c->env->cr0_must;
	_Bool ia32e = s->entry & ENTRY_IA32E, debug = s->entry & ENTRY_LOAD_DEBUG;

	if (is_unrestricted(s))
		cr0_must &= ~(CR0_PE | CR0_PG);
	RULE(fixed_broken(s->cr0, cr0_must, c->env->cr0_may), F_CR0, s->cr0, "bits fixed in VMX operation");
	RULE((s->cr0 & CR0_PG) && !(s->cr0 & CR0_PE), F_CR0, s->cr0, "PG needs PE");
	RULE(fixed_broken(s->cr4, c->env->cr4_must, c->env->cr4_may), F_CR4, s->cr4, "bits fixed in VMX operation");
	RULE((s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP), F_CR0, s->cr0, "WP must be set with CR4.CET");
	RULE(ia32e && !(s->cr0 & CR0_PG), F_CR0, s->cr0, "PG must be set in an IA-32e mode guest");
	RULE(ia32e && !(s->cr4 & CR4_PAE), F_CR4, s->cr4, "PAE must be set in an IA-32e mode guest");
	RULE(!ia32e && (s->cr4 & CR4_PCIDE), F_CR4, s->cr4, "PCIDE must be clear outside IA-32e mode");
	RULE(cr3_broken(c, s->cr3), F_CR3, s->cr3, "bits above the physical address width must be zero");
	RULE(debug && (s->debugctl & ~c->env->debugctl), F_DEBUGCTL, s->debugctl, "reserved bits must be zero");
	RULE(debug && (s->dr7 >> 32), F_DR7, s->dr7, "bits 63:32 must be zero");
	return 0;
}

static _Bool check_guest_efer(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	if (!(s->entry & ENTRY_LOAD_EFER))
		return 0;
	RULE(s->efer & ~EFER_DEFINED, F_EFER, s->efer, "reserved bits must be zero");
	RULE(!(s->efer & EFER_LMA_BIT) != !(s->entry & ENTRY_IA32E), F_EFER, s->efer, "LMA must be as the IA-32e mode guest control");
	RULE((s->cr0 & CR0_PG) && !(s->efer & EFER_LMA_BIT) != !(s->efer & EFER_LME_BIT), F_EFER, s->efer,
	     "LMA and LME must be alike while CR0.PG is set");
	return 0;
}

static _Bool check_guest_msrs(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 entry = s->entry;

	RULE(!canonical(c, s->sysenter_esp), "guest IA32_SYSENTER_ESP", RG_SYSCALL, s->sysenter_esp, "must be canonical");
	RULE(!canonical(c, s->sysenter_eip), "guest IA32_SYSENTER_EIP", RG_SYSCALL, s->sysenter_eip, "must be canonical");
	RULE((entry & ENTRY_LOAD_PERF) && (s->perf_global & ~c->env->perf_global), "guest IA32_PERF_GLOBAL_CTRL", 0, s->perf_global,
	     "reserved bits must be zero");
	RULE((entry & ENTRY_LOAD_PAT) && is_pat_broken(s->pat), "guest IA32_PAT", RG_PAT, s->pat, "each byte must be a memory type");
	if (check_guest_efer(c))
		return 1;
	RULE((entry & ENTRY_LOAD_BNDCFGS) && (s->bndcfgs & BNDCFGS_RESERVED), "guest IA32_BNDCFGS", 0, s->bndcfgs,
	     "bits 11:2 must be zero");
	RULE((entry & ENTRY_LOAD_BNDCFGS) && !canonical(c, s->bndcfgs), "guest IA32_BNDCFGS", 0, s->bndcfgs,
	     "the linear address must be canonical");
	RULE((entry & ENTRY_LOAD_RTIT) && (s->rtit_ctl & ~c->env->rtit_ctl), "guest IA32_RTIT_CTL", 0, s->rtit_ctl,
	     "reserved bits must be zero");
	RULE((entry & ENTRY_LOAD_LBR) && (s->lbr_ctl & ~c->env->lbr_ctl), "guest IA32_LBR_CTL", 0, s->lbr_ctl,
	     "reserved bits must be zero");
	RULE((entry & ENTRY_LOAD_PKRS) && s->pkrs >> 32, "guest IA32_PKRS", 0, s->pkrs, "bits 63:32 must be zero");
	RULE((entry & ENTRY_LOAD_UINV) && s->uinv >> 8, "guest UINV", 0, s->uinv, "bits 15:8 must be zero");
	if (!(entry & ENTRY_LOAD_CET))
		return 0;
	RULE(s->s_cet & CET_RESERVED, "guest IA32_S_CET", 0, s->s_cet, "reserved bits must be zero");
	RULE((s->s_cet & CET_SUPPRESS) && (s->s_cet & CET_TRACKER), "guest IA32_S_CET", 0, s->s_cet,
	     "SUPPRESS and TRACKER must not both be set");
	RULE(!canonical(c, s->s_cet), "guest IA32_S_CET", 0, s->s_cet, "must be canonical");
	RULE(!canonical(c, s->ssp_table), "guest IA32_INTERRUPT_SSP_TABLE_ADDR", 0, s->ssp_table, "must be canonical");
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

#define F_SELECTOR(n)	seg_names[n].selector, RG_SEG
#define F_BASE(n)	seg_names[n].base, RG_SEG
#define F_LIMIT(n)	seg_names[n].limit, RG_SEG
#define F_RIGHTS(n)	seg_names[n].ar, RG_SEG

static _Bool usable(const struct vmx_snapshot_seg *seg)
{
	return !(seg->ar & AR_UNUSABLE);
}

static _Bool check_vm86(struct check *c)
{
	unsigned int n;

	for (n = CHECK_ES; n <= CHECK_GS; n++) {
		const struct vmx_snapshot_seg *seg = &c->s->seg[n];

		RULE(seg->base != (__u64)seg->selector << 4, F_BASE(n), seg->base, "must be the selector times 16 in virtual-8086 mode");
		RULE(seg->limit != 0xffff, F_LIMIT(n), seg->limit, "must be ffff in virtual-8086 mode");
		RULE(seg->ar != 0xf3, F_RIGHTS(n), seg->ar, "must be f3 in virtual-8086 mode");
	}
	return 0;
}

static _Bool check_bases(struct check *c)
{
	const struct vmx_snapshot_seg *seg = c->s->seg;
	unsigned int n;

	RULE(!canonical(c, seg[CHECK_TR].base), F_BASE(CHECK_TR), seg[CHECK_TR].base, "must be canonical");
	RULE(!canonical(c, seg[CHECK_FS].base), F_BASE(CHECK_FS), seg[CHECK_FS].base, "must be canonical");
	RULE(!canonical(c, seg[CHECK_GS].base), F_BASE(CHECK_GS), seg[CHECK_GS].base, "must be canonical");
	RULE(usable(&seg[CHECK_LDTR]) && !canonical(c, seg[CHECK_LDTR].base), F_BASE(CHECK_LDTR), seg[CHECK_LDTR].base,
	     "must be canonical");
	RULE(seg[CHECK_CS].base >> 32, F_BASE(CHECK_CS), seg[CHECK_CS].base, "bits 63:32 must be zero");
	for (n = CHECK_ES; n <= CHECK_DS; n++)
		RULE(usable(&seg[n]) && (seg[n].base >> 32), F_BASE(n), seg[n].base, "bits 63:32 must be zero");
	return 0;
}

static _Bool is_system(unsigned int n)
{
	return n >= CHECK_LDTR;
}

/* What holds for each usable segment, and always for CS and TR. */
static _Bool check_rights(struct check *c, unsigned int n)
{
	const struct vmx_snapshot_seg *seg = &c->s->seg[n];

	RULE(!is_system(n) && !(seg->ar & AR_S), F_RIGHTS(n), seg->ar, "S must be set for code and data");
	RULE(is_system(n) && (seg->ar & AR_S), F_RIGHTS(n), seg->ar, "S must be clear for TR and LDTR");
	RULE(!(seg->ar & AR_P), F_RIGHTS(n), seg->ar, "P must be set");
	RULE(seg->ar & AR_RESERVED_LOW, F_RIGHTS(n), seg->ar, "bits 11:8 must be zero");
	RULE(seg->ar & AR_RESERVED_HIGH, F_RIGHTS(n), seg->ar, "bits 31:17 must be zero");
	RULE((seg->ar & AR_G) && (seg->limit & 0xfff) != 0xfff, F_RIGHTS(n), seg->ar,
	     "G must be clear unless bits 11:0 of the limit are all set");
	RULE(!(seg->ar & AR_G) && seg->limit >> 20, F_RIGHTS(n), seg->ar, "G must be set if any of bits 31:20 of the limit is");
	return 0;
}

static _Bool check_code(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_snapshot_seg *cs = &s->seg[CHECK_CS];
	unsigned int type = AR_TYPE(cs->ar), dpl = AR_DPL(cs->ar), ss_dpl = AR_DPL(s->seg[CHECK_SS].ar);

	RULE((type & 9) != 9 && !(type == 3 && is_unrestricted(s)), F_RIGHTS(CHECK_CS), cs->ar,
	     "the type must be accessed code (or 3 in an unrestricted guest)");
	RULE(type == 3 && dpl, F_RIGHTS(CHECK_CS), cs->ar, "DPL must be 0 where the type is 3");
	RULE((type == 9 || type == 11) && dpl != ss_dpl, F_RIGHTS(CHECK_CS), cs->ar, "DPL must be that of SS");
	RULE((type == 13 || type == 15) && dpl > ss_dpl, F_RIGHTS(CHECK_CS), cs->ar, "DPL of conforming code must not be above that of SS");
	RULE(is_64bit_code(s) && (cs->ar & AR_DB), F_RIGHTS(CHECK_CS), cs->ar, "L and D must not both be set in IA-32e mode");
	return check_rights(c, CHECK_CS);
}

static _Bool check_stack(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_snapshot_seg *cs = &s->seg[CHECK_CS], *ss = &s->seg[CHECK_SS];
	unsigned int type = AR_TYPE(ss->ar);

	RULE(!is_unrestricted(s) && SEL_RPL(ss->selector) != SEL_RPL(cs->selector), F_SELECTOR(CHECK_SS), ss->selector,
	     "RPL must be that of CS");
	RULE(usable(ss) && type != 3 && type != 7, F_RIGHTS(CHECK_SS), ss->ar, "the type must be accessed writable data");
	RULE(!is_unrestricted(s) && AR_DPL(ss->ar) != SEL_RPL(ss->selector), F_RIGHTS(CHECK_SS), ss->ar, "DPL must be the selector's RPL");
	RULE((AR_TYPE(cs->ar) == 3 || !(s->cr0 & CR0_PE)) && AR_DPL(ss->ar), F_RIGHTS(CHECK_SS), ss->ar,
	     "DPL must be 0 in real mode or where the type of CS is 3");
	return usable(ss) && check_rights(c, CHECK_SS);
}

static _Bool check_data(struct check *c, unsigned int n)
{
	const struct vmx_snapshot_seg *seg = &c->s->seg[n];
	unsigned int type = AR_TYPE(seg->ar);

	if (!usable(seg))
		return 0;
	RULE(!(type & 1), F_RIGHTS(n), seg->ar, "the type must be accessed");
	RULE((type & 8) && !(type & 2), F_RIGHTS(n), seg->ar, "code must be readable");
	RULE(!is_unrestricted(c->s) && type < 12 && AR_DPL(seg->ar) < SEL_RPL(seg->selector), F_RIGHTS(n), seg->ar,
	     "DPL must not be below the selector's RPL");
	return check_rights(c, n);
}

static _Bool check_system(struct check *c)
{
	const struct vmx_snapshot_seg *tr = &c->s->seg[CHECK_TR], *ldtr = &c->s->seg[CHECK_LDTR];
	unsigned int type = AR_TYPE(tr->ar);

	RULE(tr->selector & SEL_TI, F_SELECTOR(CHECK_TR), tr->selector, "TI must be zero");
	RULE(!usable(tr), F_RIGHTS(CHECK_TR), tr->ar, "must be usable");
	RULE(type != 3 && type != 11, F_RIGHTS(CHECK_TR), tr->ar, "must be a busy TSS");
	RULE(type == 3 && (c->s->entry & ENTRY_IA32E), F_RIGHTS(CHECK_TR), tr->ar, "must be a 64-bit TSS in IA-32e mode");
	if (check_rights(c, CHECK_TR))
		return 1;
	if (!usable(ldtr))
		return 0;
	RULE(ldtr->selector & SEL_TI, F_SELECTOR(CHECK_LDTR), ldtr->selector, "TI must be zero");
	RULE(AR_TYPE(ldtr->ar) != 2, F_RIGHTS(CHECK_LDTR), ldtr->ar, "must be an LDT");
	return check_rights(c, CHECK_LDTR);
}

static _Bool check_segments(struct check *c)
{
	unsigned int n;

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

static _Bool check_tables(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(!canonical(c, s->gdtr_base), "guest GDTR base", RG_DT, s->gdtr_base, "must be canonical");
	RULE(!canonical(c, s->idtr_base), "guest IDTR base", RG_DT, s->idtr_base, "must be canonical");
	RULE(s->gdtr_limit >> 16, "guest GDTR limit", RG_DT, s->gdtr_limit, "bits 31:16 must be zero");
	RULE(s->idtr_limit >> 16, "guest IDTR limit", RG_DT, s->idtr_limit, "bits 31:16 must be zero");
	return 0;
}

/* @info is VM-entry interruption information of an event of @type. */
static _Bool injects(const struct vmx_snapshot *s, unsigned int type)
{
	return (s->entry_info & INFO_VALID) && INFO_TYPE(s->entry_info) == type;
}

static _Bool check_flow(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool code64 = is_64bit_code(s), cet = s->entry & ENTRY_LOAD_CET;

	RULE(!code64 && (s->rip >> 32), F_RIP, s->rip, "bits 63:32 must be zero outside 64-bit mode");
	RULE(code64 && !within_linear(c, s->rip), F_RIP, s->rip, "bits above the linear address width must be alike");
	RULE((s->rflags & RFLAGS_ZEROS) || !(s->rflags & BITX(1)), F_RFLAGS, s->rflags,
	     "bits 63:22, 15, 5 and 3 must be zero, bit 1 must be set");
	RULE((s->rflags & RFLAGS_VM) && (s->entry & ENTRY_IA32E), F_RFLAGS, s->rflags, "VM must be clear in IA-32e mode");
	RULE((s->rflags & RFLAGS_VM) && !(s->cr0 & CR0_PE), F_RFLAGS, s->rflags, "VM must be clear in real mode");
	RULE(injects(s, TYPE_INTR) && !(s->rflags & RFLAGS_IF), "guest RFLAGS", RG_RFLAGS | RG_EVENT, s->rflags,
	     "IF must be set for an external interrupt");
	RULE(cet && (s->ssp & 3), "guest SSP", 0, s->ssp, "bits 1:0 must be zero");
	RULE(cet && !code64 && s->ssp >> 32, "guest SSP", 0, s->ssp, "bits 63:32 must be zero outside 64-bit mode");
	RULE(cet && code64 && !within_linear(c, s->ssp), "guest SSP", 0, s->ssp, "bits above the linear address width must be alike");
	return 0;
}

/* May this event go in while the CPU is in this state? */
static _Bool wakes(const struct vmx_snapshot *s)
{
	__u8 vector = s->entry_info;
	_Bool machine_check = injects(s, TYPE_HARD) && vector == VECTOR_MC;

	switch (s->activity) {
	case ACTIVE:
		return 1;
	case HALTED:
		return injects(s, TYPE_INTR) || injects(s, TYPE_NMI) || machine_check || injects(s, TYPE_OTHER) ||
		       (injects(s, TYPE_HARD) && vector == VECTOR_DB);
	case SHUT_DOWN:
		return injects(s, TYPE_NMI) || machine_check;
	default:
		return 0;
	}
}

static _Bool check_activity(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	RULE(s->activity > WAIT_FOR_SIPI, F_ACTIVITY, s->activity, "must be 0 to 3");
	RULE(s->activity && !(c->env->activities & (1u << s->activity)), F_ACTIVITY, s->activity, "must be one that IA32_VMX_MISC has");
	RULE(s->activity == HALTED && AR_DPL(s->seg[CHECK_SS].ar), F_ACTIVITY, s->activity, "HLT needs an SS.DPL of 0");
	RULE(s->activity && (s->interruptibility & (STATE_STI | STATE_MOVSS)), F_ACTIVITY, s->activity,
	     "must be active with blocking by STI or MOV SS");
	RULE((s->entry_info & INFO_VALID) && !wakes(s), F_ACTIVITY, s->activity, "the event that goes in is none for this state");
	return 0;
}

static _Bool check_interruptibility(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	__u32 state = s->interruptibility;

	RULE(state >> 5, F_BLOCKING, state, "bits 31:5 must be zero");
	RULE((state & STATE_STI) && (state & STATE_MOVSS), F_BLOCKING, state, "not both STI and MOV SS");
	RULE((state & STATE_STI) && !(s->rflags & RFLAGS_IF), F_BLOCKING, state, "blocking by STI needs RFLAGS.IF");
	RULE(injects(s, TYPE_INTR) && (state & STATE_STI), F_BLOCKING, state, "no blocking by STI with an external interrupt");
	RULE(injects(s, TYPE_INTR) && (state & STATE_MOVSS), F_BLOCKING, state, "no blocking by MOV SS with an external interrupt");
	RULE(injects(s, TYPE_NMI) && (state & STATE_MOVSS), F_BLOCKING, state, "no blocking by MOV SS with an NMI");
	RULE(state & STATE_SMI, F_BLOCKING, state, "no blocking by SMI outside SMM");
	RULE(injects(s, TYPE_NMI) && (s->pin & PIN_VNMI) && (state & STATE_NMI), F_BLOCKING, state, "no blocking by NMI with an NMI");
	RULE((state & STATE_ENCLAVE) && !c->env->sgx, F_BLOCKING, state, "no enclave interruption on a CPU without SGX");
	RULE((state & STATE_ENCLAVE) && (state & STATE_MOVSS), F_BLOCKING, state, "no blocking by MOV SS with an enclave interruption");
	return 0;
}

static _Bool check_pending(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	_Bool held = (s->interruptibility & (STATE_STI | STATE_MOVSS)) || s->activity == HALTED;
	_Bool step = (s->rflags & RFLAGS_TF) && !(s->debugctl & DEBUGCTL_BTF_BIT);
	__u64 pending = s->pending_debug;

	RULE(pending & ~PENDING_DEFINED, F_PENDING, pending, "reserved bits must be zero");
	RULE((pending & PENDING_BUS_LOCK) && !c->env->bus_lock, F_PENDING, pending, "bit 11 must be zero without bus-lock detection");
	RULE(held && step && !(pending & PENDING_BS), F_PENDING, pending,
	     "BS must be set with RFLAGS.TF, no BTF, and blocking by STI or MOV SS, or HLT");
	RULE(held && !step && (pending & PENDING_BS), F_PENDING, pending,
	     "BS must be clear without RFLAGS.TF, or with BTF, and blocking by STI or MOV SS, or HLT");
	RULE((pending & PENDING_RTM) && !c->env->rtm, F_PENDING, pending, "RTM must be clear on a CPU without transactional memory");
	RULE((pending & PENDING_RTM) && (pending & ~PENDING_RTM) != PENDING_ENABLED, F_PENDING, pending, "RTM goes with bit 12 and nothing else");
	RULE((pending & PENDING_RTM) && (s->interruptibility & STATE_MOVSS), F_PENDING, pending, "RTM must be clear with blocking by MOV SS");
	return 0;
}

static _Bool check_link(struct check *c)
{
	__u64 link = c->s->link_pointer;

	if (link == ~0ull)
		return 0;
	RULE(address_broken(c, link, PAGE), F_LINK, link, PAGE_RULE ", or all bits one");
	RULE(link == c->env->vmcs, F_LINK, link, "must not be the VMCS itself");
	return 0;
}

static _Bool check_pdptes(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	static const char * const names[] = { "guest PDPTE0", "guest PDPTE1", "guest PDPTE2", "guest PDPTE3" };
	unsigned int i;

	if (!(s->cr0 & CR0_PG) || !(s->cr4 & CR4_PAE) || (s->entry & ENTRY_IA32E) || !(secondary(s) & CPU2_EPT))
		return 0;
	for (i = 0; i < 4; i++)
		RULE((s->pdpte[i] & 1) && ((s->pdpte[i] & 0x1e6) || beyond(c, s->pdpte[i])), names[i], RG_CR3, s->pdpte[i],
		     "reserved bits of a present entry must be zero");
	return 0;
}

static _Bool check_guest(struct check *c)
{
	c->kind = VMX_BROKEN_GUEST;
	c->section = "Checks on Guest Control Registers, Debug Registers, and MSRs";
	if (check_guest_control(c) || check_guest_msrs(c))
		return 1;
	c->section = "Checks on Guest Segment Registers";
	if (check_segments(c))
		return 1;
	c->section = "Checks on Guest Descriptor-Table Registers";
	if (check_tables(c))
		return 1;
	c->section = "Checks on Guest RIP, RFLAGS, and SSP";
	if (check_flow(c))
		return 1;
	c->section = "Checks on Guest Non-Register State";
	if (check_activity(c) || check_interruptibility(c) || check_pending(c) || check_link(c))
		return 1;
	c->section = "Checks on Guest Page-Directory-Pointer-Table Entries";
	return check_pdptes(c);
}

/* ---- after the guest's registers ---- */

#define MSR_FS_BASE_NR		0xc0000100u
#define MSR_GS_BASE_NR		0xc0000101u
#define MSR_SMM_MONITOR		0x9bu
#define F_MSR			"VM-entry MSR-load area, MSR", 0

static _Bool check_msrs(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	unsigned int i;

	c->kind = VMX_BROKEN_MSR;
	c->section = "Loading MSRs";
	for (i = 0; i < s->nr_msrs && i < s->entry_load.count; i++) {
		const struct vmx_snapshot_msr *msr = &s->msrs[i];

		RULE(msr->index == MSR_FS_BASE_NR || msr->index == MSR_GS_BASE_NR, F_MSR, msr->index, "the bases of FS and GS are fields");
		RULE(msr->index >> 8 == 8, F_MSR, msr->index, "must not be one of the local x2APIC");
		RULE(msr->index == MSR_SMM_MONITOR, F_MSR, msr->index, "must be one that can be written outside SMM");
		RULE(msr->reserved, F_MSR, msr->reserved, "bits 63:32 of an entry must be zero");
	}
	return 0;
}

/* In the order in which the CPU goes on: controls and host, guest, MSRs. */
_Bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct violation *v)
{
	struct check c = { .s = s, .env = env, .v = v };

	return check_controls(&c) || check_host(&c) || check_guest(&c) || check_msrs(&c);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VM entry refuses a VMCS: the rules of the SDM's chapter "VM Entries", section by section, applied to a snapshot. Pure; needs
 * nothing of the kernel but types and names of bits, so that it also builds in user space. Rules for controls that Keel leaves off are
 * here too: the entry test turns them on.
 *
 * Left out: what only SMM, a 32-bit host or VM entry without EPT (PDPTEs in memory, which are Keel's own) can break, and the contents of the VMCS that a
 * link pointer names, since Keel never sets one.
 */
#include <linux/bits.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>
#include <keel/groups.h>
#include "check.h"

/* What <asm/vmx.h> of some supported kernel lacks: secondary and tertiary processor-based, exit and entry controls. */
#define CPU2_VE			BIT(18)
#define CPU2_PASID		BIT(21)
#define CPU2_SUB_PAGE		BIT(23)
#define CPU3_HLAT		BIT(1)
#define CPU3_PAGING_WRITE	BIT(2)
#define CPU3_VERIFICATION	BIT(3)
#define EXIT_LOAD_CET		BIT(28)
#define EXIT_LOAD_PKRS		BIT(29)
#define EXIT_SECONDARY		BIT(31)
#define ENTRY_LOAD_UINV		BIT(19)
#define ENTRY_LOAD_CET		BIT(20)
#define ENTRY_LOAD_LBR		BIT(21)
#define ENTRY_LOAD_PKRS		BIT(22)

/* Supervisor shadow stacks in IA32_VMX_EPT_VPID_CAP and in an EPT pointer. */
#define EPT_SHADOW_STACK	BIT(23)
#define EPTP_SHADOW_STACK	BIT(7)

#define EFER_DEFINED		((u64)(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX))
#define RFLAGS_ZEROS		(~(BIT(22) - 1) | BIT(15) | BIT(5) | BIT(3))
#define BNDCFGS_RESERVED	0xffcull

/* Pending debug exceptions: B0-B3, bus lock, enabled breakpoint, BS, RTM */
#define PENDING_B		0xfull
#define PENDING_BUS_LOCK	BIT(11)
#define PENDING_ENABLED		BIT(12)
#define PENDING_BS		BIT(14)
#define PENDING_RTM		BIT(16)
#define PENDING_DEFINED		(PENDING_B | PENDING_BUS_LOCK | PENDING_ENABLED | PENDING_BS | PENDING_RTM)

#define INFO_TYPE(info)		((info) & INTR_INFO_INTR_TYPE_MASK)

#define AR_TYPE(ar)		((ar) & SEG_TYPE)
#define AR_DPL(ar)		(((ar) >> SEG_DPL_SHIFT) & 3)
#define AR_RESERVED_LOW		0x00000f00u
#define AR_RESERVED_HIGH	0xfffe0000u
#define SEL_TI			4
#define SEL_RPL(s)		((s) & 3)

/* Fields by the manual's names, with the group of registers that an ioctl sets them by. */
#define FIELD(type, member, ...) FIELD_##member,
enum { VMX_FIELDS(FIELD) };
#undef FIELD
#define FIELD(type, member, number, name, groups) { name, groups },
static const struct {
	const char *name;
	u32 groups;
} fields[] = { VMX_FIELDS(FIELD) };
#undef FIELD

/* A rule on a field of @s. */
#define BROKEN(broken, member, rule) \
	RULE_TEXT(broken, #broken, fields[FIELD_##member].name, fields[FIELD_##member].groups, s->member, rule)

struct check {
	const struct vmx_snapshot *s;
	const struct vmx_check_env *env;
	struct violation *v;
	const char *section;
	enum vmx_broken kind;
};

static bool canonical(const struct check *c, u64 address)
{
	unsigned int unused = 64 - c->env->linear_bits;

	return (u64)((s64)(address << unused) >> unused) == address;
}

/* RIP and SSP: the bits that the CPU has not are alike, whatever the highest one that it has. */
static bool within_linear(const struct check *c, u64 address)
{
	u64 high = address >> c->env->linear_bits;

	return !high || high == ~0ull >> c->env->linear_bits;
}

static bool beyond(const struct check *c, u64 address)
{
	return address >> c->env->maxphyaddr;
}

/* Physical address whose bits below @align's must be zero. */
static bool address_broken(const struct check *c, u64 address, u64 align)
{
	return (address & (align - 1)) || beyond(c, address);
}

#define PAGE		0x1000ull
#define PAGE_RULE	"bits 11:0 and those above the physical address width must be zero"

static bool range_broken(struct vmx_check_range r, u32 val)
{
	return (val & r.must) != r.must || (val & ~r.may);
}

static bool fixed_broken(u64 val, u64 must, u64 may)
{
	return (val & must) != must || (val & ~may);
}

static u32 secondary(const struct vmx_snapshot *s)
{
	return s->cpu & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS ? s->cpu2 : 0;
}

static u64 tertiary(const struct vmx_snapshot *s)
{
	return s->cpu & CPU_BASED_ACTIVATE_TERTIARY_CONTROLS ? s->cpu3 : 0;
}

static bool is_unrestricted(const struct vmx_snapshot *s)
{
	return secondary(s) & SECONDARY_EXEC_UNRESTRICTED_GUEST;
}

static bool is_64bit_code(const struct vmx_snapshot *s)
{
	return (s->entry & VM_ENTRY_IA32E_MODE) && (s->seg[SEG_CS].ar & SEG_L);
}

/* A field of @s that is the address of a page, where it is in use. */
#define CHECK_PAGE(used, member)	BROKEN((used) && address_broken(c, s->member, PAGE), member, PAGE_RULE)

/* ---- controls ---- */

static bool check_reserved(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct vmx_check_env *env = c->env;

	BROKEN(range_broken(env->pin, s->pin), pin, "reserved bits must be as IA32_VMX_PINBASED_CTLS says");
	BROKEN(range_broken(env->cpu, s->cpu), cpu, "reserved bits must be as IA32_VMX_PROCBASED_CTLS says");
	BROKEN(range_broken(env->cpu2, secondary(s)), cpu2, "reserved bits must be as IA32_VMX_PROCBASED_CTLS2 says");
	BROKEN(tertiary(s) & ~env->cpu3, cpu3, "reserved bits must be as IA32_VMX_PROCBASED_CTLS3 says");
	return 0;
}

static bool check_execution(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u32 cpu2 = secondary(s);

	BROKEN(s->cr3_target_count > c->env->cr3_targets, cr3_target_count, "must not be above what IA32_VMX_MISC says");
	CHECK_PAGE(s->cpu & CPU_BASED_USE_IO_BITMAPS, io_bitmap_a);
	CHECK_PAGE(s->cpu & CPU_BASED_USE_IO_BITMAPS, io_bitmap_b);
	CHECK_PAGE(s->cpu & CPU_BASED_USE_MSR_BITMAPS, msr_bitmap);
	BROKEN(!(s->pin & PIN_BASED_NMI_EXITING) && (s->pin & PIN_BASED_VIRTUAL_NMIS), pin, "virtual NMIs need NMI exiting");
	BROKEN(!(s->pin & PIN_BASED_VIRTUAL_NMIS) && (s->cpu & CPU_BASED_NMI_WINDOW_EXITING), cpu,
	       "NMI-window exiting needs virtual NMIs");
	BROKEN((cpu2 & SECONDARY_EXEC_ENABLE_VPID) && !s->vpid, vpid, "must not be zero while VPIDs are enabled");
	CHECK_PAGE(cpu2 & SECONDARY_EXEC_SHADOW_VMCS, vmread_bitmap);
	CHECK_PAGE(cpu2 & SECONDARY_EXEC_SHADOW_VMCS, vmwrite_bitmap);
	CHECK_PAGE(cpu2 & CPU2_VE, ve_info);
	BROKEN((cpu2 & SECONDARY_EXEC_TSC_SCALING) && !s->tsc_multiplier, tsc_multiplier,
	       "must not be zero while TSC scaling is on");
	CHECK_PAGE(cpu2 & CPU2_PASID, pasid_low);
	CHECK_PAGE(cpu2 & CPU2_PASID, pasid_high);
	return 0;
}

/* The virtual local APIC. */
static bool check_apic(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	bool shadow = s->cpu & CPU_BASED_TPR_SHADOW;
	u32 cpu2 = secondary(s);

	CHECK_PAGE(shadow, virtual_apic);
	BROKEN(shadow && !(cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) && (s->tpr_threshold & ~15u), tpr_threshold,
	       "bits 31:4 must be zero without virtual-interrupt delivery");
	BROKEN(shadow && !(cpu2 & (SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)) &&
	       (s->tpr_threshold & 15) > s->vtpr >> 4,
	       tpr_threshold, "must not be above bits 7:4 of the virtual task priority");
	CHECK_PAGE(cpu2 & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES, apic_access);
	BROKEN(!shadow && (cpu2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE), cpu2, "virtualize x2APIC mode needs the TPR shadow");
	BROKEN(!shadow && (cpu2 & SECONDARY_EXEC_APIC_REGISTER_VIRT), cpu2, "APIC-register virtualization needs the TPR shadow");
	BROKEN(!shadow && (cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY), cpu2, "virtual-interrupt delivery needs the TPR shadow");
	BROKEN((cpu2 & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE) && (cpu2 & SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES), cpu2,
	       "virtualize APIC accesses must be 0 with virtualize x2APIC mode");
	BROKEN((cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY) && !(s->pin & PIN_BASED_EXT_INTR_MASK), cpu2,
	       "virtual-interrupt delivery needs external-interrupt exiting");
	BROKEN((s->pin & PIN_BASED_POSTED_INTR) && !(cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY), pin,
	       "posted interrupts need virtual-interrupt delivery");
	BROKEN((s->pin & PIN_BASED_POSTED_INTR) && !(s->exit & VM_EXIT_ACK_INTR_ON_EXIT), exit,
	       "posted interrupts need acknowledge interrupt on exit");
	BROKEN((s->pin & PIN_BASED_POSTED_INTR) && s->posted_vector >> 8, posted_vector, "bits 15:8 must be zero");
	BROKEN((s->pin & PIN_BASED_POSTED_INTR) && address_broken(c, s->posted_desc, 64), posted_desc,
	       "bits 5:0 and those above the physical address width must be zero");
	BROKEN((tertiary(s) & TERTIARY_EXEC_IPI_VIRT) && !shadow, cpu3, "IPI virtualization needs the TPR shadow");
	BROKEN((tertiary(s) & TERTIARY_EXEC_IPI_VIRT) && address_broken(c, s->pid_table, 8), pid_table,
	       "bits 2:0 and those above the physical address width must be zero");
	BROKEN((tertiary(s) & TERTIARY_EXEC_IPI_VIRT) && beyond(c, s->pid_table + s->last_pid * 8ull), last_pid,
	       "the last entry must lie below the physical address limit");
	return 0;
}

/* What needs EPT. */
static bool check_paging(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u32 cpu2 = secondary(s);
	u64 cpu3 = tertiary(s);
	bool ept = cpu2 & SECONDARY_EXEC_ENABLE_EPT;

	BROKEN((cpu2 & SECONDARY_EXEC_UNRESTRICTED_GUEST) && !ept, cpu2, "unrestricted guest needs EPT");
	BROKEN((cpu2 & SECONDARY_EXEC_MODE_BASED_EPT_EXEC) && !ept, cpu2, "mode-based execute control needs EPT");
	BROKEN((cpu2 & SECONDARY_EXEC_ENABLE_PML) && !ept, cpu2, "page-modification logging needs EPT");
	CHECK_PAGE(cpu2 & SECONDARY_EXEC_ENABLE_PML, pml);
	BROKEN((cpu2 & CPU2_SUB_PAGE) && !ept, cpu2, "sub-page write permissions need EPT");
	CHECK_PAGE(cpu2 & CPU2_SUB_PAGE, sppt);
	BROKEN((cpu2 & SECONDARY_EXEC_PT_USE_GPA) && !ept, cpu2, "processor trace in guest-physical memory needs EPT");
	BROKEN((cpu2 & SECONDARY_EXEC_PT_USE_GPA) && !(s->entry & VM_ENTRY_LOAD_IA32_RTIT_CTL), entry,
	       "processor trace in guest-physical memory needs load IA32_RTIT_CTL");
	BROKEN((cpu2 & SECONDARY_EXEC_PT_USE_GPA) && !(s->exit & VM_EXIT_CLEAR_IA32_RTIT_CTL), exit,
	       "processor trace in guest-physical memory needs clear IA32_RTIT_CTL");
	BROKEN((cpu3 & CPU3_HLAT) && !ept, cpu3, "hypervisor-managed linear-address translation needs EPT");
	BROKEN((cpu3 & CPU3_PAGING_WRITE) && !ept, cpu3, "EPT paging-write control needs EPT");
	BROKEN((cpu3 & CPU3_VERIFICATION) && !ept, cpu3, "guest-paging verification needs EPT");
	BROKEN((cpu3 & CPU3_HLAT) && ((s->hlat & 0xfe7) || beyond(c, s->hlat)), hlat,
	       "bits 2:0, 11:5 and those above the physical address width must be zero");
	BROKEN((cpu2 & SECONDARY_EXEC_ENABLE_VMFUNC) && (s->vm_functions & ~c->env->vm_functions), vm_functions,
	       "reserved bits must be as IA32_VMX_VMFUNC says");
	BROKEN((cpu2 & SECONDARY_EXEC_ENABLE_VMFUNC) && (s->vm_functions & VMX_VMFUNC_EPTP_SWITCHING) && !ept, vm_functions,
	       "EPTP switching needs EPT");
	CHECK_PAGE((cpu2 & SECONDARY_EXEC_ENABLE_VMFUNC) && (s->vm_functions & VMX_VMFUNC_EPTP_SWITCHING), eptp_list);
	return 0;
}

static bool check_eptp(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u64 eptp = c->s->eptp, cap = c->env->ept_vpid;
	unsigned int type = eptp & 7, levels = ((eptp >> 3) & 7) + 1;

	if (!(secondary(c->s) & SECONDARY_EXEC_ENABLE_EPT))
		return 0;
	BROKEN(!(type == 0 && (cap & VMX_EPTP_UC_BIT)) && !(type == 6 && (cap & VMX_EPTP_WB_BIT)), eptp,
	       "the memory type (bits 2:0) must be one that IA32_VMX_EPT_VPID_CAP has");
	BROKEN(!(levels == 4 && (cap & VMX_EPT_PAGE_WALK_4_BIT)) && !(levels == 5 && (cap & VMX_EPT_PAGE_WALK_5_BIT)), eptp,
	       "bits 5:3 must be the levels of the tables, less 1");
	BROKEN((eptp & VMX_EPTP_AD_ENABLE_BIT) && !(cap & VMX_EPT_AD_BIT), eptp,
	       "bit 6 must be zero without EPT accessed and dirty flags");
	BROKEN((eptp & EPTP_SHADOW_STACK) && !(cap & EPT_SHADOW_STACK), eptp,
	       "bit 7 must be zero without supervisor shadow stacks");
	BROKEN((eptp & 0xf00) || beyond(c, eptp), eptp, "bits 11:8 and those above the physical address width must be zero");
	return 0;
}

/* An area that ends above the physical address limit. */
static bool area_beyond(const struct check *c, u32 count, u64 address)
{
	return beyond(c, address) || beyond(c, address + count * 16ull - 1);
}

static bool check_area(struct check *c, u32 count, u64 address, unsigned int field)
{
	if (!count)
		return 0;
	RULE(address & 15, fields[field].name, 0, address, "bits 3:0 must be zero");
	RULE(area_beyond(c, count, address), fields[field].name, 0, address, "the area must lie below the physical address limit");
	return 0;
}

static bool check_exit(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(range_broken(c->env->exit, s->exit), exit, "reserved bits must be as IA32_VMX_EXIT_CTLS says");
	BROKEN((s->exit & EXIT_SECONDARY) && (s->exit2 & ~c->env->exit2), exit2,
	       "reserved bits must be as IA32_VMX_EXIT_CTLS2 says");
	BROKEN(!(s->pin & PIN_BASED_VMX_PREEMPTION_TIMER) && (s->exit & VM_EXIT_SAVE_VMX_PREEMPTION_TIMER), exit,
	       "saving the preemption timer needs the timer");
	return check_area(c, s->exit_store_count, s->exit_store_addr, FIELD_exit_store_addr) ||
	       check_area(c, s->exit_load_count, s->exit_load_addr, FIELD_exit_load_addr);
}

static bool needs_length(unsigned int type)
{
	return type == INTR_TYPE_SOFT_INTR || type == INTR_TYPE_PRIV_SW_EXCEPTION || type == INTR_TYPE_SOFT_EXCEPTION;
}

/* Exceptions that bring an error code along. */
static bool error_possible(const struct vmx_snapshot *s, unsigned int type)
{
	return type == INTR_TYPE_HARD_EXCEPTION && (!is_unrestricted(s) || (s->cr0 & X86_CR0_PE));
}

static bool error_vector(const struct check *c, u8 vector)
{
	if (vector == X86_TRAP_CP)
		return !!(c->env->cr4_may & X86_CR4_CET);
	return vector < 32 && (VMX_ERROR_CODE_VECTORS & (1u << vector));
}

static bool check_event(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u32 info = s->entry_info;
	unsigned int type = INFO_TYPE(info);
	bool error = info & INTR_INFO_DELIVER_CODE_MASK;
	u8 vector = info;

	if (!(info & INTR_INFO_VALID_MASK))
		return 0;
	BROKEN(type == INTR_TYPE_RESERVED, entry_info, "the type 1 is reserved");
	BROKEN(type == INTR_TYPE_OTHER_EVENT && !(c->env->cpu.may & CPU_BASED_MONITOR_TRAP_FLAG), entry_info,
	       "the type 7 is reserved without the monitor trap flag");
	BROKEN(type == INTR_TYPE_NMI_INTR && vector != X86_TRAP_NMI, entry_info, "the vector of an NMI is 2");
	BROKEN(type == INTR_TYPE_HARD_EXCEPTION && vector > 31, entry_info, "the vector of an exception is at most 31");
	BROKEN(type == INTR_TYPE_OTHER_EVENT && vector, entry_info, "the vector of an other event is 0");
	BROKEN(error && !error_possible(s, type), entry_info,
	       "an error code goes with a hardware exception in protected mode alone");
	BROKEN(error && !c->env->free_error_code && !error_vector(c, vector), entry_info, "this exception has no error code");
	BROKEN(!error && error_possible(s, type) && !c->env->free_error_code && error_vector(c, vector), entry_info,
	       "this exception needs an error code");
	BROKEN(info & INTR_INFO_RESVD_BITS_MASK, entry_info, "bits 30:12 must be zero");
	BROKEN(error && (s->entry_error >> 16), entry_error, "bits 31:16 must be zero");
	BROKEN(needs_length(type) && s->entry_length > 15, entry_length, "must not be above 15");
	BROKEN(needs_length(type) && !s->entry_length && !c->env->zero_length, entry_length,
	       "must not be zero unless IA32_VMX_MISC says so");
	return 0;
}

static bool check_entry(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(range_broken(c->env->entry, s->entry), entry, "reserved bits must be as IA32_VMX_ENTRY_CTLS says");
	BROKEN(s->entry & VM_ENTRY_SMM, entry, "entry to SMM must be 0 outside SMM");
	BROKEN(s->entry & VM_ENTRY_DEACT_DUAL_MONITOR, entry, "deactivate dual-monitor treatment must be 0 outside SMM");
	return check_event(c) || check_area(c, s->entry_load_count, s->entry_load_addr, FIELD_entry_load_addr);
}

static bool check_controls(struct check *c)
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

static bool cr3_broken(const struct check *c, u64 cr3)
{
	return beyond(c, cr3 & ~c->env->cr3_tags);
}

static bool check_host_registers(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	bool cet = s->exit & EXIT_LOAD_CET;

	BROKEN(fixed_broken(s->host_cr0, c->env->cr0_must, c->env->cr0_may), host_cr0, "bits fixed in VMX operation");
	BROKEN(fixed_broken(s->host_cr4, c->env->cr4_must, c->env->cr4_may), host_cr4, "bits fixed in VMX operation");
	BROKEN((s->host_cr4 & X86_CR4_CET) && !(s->host_cr0 & X86_CR0_WP), host_cr0, "WP must be set with CR4.CET");
	BROKEN(cr3_broken(c, s->host_cr3), host_cr3, "bits above the physical address width must be zero");
	BROKEN(!canonical(c, s->host_sysenter_esp), host_sysenter_esp, "must be canonical");
	BROKEN(!canonical(c, s->host_sysenter_eip), host_sysenter_eip, "must be canonical");
	BROKEN((s->exit & VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL) && (s->host_perf_global & ~c->env->perf_global), host_perf_global,
	       "reserved bits must be zero");
	BROKEN((s->exit & VM_EXIT_LOAD_IA32_PAT) && is_pat_broken(s->host_pat), host_pat, "each byte must be a memory type");
	BROKEN((s->exit & VM_EXIT_LOAD_IA32_EFER) && (s->host_efer & ~EFER_DEFINED), host_efer, "reserved bits must be zero");
	BROKEN((s->exit & VM_EXIT_LOAD_IA32_EFER) && !(s->host_efer & EFER_LMA) != !(s->exit & VM_EXIT_HOST_ADDR_SPACE_SIZE),
	       host_efer, "LMA must be as the host address-space size control");
	BROKEN((s->exit & VM_EXIT_LOAD_IA32_EFER) && !(s->host_efer & EFER_LME) != !(s->exit & VM_EXIT_HOST_ADDR_SPACE_SIZE),
	       host_efer, "LME must be as the host address-space size control");
	BROKEN(cet && (s->host_s_cet & CET_RESERVED), host_s_cet, "reserved bits must be zero");
	BROKEN(cet && (s->host_s_cet & CET_SUPPRESS) && (s->host_s_cet & CET_WAIT_ENDBR), host_s_cet,
	       "SUPPRESS and TRACKER must not both be set");
	BROKEN(cet && !canonical(c, s->host_s_cet), host_s_cet, "must be canonical");
	BROKEN(cet && !canonical(c, s->host_ssp_table), host_ssp_table, "must be canonical");
	BROKEN(cet && (s->host_ssp & 3), host_ssp, "bits 1:0 must be zero");
	BROKEN(cet && !canonical(c, s->host_ssp), host_ssp, "must be canonical");
	BROKEN((s->exit & EXIT_LOAD_PKRS) && s->host_pkrs >> 32, host_pkrs, "bits 63:32 must be zero");
	return 0;
}

#define SELECTOR_RULE	"RPL and TI must be zero"

static bool check_host_segments(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(s->host_cs & 7, host_cs, SELECTOR_RULE);
	BROKEN(s->host_ss & 7, host_ss, SELECTOR_RULE);
	BROKEN(s->host_ds & 7, host_ds, SELECTOR_RULE);
	BROKEN(s->host_es & 7, host_es, SELECTOR_RULE);
	BROKEN(s->host_fs & 7, host_fs, SELECTOR_RULE);
	BROKEN(s->host_gs & 7, host_gs, SELECTOR_RULE);
	BROKEN(s->host_tr & 7, host_tr, SELECTOR_RULE);
	BROKEN(!s->host_cs, host_cs, "must not be null");
	BROKEN(!s->host_tr, host_tr, "must not be null");
	BROKEN(!canonical(c, s->host_fs_base), host_fs_base, "must be canonical");
	BROKEN(!canonical(c, s->host_gs_base), host_gs_base, "must be canonical");
	BROKEN(!canonical(c, s->host_tr_base), host_tr_base, "must be canonical");
	BROKEN(!canonical(c, s->host_gdtr_base), host_gdtr_base, "must be canonical");
	BROKEN(!canonical(c, s->host_idtr_base), host_idtr_base, "must be canonical");
	return 0;
}

/* The host is a 64-bit kernel. */
static bool check_address_space(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(!(s->exit & VM_EXIT_HOST_ADDR_SPACE_SIZE), exit, "a 64-bit host needs the host address-space size control");
	BROKEN(!(s->host_cr4 & X86_CR4_PAE), host_cr4, "PAE must be set in a 64-bit host");
	BROKEN(!canonical(c, s->host_rip), host_rip, "must be canonical");
	return 0;
}

static bool check_host(struct check *c)
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

static bool check_guest_control(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u64 cr0_must = c->env->cr0_must;
	bool ia32e = s->entry & VM_ENTRY_IA32E_MODE, debug = s->entry & VM_ENTRY_LOAD_DEBUG_CONTROLS;

	if (is_unrestricted(s))
		cr0_must &= ~(X86_CR0_PE | X86_CR0_PG);
	BROKEN(fixed_broken(s->cr0, cr0_must, c->env->cr0_may), cr0, "bits fixed in VMX operation");
	BROKEN((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE), cr0, "PG needs PE");
	BROKEN(fixed_broken(s->cr4, c->env->cr4_must, c->env->cr4_may), cr4, "bits fixed in VMX operation");
	BROKEN((s->cr4 & X86_CR4_CET) && !(s->cr0 & X86_CR0_WP), cr0, "WP must be set with CR4.CET");
	BROKEN(ia32e && !(s->cr0 & X86_CR0_PG), cr0, "PG must be set in an IA-32e mode guest");
	BROKEN(ia32e && !(s->cr4 & X86_CR4_PAE), cr4, "PAE must be set in an IA-32e mode guest");
	BROKEN(!ia32e && (s->cr4 & X86_CR4_PCIDE), cr4, "PCIDE must be clear outside IA-32e mode");
	BROKEN(cr3_broken(c, s->cr3), cr3, "bits above the physical address width must be zero");
	BROKEN(debug && (s->debugctl & ~c->env->debugctl), debugctl, "reserved bits must be zero");
	BROKEN(debug && (s->dr7 >> 32), dr7, "bits 63:32 must be zero");
	return 0;
}

static bool check_guest_efer(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	if (!(s->entry & VM_ENTRY_LOAD_IA32_EFER))
		return 0;
	BROKEN(s->efer & ~EFER_DEFINED, efer, "reserved bits must be zero");
	BROKEN(!(s->efer & EFER_LMA) != !(s->entry & VM_ENTRY_IA32E_MODE), efer, "LMA must be as the IA-32e mode guest control");
	BROKEN((s->cr0 & X86_CR0_PG) && !(s->efer & EFER_LMA) != !(s->efer & EFER_LME), efer,
	       "LMA and LME must be alike while CR0.PG is set");
	return 0;
}

static bool check_guest_msrs(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u32 entry = s->entry;

	BROKEN(!canonical(c, s->sysenter_esp), sysenter_esp, "must be canonical");
	BROKEN(!canonical(c, s->sysenter_eip), sysenter_eip, "must be canonical");
	BROKEN((entry & VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL) && (s->perf_global & ~c->env->perf_global), perf_global,
	       "reserved bits must be zero");
	BROKEN((entry & VM_ENTRY_LOAD_IA32_PAT) && is_pat_broken(s->pat), pat, "each byte must be a memory type");
	if (check_guest_efer(c))
		return 1;
	BROKEN((entry & VM_ENTRY_LOAD_BNDCFGS) && (s->bndcfgs & BNDCFGS_RESERVED), bndcfgs, "bits 11:2 must be zero");
	BROKEN((entry & VM_ENTRY_LOAD_BNDCFGS) && !canonical(c, s->bndcfgs), bndcfgs, "the linear address must be canonical");
	BROKEN((entry & VM_ENTRY_LOAD_IA32_RTIT_CTL) && (s->rtit_ctl & ~c->env->rtit_ctl), rtit_ctl,
	       "reserved bits must be zero");
	BROKEN((entry & ENTRY_LOAD_LBR) && (s->lbr_ctl & ~c->env->lbr_ctl), lbr_ctl, "reserved bits must be zero");
	BROKEN((entry & ENTRY_LOAD_PKRS) && s->pkrs >> 32, pkrs, "bits 63:32 must be zero");
	BROKEN((entry & ENTRY_LOAD_UINV) && s->uinv >> 8, uinv, "bits 15:8 must be zero");
	if (!(entry & ENTRY_LOAD_CET))
		return 0;
	BROKEN(s->s_cet & CET_RESERVED, s_cet, "reserved bits must be zero");
	BROKEN((s->s_cet & CET_SUPPRESS) && (s->s_cet & CET_WAIT_ENDBR), s_cet, "SUPPRESS and TRACKER must not both be set");
	BROKEN(!canonical(c, s->s_cet), s_cet, "must be canonical");
	BROKEN(!canonical(c, s->ssp_table), ssp_table, "must be canonical");
	return 0;
}

/* Names of a segment's fields. */
struct seg_names {
	const char *selector, *base, *limit, *ar;
};

#define NAMES(n)	{ "guest " n " selector", "guest " n " base", "guest " n " limit", "guest " n " access rights" }
static const struct seg_names seg_names[NR_SEGS] = {
	NAMES("ES"), NAMES("CS"), NAMES("SS"), NAMES("DS"), NAMES("FS"), NAMES("GS"), NAMES("LDTR"), NAMES("TR"),
};

#define F_SELECTOR(n)	seg_names[n].selector, RG_SEG
#define F_BASE(n)	seg_names[n].base, RG_SEG
#define F_LIMIT(n)	seg_names[n].limit, RG_SEG
#define F_RIGHTS(n)	seg_names[n].ar, RG_SEG

static bool usable(const struct segment *seg)
{
	return !(seg->ar & SEG_UNUSABLE);
}

static bool check_vm86(struct check *c)
{
	unsigned int n;

	for (n = SEG_ES; n <= SEG_GS; n++) {
		const struct segment *seg = &c->s->seg[n];

		RULE(seg->base != (u64)seg->selector << 4, F_BASE(n), seg->base, "must be the selector times 16 in virtual-8086 mode");
		RULE(seg->limit != 0xffff, F_LIMIT(n), seg->limit, "must be ffff in virtual-8086 mode");
		RULE(seg->ar != 0xf3, F_RIGHTS(n), seg->ar, "must be f3 in virtual-8086 mode");
	}
	return 0;
}

static bool check_bases(struct check *c)
{
	const struct segment *seg = c->s->seg;
	unsigned int n;

	RULE(!canonical(c, seg[SEG_TR].base), F_BASE(SEG_TR), seg[SEG_TR].base, "must be canonical");
	RULE(!canonical(c, seg[SEG_FS].base), F_BASE(SEG_FS), seg[SEG_FS].base, "must be canonical");
	RULE(!canonical(c, seg[SEG_GS].base), F_BASE(SEG_GS), seg[SEG_GS].base, "must be canonical");
	RULE(usable(&seg[SEG_LDTR]) && !canonical(c, seg[SEG_LDTR].base), F_BASE(SEG_LDTR), seg[SEG_LDTR].base,
	     "must be canonical");
	RULE(seg[SEG_CS].base >> 32, F_BASE(SEG_CS), seg[SEG_CS].base, "bits 63:32 must be zero");
	for (n = SEG_ES; n <= SEG_DS; n++)
		RULE(usable(&seg[n]) && (seg[n].base >> 32), F_BASE(n), seg[n].base, "bits 63:32 must be zero");
	return 0;
}

static bool is_system(unsigned int n)
{
	return n >= SEG_LDTR;
}

/* What holds for each usable segment, and always for CS and TR. */
static bool check_rights(struct check *c, unsigned int n)
{
	const struct segment *seg = &c->s->seg[n];

	RULE(!is_system(n) && !(seg->ar & SEG_S), F_RIGHTS(n), seg->ar, "S must be set for code and data");
	RULE(is_system(n) && (seg->ar & SEG_S), F_RIGHTS(n), seg->ar, "S must be clear for TR and LDTR");
	RULE(!(seg->ar & SEG_P), F_RIGHTS(n), seg->ar, "P must be set");
	RULE(seg->ar & AR_RESERVED_LOW, F_RIGHTS(n), seg->ar, "bits 11:8 must be zero");
	RULE(seg->ar & AR_RESERVED_HIGH, F_RIGHTS(n), seg->ar, "bits 31:17 must be zero");
	RULE((seg->ar & SEG_G) && (seg->limit & 0xfff) != 0xfff, F_RIGHTS(n), seg->ar,
	     "G must be clear unless bits 11:0 of the limit are all set");
	RULE(!(seg->ar & SEG_G) && seg->limit >> 20, F_RIGHTS(n), seg->ar, "G must be set if any of bits 31:20 of the limit is");
	return 0;
}

static bool check_code(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct segment *cs = &s->seg[SEG_CS];
	unsigned int type = AR_TYPE(cs->ar), dpl = AR_DPL(cs->ar), ss_dpl = AR_DPL(s->seg[SEG_SS].ar);

	RULE((type & 9) != 9 && !(type == 3 && is_unrestricted(s)), F_RIGHTS(SEG_CS), cs->ar,
	     "the type must be accessed code (or 3 in an unrestricted guest)");
	RULE(type == 3 && dpl, F_RIGHTS(SEG_CS), cs->ar, "DPL must be 0 where the type is 3");
	RULE((type == 9 || type == 11) && dpl != ss_dpl, F_RIGHTS(SEG_CS), cs->ar, "DPL must be that of SS");
	RULE((type == 13 || type == 15) && dpl > ss_dpl, F_RIGHTS(SEG_CS), cs->ar, "DPL of conforming code must not be above that of SS");
	RULE(is_64bit_code(s) && (cs->ar & SEG_DB), F_RIGHTS(SEG_CS), cs->ar, "L and D must not both be set in IA-32e mode");
	return check_rights(c, SEG_CS);
}

static bool check_stack(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	const struct segment *cs = &s->seg[SEG_CS], *ss = &s->seg[SEG_SS];
	unsigned int type = AR_TYPE(ss->ar);

	RULE(!is_unrestricted(s) && SEL_RPL(ss->selector) != SEL_RPL(cs->selector), F_SELECTOR(SEG_SS), ss->selector,
	     "RPL must be that of CS");
	RULE(usable(ss) && type != 3 && type != 7, F_RIGHTS(SEG_SS), ss->ar, "the type must be accessed writable data");
	RULE(!is_unrestricted(s) && AR_DPL(ss->ar) != SEL_RPL(ss->selector), F_RIGHTS(SEG_SS), ss->ar, "DPL must be the selector's RPL");
	RULE((AR_TYPE(cs->ar) == 3 || !(s->cr0 & X86_CR0_PE)) && AR_DPL(ss->ar), F_RIGHTS(SEG_SS), ss->ar,
	     "DPL must be 0 in real mode or where the type of CS is 3");
	return usable(ss) && check_rights(c, SEG_SS);
}

static bool check_data(struct check *c, unsigned int n)
{
	const struct segment *seg = &c->s->seg[n];
	unsigned int type = AR_TYPE(seg->ar);

	if (!usable(seg))
		return 0;
	RULE(!(type & 1), F_RIGHTS(n), seg->ar, "the type must be accessed");
	RULE((type & 8) && !(type & 2), F_RIGHTS(n), seg->ar, "code must be readable");
	RULE(!is_unrestricted(c->s) && type < 12 && AR_DPL(seg->ar) < SEL_RPL(seg->selector), F_RIGHTS(n), seg->ar,
	     "DPL must not be below the selector's RPL");
	return check_rights(c, n);
}

static bool check_system(struct check *c)
{
	const struct segment *tr = &c->s->seg[SEG_TR], *ldtr = &c->s->seg[SEG_LDTR];
	unsigned int type = AR_TYPE(tr->ar);

	RULE(tr->selector & SEL_TI, F_SELECTOR(SEG_TR), tr->selector, "TI must be zero");
	RULE(!usable(tr), F_RIGHTS(SEG_TR), tr->ar, "must be usable");
	RULE(type != 3 && type != 11, F_RIGHTS(SEG_TR), tr->ar, "must be a busy TSS");
	RULE(type == 3 && (c->s->entry & VM_ENTRY_IA32E_MODE), F_RIGHTS(SEG_TR), tr->ar, "must be a 64-bit TSS in IA-32e mode");
	if (check_rights(c, SEG_TR))
		return 1;
	if (!usable(ldtr))
		return 0;
	RULE(ldtr->selector & SEL_TI, F_SELECTOR(SEG_LDTR), ldtr->selector, "TI must be zero");
	RULE(AR_TYPE(ldtr->ar) != 2, F_RIGHTS(SEG_LDTR), ldtr->ar, "must be an LDT");
	return check_rights(c, SEG_LDTR);
}

static bool check_segments(struct check *c)
{
	unsigned int n;

	if (check_system(c) || check_bases(c))
		return 1;
	if (c->s->rflags & X86_EFLAGS_VM)
		return check_vm86(c);
	if (check_code(c) || check_stack(c) || check_data(c, SEG_ES))
		return 1;
	for (n = SEG_DS; n <= SEG_GS; n++)
		if (check_data(c, n))
			return 1;
	return 0;
}

static bool check_tables(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(!canonical(c, s->gdtr_base), gdtr_base, "must be canonical");
	BROKEN(!canonical(c, s->idtr_base), idtr_base, "must be canonical");
	BROKEN(s->gdtr_limit >> 16, gdtr_limit, "bits 31:16 must be zero");
	BROKEN(s->idtr_limit >> 16, idtr_limit, "bits 31:16 must be zero");
	return 0;
}

/* @info is VM-entry interruption information of an event of @type. */
static bool injects(const struct vmx_snapshot *s, unsigned int type)
{
	return (s->entry_info & INTR_INFO_VALID_MASK) && INFO_TYPE(s->entry_info) == type;
}

static bool check_flow(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	bool code64 = is_64bit_code(s), cet = s->entry & ENTRY_LOAD_CET;

	BROKEN(!code64 && (s->rip >> 32), rip, "bits 63:32 must be zero outside 64-bit mode");
	BROKEN(code64 && !within_linear(c, s->rip), rip, "bits above the linear address width must be alike");
	BROKEN((s->rflags & RFLAGS_ZEROS) || !(s->rflags & BIT(1)), rflags,
	       "bits 63:22, 15, 5 and 3 must be zero, bit 1 must be set");
	BROKEN((s->rflags & X86_EFLAGS_VM) && (s->entry & VM_ENTRY_IA32E_MODE), rflags, "VM must be clear in IA-32e mode");
	BROKEN((s->rflags & X86_EFLAGS_VM) && !(s->cr0 & X86_CR0_PE), rflags, "VM must be clear in real mode");
	RULE(injects(s, INTR_TYPE_EXT_INTR) && !(s->rflags & X86_EFLAGS_IF), "guest RFLAGS", RG_RFLAGS | RG_EVENT, s->rflags,
	     "IF must be set for an external interrupt");
	BROKEN(cet && (s->ssp & 3), ssp, "bits 1:0 must be zero");
	BROKEN(cet && !code64 && s->ssp >> 32, ssp, "bits 63:32 must be zero outside 64-bit mode");
	BROKEN(cet && code64 && !within_linear(c, s->ssp), ssp, "bits above the linear address width must be alike");
	return 0;
}

/* May this event go in while the CPU is in this state? */
static bool wakes(const struct vmx_snapshot *s)
{
	u8 vector = s->entry_info;
	bool machine_check = injects(s, INTR_TYPE_HARD_EXCEPTION) && vector == X86_TRAP_MC;

	switch (s->activity) {
	case GUEST_ACTIVITY_ACTIVE:
		return 1;
	case GUEST_ACTIVITY_HLT:
		return injects(s, INTR_TYPE_EXT_INTR) || injects(s, INTR_TYPE_NMI_INTR) || machine_check || injects(s, INTR_TYPE_OTHER_EVENT) ||
		       (injects(s, INTR_TYPE_HARD_EXCEPTION) && vector == X86_TRAP_DB);
	case GUEST_ACTIVITY_SHUTDOWN:
		return injects(s, INTR_TYPE_NMI_INTR) || machine_check;
	default:
		return 0;
	}
}

static bool check_activity(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	BROKEN(s->activity > GUEST_ACTIVITY_WAIT_SIPI, activity, "must be 0 to 3");
	BROKEN(s->activity && !(c->env->activities & (1u << s->activity)), activity, "must be one that IA32_VMX_MISC has");
	BROKEN(s->activity == GUEST_ACTIVITY_HLT && AR_DPL(s->seg[SEG_SS].ar), activity, "HLT needs an SS.DPL of 0");
	BROKEN(s->activity && (s->interruptibility & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)), activity,
	       "must be active with blocking by STI or MOV SS");
	BROKEN((s->entry_info & INTR_INFO_VALID_MASK) && !wakes(s), activity, "the event that goes in is none for this state");
	return 0;
}

static bool check_interruptibility(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u32 state = s->interruptibility;

	BROKEN(state >> 5, interruptibility, "bits 31:5 must be zero");
	BROKEN((state & GUEST_INTR_STATE_STI) && (state & GUEST_INTR_STATE_MOV_SS), interruptibility, "not both STI and MOV SS");
	BROKEN((state & GUEST_INTR_STATE_STI) && !(s->rflags & X86_EFLAGS_IF), interruptibility,
	       "blocking by STI needs RFLAGS.IF");
	BROKEN(injects(s, INTR_TYPE_EXT_INTR) && (state & GUEST_INTR_STATE_STI), interruptibility,
	       "no blocking by STI with an external interrupt");
	BROKEN(injects(s, INTR_TYPE_EXT_INTR) && (state & GUEST_INTR_STATE_MOV_SS), interruptibility,
	       "no blocking by MOV SS with an external interrupt");
	BROKEN(injects(s, INTR_TYPE_NMI_INTR) && (state & GUEST_INTR_STATE_MOV_SS), interruptibility,
	       "no blocking by MOV SS with an NMI");
	BROKEN(state & GUEST_INTR_STATE_SMI, interruptibility, "no blocking by SMI outside SMM");
	BROKEN(injects(s, INTR_TYPE_NMI_INTR) && (s->pin & PIN_BASED_VIRTUAL_NMIS) && (state & GUEST_INTR_STATE_NMI),
	       interruptibility, "no blocking by NMI with an NMI");
	BROKEN((state & GUEST_INTR_STATE_ENCLAVE_INTR) && !c->env->sgx, interruptibility,
	       "no enclave interruption on a CPU without SGX");
	BROKEN((state & GUEST_INTR_STATE_ENCLAVE_INTR) && (state & GUEST_INTR_STATE_MOV_SS), interruptibility,
	       "no blocking by MOV SS with an enclave interruption");
	return 0;
}

static bool check_pending(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	bool held = (s->interruptibility & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)) || s->activity == GUEST_ACTIVITY_HLT;
	bool step = (s->rflags & X86_EFLAGS_TF) && !(s->debugctl & DEBUGCTLMSR_BTF);
	u64 pending = s->pending_debug;

	BROKEN(pending & ~PENDING_DEFINED, pending_debug, "reserved bits must be zero");
	BROKEN((pending & PENDING_BUS_LOCK) && !c->env->bus_lock, pending_debug,
	       "bit 11 must be zero without bus-lock detection");
	BROKEN(held && step && !(pending & PENDING_BS), pending_debug,
	       "BS must be set with RFLAGS.TF, no BTF, and blocking by STI or MOV SS, or HLT");
	BROKEN(held && !step && (pending & PENDING_BS), pending_debug,
	       "BS must be clear without RFLAGS.TF, or with BTF, and blocking by STI or MOV SS, or HLT");
	BROKEN((pending & PENDING_RTM) && !c->env->rtm, pending_debug, "RTM must be clear on a CPU without transactional memory");
	BROKEN((pending & PENDING_RTM) && (pending & ~PENDING_RTM) != PENDING_ENABLED, pending_debug,
	       "RTM goes with bit 12 and nothing else");
	BROKEN((pending & PENDING_RTM) && (s->interruptibility & GUEST_INTR_STATE_MOV_SS), pending_debug,
	       "RTM must be clear with blocking by MOV SS");
	return 0;
}

static bool check_link(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	u64 link = c->s->link_pointer;

	if (link == ~0ull)
		return 0;
	BROKEN(address_broken(c, link, PAGE), link_pointer, PAGE_RULE ", or all bits one");
	BROKEN(link == c->env->vmcs, link_pointer, "must not be the VMCS itself");
	return 0;
}

static bool pdpte_broken(const struct check *c, u64 pdpte)
{
	return (pdpte & 1) && ((pdpte & 0x1e6) || beyond(c, pdpte));
}

#define PDPTE_RULE	"reserved bits of a present entry must be zero"

static bool check_pdptes(struct check *c)
{
	const struct vmx_snapshot *s = c->s;

	if (!(s->cr0 & X86_CR0_PG) || !(s->cr4 & X86_CR4_PAE) || (s->entry & VM_ENTRY_IA32E_MODE) ||
	    !(secondary(s) & SECONDARY_EXEC_ENABLE_EPT))
		return 0;
	BROKEN(pdpte_broken(c, s->pdpte0), pdpte0, PDPTE_RULE);
	BROKEN(pdpte_broken(c, s->pdpte1), pdpte1, PDPTE_RULE);
	BROKEN(pdpte_broken(c, s->pdpte2), pdpte2, PDPTE_RULE);
	BROKEN(pdpte_broken(c, s->pdpte3), pdpte3, PDPTE_RULE);
	return 0;
}

static bool check_guest(struct check *c)
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

#define F_MSR			"VM-entry MSR-load area, MSR", 0

static bool check_msrs(struct check *c)
{
	const struct vmx_snapshot *s = c->s;
	unsigned int i;

	c->kind = VMX_BROKEN_MSR;
	c->section = "Loading MSRs";
	for (i = 0; i < s->nr_msrs && i < s->entry_load_count; i++) {
		const struct vmx_snapshot_msr *msr = &s->msrs[i];

		RULE(msr->index == MSR_FS_BASE || msr->index == MSR_GS_BASE, F_MSR, msr->index, "the bases of FS and GS are fields");
		RULE(msr->index >> 8 == 8, F_MSR, msr->index, "must not be one of the local x2APIC");
		RULE(msr->index == MSR_IA32_SMM_MONITOR_CTL, F_MSR, msr->index, "must be one that can be written outside SMM");
		RULE(msr->reserved, F_MSR, msr->reserved, "bits 63:32 of an entry must be zero");
	}
	return 0;
}

bool vmx_check_segments(const struct vmx_snapshot *s, u8 linear_bits)
{
	struct vmx_check_env env = { .linear_bits = linear_bits };
	struct violation unused;
	struct check c = { .s = s, .env = &env, .v = &unused };

	return check_segments(&c);
}

/* In the order in which the CPU goes on: controls and host, guest, MSRs. */
bool vmx_check(const struct vmx_snapshot *s, const struct vmx_check_env *env, struct violation *v)
{
	struct check c = { .s = s, .env = env, .v = v };

	return check_controls(&c) || check_host(&c) || check_guest(&c) || check_msrs(&c);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU and its firmware offer of VMX. The capability MSRs are read once at load; const afterwards.
 *
 * Per group of controls there is a mask of what Keel cannot do without and one of what it uses where it is there. A refusal is
 * one line that says what is missing and what to do about it.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include <uapi/linux/kvm.h>
#include <keel/host.h>
#include <keel/host_mode.h>
#include <keel/pgtable.h>
#include <keel/shadow.h>
#include <keel/vendor.h>
#include "caps.h"
#include "check.h"

/*
 * What must be there. With EPT, INVLPG and CR3 exits must be avoidable, which all CPUs that have it grant; the others here came with VMX or,
 * at the latest, with unrestricted guests.
 */
#define PIN_REQUIRED	(PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS)
#define CPU_REQUIRED	(CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING | \
			 CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING | CPU_BASED_CR8_LOAD_EXITING | \
			 CPU_BASED_CR8_STORE_EXITING | CPU_BASED_MOV_DR_EXITING | CPU_BASED_UNCOND_IO_EXITING | \
			 CPU_BASED_USE_MSR_BITMAPS | CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
/* Switched on and off while a guest runs. */
#define CPU_SWITCHED	(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING)
#define CPU_OPTIONAL	(CPU_BASED_PAUSE_EXITING | CPU_BASED_MONITOR_TRAP_FLAG | CPU_BASED_TPR_SHADOW)
/* On shadow tables these are required, else unwanted. */
#define CPU_PAGING	(CPU_BASED_INVLPG_EXITING | CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING)
#define CPU2_REQUIRED	(SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST)
#define CPU2_OPTIONAL	(SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_WBINVD_EXITING | \
			 SECONDARY_EXEC_PAUSE_LOOP_EXITING | SECONDARY_EXEC_ENABLE_INVPCID | VMX_CPU2_XSAVES | \
			 SECONDARY_EXEC_TSC_SCALING | SECONDARY_EXEC_ENCLS_EXITING)
#define PIN_OPTIONAL	PIN_BASED_VMX_PREEMPTION_TIMER
/* Of use with second-level tables alone. */
#define CPU2_NESTED	(SECONDARY_EXEC_ENABLE_INVPCID | CPU2_REQUIRED)
/* Of use together only, and with the TPR shadow. Virtualized x2APIC MSRs may lack. */
#define CPU2_APIC	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES | SECONDARY_EXEC_APIC_REGISTER_VIRT | \
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define EXIT_REQUIRED	(VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_HOST_ADDR_SPACE_SIZE)
#define EXIT_OPTIONAL	VM_EXIT_LOAD_IA32_PAT
#define ENTRY_REQUIRED	VM_ENTRY_LOAD_DEBUG_CONTROLS
#define ENTRY_OPTIONAL	VM_ENTRY_LOAD_IA32_PAT

struct vmx_caps vmx_caps __ro_after_init;

static int apicv = -1;
module_param(apicv, int, 0444);
MODULE_PARM_DESC(apicv, "Intel CPUs that can serve the local APIC by themselves: 1 let them, 0 do not, -1 unless it is an emulated one known to fail (default)");

static bool pml = true;
module_param(pml, bool, 0444);
MODULE_PARM_DESC(pml, "log the pages that guests write by the CPU's page-modification log where it has one (default y)");

static bool preemption_timer = true;
module_param(preemption_timer, bool, 0444);
MODULE_PARM_DESC(preemption_timer, "watch the guest's TSC deadline with the VMX-preemption timer (default y)");

/*
 * Bochs: when the delivery of a virtual interrupt ends in an exit, the IDT-vectoring information is that of an earlier event. No
 * silicon has its revision together with a VMCS of a whole page.
 */
static bool emulated_by_bochs(u64 basic)
{
	return vmx_basic_vmcs_revision_id(basic) == 0x2b && vmx_basic_vmcs_size(basic) == PAGE_SIZE;
}

static int firmware_refusal(void)
{
	u64 ctl;

	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &ctl))
		return 0;
	if ((ctl & FEAT_CTL_LOCKED) && !(ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)) {
		pr_err("VMX is disabled and locked by the firmware: enable it in the firmware set-up (Intel VT-x, Virtualization)\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* What this CPU lacks for guests on second-level tables; NULL: nothing. */
static const char *nested_lacks(const struct vmx_check_env *env)
{
	if (!(env->cpu2.may & SECONDARY_EXEC_ENABLE_EPT))
		return "EPT";
	if (!(env->cpu2.may & SECONDARY_EXEC_UNRESTRICTED_GUEST))
		return "unrestricted guests, and EPT needs them for real mode";
	if (!(env->ept_vpid & VMX_EPT_PAGE_WALK_4_BIT) || !(env->ept_vpid & VMX_EPTP_WB_BIT) || !(env->ept_vpid & VMX_EPT_INVEPT_BIT))
		return "EPT with four levels, write-back tables and INVEPT";
	return NULL;
}

/* Nested or shadow. Shadow tables have no-execute bits. */
static int choose_paging(const struct vmx_check_env *env)
{
	const char *lacks = nested_lacks(env);
	int ret = keel_paging_init(!lacks, boot_cpu_has(X86_FEATURE_NX));

	if (!ret && lacks)
		pr_info("this CPU has no %s: guests are run on shadow tables\n", lacks);
	return ret;
}

/*
 * vmx_supported() - can this machine run VMX guests?
 *
 * Return: 0, or -ENODEV or -EOPNOTSUPP after one line in the log.
 */
int vmx_supported(void)
{
	int ret;

	if (!(cpuid_ecx(1) & BIT(5))) {
		pr_err("this CPU has no VMX: an Intel CPU with VT-x, or nested virtualization in the hypervisor below, is needed\n");
		return -ENODEV;
	}
	ret = firmware_refusal();
	if (ret)
		return ret;
	if (!boot_cpu_has(X86_FEATURE_VMX)) {
		pr_err("the kernel has turned VMX off: boot without nosmx, novmx or clearcpuid=vmx, on a kernel with KVM support\n");
		return -EOPNOTSUPP;
	}
	return keel_host_mode_init(HOST_VMX);
}

/* Choose @required | what is there of @optional. -EIO if something required is missing or something unwanted is forced. */
static int choose(const char *name, struct vmx_check_range range, u32 required, u32 unwanted, u32 *base)
{
	u32 missing = required & ~range.may;

	if (missing || (unwanted & range.must)) {
		pr_err("VMX %s controls %#x are missing or %#x cannot be turned off: use another machine\n", name, missing,
		       unwanted & range.must);
		return -EOPNOTSUPP;
	}
	*base = required | range.must;
	return 0;
}

/* The oldest CPUs, which have no EPT, do not switch EFER both ways by themselves. */
static bool needs_efer_controls(const struct vmx_check_env *env, bool shadow)
{
	return !shadow || (env->exit.may & VM_EXIT_LOAD_IA32_EFER && env->entry.may & VM_ENTRY_LOAD_IA32_EFER);
}

static int choose_required(const struct vmx_check_env *env, bool shadow)
{
	struct vmx_controls *base = &vmx_caps.base;
	bool efer = needs_efer_controls(env, shadow);
	u32 exit = EXIT_REQUIRED | (efer ? VM_EXIT_LOAD_IA32_EFER : 0);
	u32 entry = ENTRY_REQUIRED | (efer ? VM_ENTRY_LOAD_IA32_EFER : 0);
	u32 paging = shadow ? CPU_PAGING : 0;

	if (choose("pin-based", env->pin, PIN_REQUIRED, 0, &base->pin) ||
	    choose("processor-based", env->cpu, CPU_REQUIRED | paging, (CPU_PAGING ^ paging) | CPU_SWITCHED, &base->cpu) ||
	    choose("processor-based", env->cpu, CPU_REQUIRED | CPU_SWITCHED, 0, &(u32){ 0 }) ||
	    choose("secondary", env->cpu2, shadow ? 0 : CPU2_REQUIRED, 0, &base->cpu2) ||
	    choose("exit", env->exit, exit, VM_EXIT_ACK_INTR_ON_EXIT, &base->exit) ||
	    choose("entry", env->entry, entry, VM_ENTRY_IA32E_MODE, &base->entry))
		return -EOPNOTSUPP;
	vmx_caps.load_efer = efer;
	return 0;
}

/* What only makes sense with second-level tables. */
static void choose_nested(const struct vmx_check_env *env, u64 basic)
{
	struct vmx_controls *base = &vmx_caps.base;

	if (pml)
		vmx_caps.cpu2 |= SECONDARY_EXEC_ENABLE_PML & env->cpu2.may;
	if ((apicv > 0 || (apicv < 0 && !emulated_by_bochs(basic))) && (vmx_caps.cpu & CPU_BASED_TPR_SHADOW) &&
	    !(CPU2_APIC & ~env->cpu2.may))
		vmx_caps.cpu2 |= CPU2_APIC | (SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE & env->cpu2.may);
	/* PAT is switched both ways or not at all; shadow tables go by the host's */
	if ((env->exit.may & EXIT_OPTIONAL) && (env->entry.may & ENTRY_OPTIONAL)) {
		base->exit |= EXIT_OPTIONAL;
		base->entry |= ENTRY_OPTIONAL;
		vmx_caps.entry = ENTRY_OPTIONAL;
	}
}

static int choose_controls(const struct vmx_check_env *env, u64 basic)
{
	bool shadow = keel_paging_is_shadow();
	int ret = choose_required(env, shadow);

	if (ret)
		return ret;
	vmx_caps.cpu = CPU_OPTIONAL & env->cpu.may;
	if (preemption_timer && !keel_plan.preemption_timer_errs)
		vmx_caps.pin = PIN_OPTIONAL & env->pin.may;
	vmx_caps.cpu2 = CPU2_OPTIONAL & env->cpu2.may;
	if (shadow)
		vmx_caps.cpu2 &= ~CPU2_NESTED;
	else
		choose_nested(env, basic);
	return 0;
}

static void setup_vpid(u64 cap)
{
	vmx_caps.invvpid_single = (cap >> 32) & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT;
	if (!((cap >> 32) & VMX_VPID_INVVPID_BIT) ||
	    (!vmx_caps.invvpid_single && !((cap >> 32) & VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)))
		vmx_caps.cpu2 &= ~SECONDARY_EXEC_ENABLE_VPID;
}

static void setup_ept(u64 cap)
{
	keel_pte_ept.dirty = 0;
	vmx_caps.ept_ad = cap & VMX_EPT_AD_BIT;
	vmx_caps.invept_single = cap & VMX_EPT_EXTENT_CONTEXT_BIT;
	if (!vmx_caps.ept_ad)
		keel_pte_ept.accessed = 0;
	else if (vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_PML)
		keel_pte_ept.dirty = VMX_EPT_DIRTY_BIT;
	keel_caps.dirty_log = keel_pte_ept.dirty;
	keel_pte_ept.split_exec = keel_plan.nx_huge_pages ? VMX_EPT_EXECUTABLE_MASK : 0;
	if (!(cap & VMX_EPT_2MB_PAGE_BIT))
		keel_pte_ept.max_leaf_level = 1;
	else if (!(cap & VMX_EPT_1GB_PAGE_BIT))
		keel_pte_ept.max_leaf_level = 2;
}

/*
 * vmx_caps_setup() - fill vmx_caps and keel_caps
 */
int vmx_caps_setup(void)
{
	struct vmx_check_env env;
	u64 basic, misc;
	int ret;

	vmx_check_this_cpu(&env);
	ret = choose_paging(&env);
	if (ret)
		return ret;
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	rdmsrl(MSR_IA32_VMX_MISC, misc);
	vmx_caps.cr0_fixed = env.cr0_must & ~(u64)(X86_CR0_PE | X86_CR0_PG);
	vmx_caps.cr4_fixed = env.cr4_must;
	vmx_caps.revision = vmx_basic_vmcs_revision_id(basic);
	vmx_caps.zero_length = env.zero_length;
	vmx_caps.linear_bits = env.linear_bits;
	vmx_caps.timer_shift = vmx_misc_preemption_timer_rate(misc);
	if (vmx_basic_vmcs_size(basic) > PAGE_SIZE) {
		pr_err("this CPU's VMCS needs %u bytes, more than a page: use another machine\n", vmx_basic_vmcs_size(basic));
		return -EOPNOTSUPP;
	}
	ret = choose_controls(&env, basic);
	if (ret)
		return ret;
	setup_vpid(env.ept_vpid);
	if (!keel_paging_is_shadow())
		setup_ept(env.ept_vpid);
	else if (keel_plan.nx_huge_pages)
		keel_pte_npt.max_leaf_level = 1;

	keel_caps.ucode_rev = 0x100000000ull;
	keel_caps.tpr_shadow = vmx_caps.cpu & CPU_BASED_TPR_SHADOW;
	keel_caps.apic_page = keel_caps.tpr_shadow;
	keel_caps.apic_accel = vmx_caps.cpu2 & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	keel_caps.deadline_timer = vmx_caps.pin & PIN_BASED_VMX_PREEMPTION_TIMER;
	keel_caps.rdtscp = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_RDTSCP;
	keel_caps.invpcid = vmx_caps.cpu2 & SECONDARY_EXEC_ENABLE_INVPCID;
	keel_caps.xsaves = boot_cpu_has(X86_FEATURE_XSAVES) && (vmx_caps.cpu2 & VMX_CPU2_XSAVES);
	keel_caps.tsc_scaling = vmx_caps.cpu2 & SECONDARY_EXEC_TSC_SCALING;
	keel_caps.tsc_ratio_frac_bits = 48;
	/* the multiplier has sixteen bits before the point */
	keel_caps.max_tsc_khz = keel_caps.tsc_scaling ? min_t(u64, (u64)tsc_khz << 16, U32_MAX) : tsc_khz;
	return 0;
}

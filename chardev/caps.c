// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION: what user space may count on. A row is here only when the thing works; everything else is 0.
 * The value is what KVM's API documentation says the capability's value means.
 */
#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <asm/cpufeature.h>
#include <uapi/linux/keel.h>
#include <uapi/linux/kvm.h>
#include <uapi/linux/kvm_para.h>
#include <keel/compat.h>
#include <keel/dirty_ring.h>
#include <keel/pre_fault.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/types.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include <keel/vm_life.h>
#include "chardev.h"

#define COALESCED_PAGE_OFFSET	2
#define MANUAL_PROTECT_FLAGS	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

#ifdef KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#define MWAIT_QUIRK		KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
#else
#define MWAIT_QUIRK		0
#endif

static int max_recommended_vcpus(void)
{
	return min_t(int, num_online_cpus(), KEEL_MAX_VCPUS);
}

static int has_xcrs(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

static int has_tsc_scaling(void)
{
	return keel_caps.tsc_scaling;
}

/* MWAIT in a guest must neither miss wake-ups nor stop the timer of the CPU. */
static bool guests_may_mwait(void)
{
	return boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) && !boot_cpu_has_bug(X86_BUG_MONITOR);
}

static int disable_exits(void)
{
	return KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE |
	       (guests_may_mwait() ? KVM_X86_DISABLE_EXITS_MWAIT : 0);
}

static int reset_vm(void)
{
	return keel_paging_is_shadow() ? 0 : KEEL_HOLD_MAX;
}

static int pre_fault_memory(void)
{
	return !keel_paging_is_shadow();
}

/* The kernel sizes every guest's area alike: without a vCPU at hand this is the same number. */
static int xsave2_size(void)
{
	return sizeof(struct kvm_xsave);
}

/**
 * struct cap_row - one capability
 * @cap: KVM_CAP_*
 * @value: what KVM_CHECK_EXTENSION returns
 * @ask: or a function that knows
 */
struct cap_row {
	u32 cap;
	int value;
	int (*ask)(void);
};

static const struct cap_row cap_rows[] = {
	/* machine */
	{ KVM_CAP_USER_MEMORY,			1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS,	1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS,	1 },
	{ KVM_CAP_NR_MEMSLOTS,			KEEL_MAX_SLOTS },
	{ KVM_CAP_SYNC_MMU,			1 },
	{ KVM_CAP_READONLY_MEM,			1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL,	1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,	MANUAL_PROTECT_FLAGS },
	{ KVM_CAP_DIRTY_LOG_RING,		KEEL_DIRTY_RING_MAX },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL,	KEEL_DIRTY_RING_MAX },
	{ KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP,	1 },
#ifdef KVM_CAP_USER_MEMORY2
	{ KVM_CAP_USER_MEMORY2,			1 },
#endif
	{ KVM_CAP_PRE_FAULT_MEMORY,		0, pre_fault_memory },
	{ KVM_CAP_SET_TSS_ADDR,			1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR,	1 },
	{ KVM_CAP_NR_VCPUS,			0, max_recommended_vcpus },
	{ KVM_CAP_MAX_VCPUS,			KEEL_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID,			KEEL_MAX_VCPU_ID },
	{ KVM_CAP_SET_BOOT_CPU_ID,		1 },
	{ KVM_CAP_COALESCED_MMIO,		COALESCED_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO,		1 },
	{ KVM_CAP_IMMEDIATE_EXIT,		1 },
	{ KVM_CAP_NOP_IO_DELAY,			1 },
	{ KVM_CAP_ENABLE_CAP,			1 },
	{ KVM_CAP_ENABLE_CAP_VM,		1 },
	{ KVM_CAP_CHECK_EXTENSION_VM,		1 },
	{ KVM_CAP_DISABLE_QUIRKS,		1 },
	{ KVM_CAP_DISABLE_QUIRKS2,		KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED |
						KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP |
						KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | MWAIT_QUIRK |
						KVM_X86_QUIRK_FIX_HYPERCALL_INSN },
	{ KVM_CAP_INTERNAL_ERROR_DATA,		1 },
	{ KVM_CAP_MEMORY_FAULT_INFO,		1 },
	{ KVM_CAP_LAST_CPU,			1 },
	{ KVM_CAP_BINARY_STATS_FD,		1 },
	{ KVM_CAP_SYS_ATTRIBUTES,		1 },
	{ KVM_CAP_DEVICE_CTRL,			1 },
	/* interrupts */
	{ KVM_CAP_IRQCHIP,			1 },
	{ KVM_CAP_SPLIT_IRQCHIP,		1 },
	{ KVM_CAP_IRQ_ROUTING,			KEEL_MAX_ROUTES },
	{ KVM_CAP_IRQ_INJECT_STATUS,		1 },
	{ KVM_CAP_IRQFD,			1 },
	{ KVM_CAP_IRQFD_RESAMPLE,		1 },
	{ KVM_CAP_IOEVENTFD,			1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH,		1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH,		1 },
	{ KVM_CAP_SIGNAL_MSI,			1 },
	{ KVM_CAP_X2APIC_API,			KVM_X2APIC_API_USE_32BIT_IDS |
						KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED,	1 },
	{ KVM_CAP_PIT,				1 },
	{ KVM_CAP_PIT2,				1 },
	{ KVM_CAP_PIT_STATE2,			1 },
	{ KVM_CAP_REINJECT_CONTROL,		1 },
	{ KVM_CAP_USER_NMI,			1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER,		1 },
#ifdef KVM_CAP_X86_APIC_BUS_CYCLES_NS
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS,	1 },
#endif
	/* processor */
	{ KVM_CAP_HLT,				1 },
	{ KVM_CAP_EXT_CPUID,			1 },
	{ KVM_CAP_EXT_EMUL_CPUID,		1 },
	{ KVM_CAP_GET_MSR_FEATURES,		1 },
	{ KVM_CAP_MP_STATE,			1 },
	{ KVM_CAP_VCPU_EVENTS,			1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD,		1 },
#ifdef KVM_CAP_X86_TRIPLE_FAULT_EVENT
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT,	1 },
#endif
	{ KVM_CAP_DEBUGREGS,			1 },
	{ KVM_CAP_XSAVE,			1 },
	{ KVM_CAP_XSAVE2,			0, xsave2_size },
	{ KVM_CAP_XCRS,				0, has_xcrs },
	{ KVM_CAP_SREGS2,			1 },
	{ KVM_CAP_SYNC_REGS,			KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP,	1 },
	{ KVM_CAP_SET_GUEST_DEBUG,		1 },
	{ KVM_CAP_SET_GUEST_DEBUG2,		KEEL_GUESTDBG_VALID },
	{ KVM_CAP_MCE,				MAX_MCE_BANKS },
	{ KVM_CAP_VCPU_ATTRIBUTES,		1 },
	{ KVM_CAP_X86_DISABLE_EXITS,		0, disable_exits },
	{ KVM_CAP_X86_USER_SPACE_MSR,		KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
						KVM_MSR_EXIT_REASON_FILTER },
	{ KVM_CAP_X86_MSR_FILTER,		1 },
	{ KVM_CAP_MSR_PLATFORM_INFO,		1 },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE,	1 },
	{ KVM_CAP_EXIT_HYPERCALL,		BIT(KVM_HC_MAP_GPA_RANGE) },
	/* Keel's own */
	{ KEEL_CAP_LAST_ERROR,			1 },
	{ KEEL_CAP_DMA,				1 },
	{ KEEL_CAP_DMA_POLICY,			1 },
	{ KEEL_CAP_FORK_VM,			KEEL_HOLD_MAX },
	{ KEEL_CAP_RESET_VM,			0, reset_vm },
	{ KEEL_CAP_ENGINE,			1 },
	/* time */
	{ KVM_CAP_CLOCKSOURCE,			1 },
	{ KVM_CAP_ADJUST_CLOCK,			KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_KVMCLOCK_CTRL,		1 },
	{ KVM_CAP_STEAL_TIME,			1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID,	1 },
	{ KVM_CAP_GET_TSC_KHZ,			1 },
	{ KVM_CAP_TSC_CONTROL,			0, has_tsc_scaling },
#ifdef KVM_CAP_VM_TSC_CONTROL
	{ KVM_CAP_VM_TSC_CONTROL,		0, has_tsc_scaling },
#endif
};

int cap_value(unsigned long cap)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cap_rows); i++)
		if (cap_rows[i].cap == cap)
			return cap_rows[i].ask ? cap_rows[i].ask() : cap_rows[i].value;
	return 0;
}

bool cap_can_manual_protect(u64 flags)
{
	/* "initially set" makes sense only with the manual mode itself */
	if (flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		return !(flags & ~(u64)MANUAL_PROTECT_FLAGS);
	return !flags;
}

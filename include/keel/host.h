/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Keel asks of the Linux it runs in, where that depends on the kernel's version or on exports made for KVM (host/).
 */
#ifndef KEEL_HOST_H
#define KEEL_HOST_H

#include <linux/bits.h>
#include <linux/jump_label.h>
#include <linux/types.h>
#include <keel/bugs.h>
#include <keel/bugs_force.h>
#include <keel/types.h>

struct vendor_ops;
struct eventfd_ctx;
struct kvm_fpu;
struct perf_guest_switch_msr;

/* ---- virtualization on this machine (host/enable.c) -------------------------------------------------------------- */

/**
 * keel_host_enable_get() - have virtualization on, on every CPU, for one more VM
 *
 * The first caller turns it on everywhere after making sure that nobody else owns it. Refusals are one pr_err line that names the
 * remedy. Context: may sleep. Return: 0, -EBUSY (another owner), -EIO.
 */
int keel_host_enable_get(void);
void keel_host_enable_put(void);
int keel_host_enable_init(const struct vendor_ops *ops);	/* module init: hotplug, suspend, reboot, crash hooks */
void keel_host_enable_exit(void);

/* ---- FPU (host/fpu.c) ------------------------------------------------------------------------------------------------ */

/* Guest FPU and extended state of one vCPU; contents private to host/fpu.c. */
struct host_fpu {
	void *priv;
};

int keel_host_fpu_create(struct host_fpu *fpu);			/* -ENOMEM; initial state; may sleep */
void keel_host_fpu_destroy(struct host_fpu *fpu);
void keel_host_fpu_init_state(struct host_fpu *fpu);		/* architectural reset state */
void keel_host_fpu_load(struct host_fpu *fpu);			/* guest state to registers, at the begin of KVM_RUN */
void keel_host_fpu_save(struct host_fpu *fpu);			/* back to memory, at its end */
u64 keel_host_fpu_supported_xcr0(void);				/* host XCR0 limited to x87..AVX-512, PKRU */
unsigned int keel_host_fpu_uabi_size(struct host_fpu *fpu);	/* bytes for KVM_GET_XSAVE2 */
void keel_host_fpu_get_xsave(struct host_fpu *fpu, void *buf, unsigned int size, u64 xcr0_allowed, u32 pkru);
int keel_host_fpu_set_xsave(struct host_fpu *fpu, const void *buf, u64 xcr0_allowed, u32 *pkru);	/* -EINVAL */
int keel_host_fpu_get_fpu(struct host_fpu *fpu, struct kvm_fpu *out);
int keel_host_fpu_set_fpu(struct host_fpu *fpu, const struct kvm_fpu *in);
/* XCR0 and XSS around entry: load the guest's if they differ from the host's; interrupts off, RCU need not watch. */
void keel_host_xcr0_load(u64 guest_xcr0);
void keel_host_xcr0_restore(u64 guest_xcr0);
/* Registers for the emulator while guest FPU state is loaded; preemption may be on. */
struct xmm_data;
struct ymm_data;
void keel_host_xmm_read(unsigned int n, struct xmm_data *data);
void keel_host_xmm_write(unsigned int n, const struct xmm_data *data);
void keel_host_ymm_read(unsigned int n, struct ymm_data *data);	/* only where the host has AVX on */
void keel_host_ymm_write(unsigned int n, const struct ymm_data *data);	/* the upper half of ZMM is cleared */
/* Around any use of the guest's x87 and vector registers: not preempted, no softirq. */
void keel_host_fpregs_lock(void);
void keel_host_fpregs_unlock(void);

/* ---- the thread (host/xfer.c; keel/entry_work.h has what is done around each entry) ------------------------------------- */

/* Run delay of current in ns, for steal time. */
u64 keel_host_run_delay(void);

/* Selector of the local descriptor table, 0 for none. */
static inline u16 host_ldt(void)
{
	u16 selector;

	asm volatile("sldt %0" : "=rm" (selector));
	return selector;
}

/* ---- MSRs switched lazily: guest value stays until return to user mode or the next vCPU (host/uret.c) --------------------- */

void keel_host_uret_init(void);
void keel_host_uret_tsc_aux(u64 guest_value);				/* interrupts or preemption off */
void keel_host_uret_syscall(u64 star, u64 lstar, u64 sfmask);		/* interrupts off */

/* ---- mitigations around guest entry (host/mitigations.c) ------------------------------------------------------------------ */

/**
 * keel_host_spec_switch() - must SPEC_CTRL be switched around a guest on this CPU?
 * @guest: the guest's value
 * @always: after every exit the host's is written, changed or not
 *
 * Return: what entry.S is to know (RESTORE_SPEC_CTRL): the host's value with SPEC_SWITCH, or 0.
 */
u64 keel_host_spec_switch(u64 guest, bool always);
#define SPEC_SWITCH	BIT_ULL(63)
void keel_host_ibpb(void);			/* indirect branch prediction barrier, if the host uses it */
/* A guest's barrier: PRED_CMD_* bits that the CPU has, whatever the host itself uses. */
void keel_host_pred_cmd(u64 cmd);
bool keel_host_wants_ibpb_on_switch(void);

/*
 * What is done about this CPU's faults (host/bugs.c); const once keel_host_bugs_init() has read the CPU, said so in the log and told
 * the kernel's sysfs files. -EINVAL for a parameter that is not understood. Before the backend's setup; undone by keel_host_bugs_exit().
 */
extern struct host_plan keel_plan;
int keel_host_bugs_init(const struct vendor_ops *ops);
void keel_host_bugs_exit(void);

DECLARE_STATIC_KEY_FALSE(keel_host_divides);

/* keel_plan.clear_divider: nothing but our quotient is left for a guest that divides by 0. No division until VMRUN. */
static __always_inline void keel_host_clear_divider(void)
{
	u32 low = 0, high = 0;

	if (!static_branch_unlikely(&keel_host_divides))
		return;
	asm volatile("divl %2" : "+a" (low), "+d" (high) : "r" (1) : "cc");
	keel_bugs_count(BUGS_DIVIDED);
}

enum host_ran {
	HOST_RAN_GUARDED,	/* since the last entry: nothing but code that touches the guest's own state */
	HOST_RAN_ANYTHING,
};

/* Must keel_host_flush() be called before each entry, on Intel's CPUs? const after init */
extern bool keel_host_flushes;
/*
 * Flush what the CPU would leak to the guest: the first-level data cache (L1TF), and fill buffers where entry.S does not (MMIO stale
 * data). From here to the entry nothing may be touched but the guest's own state. Interrupts off. Return: was the cache flushed?
 */
bool keel_host_flush(enum host_ran ran);

/* Around VMX operation on this CPU: Intel PT cannot trace in it on CPUs that lack IA32_VMX_MISC[14]. Interrupts off. */
void keel_host_pt_pause(void);
void keel_host_pt_resume(void);

void keel_host_note_guest_ran(void);		/* after exit: VMSCAPE and L1D hints to the kernel */

/* A machine check ended the guest: let the kernel's handler see it, as one of user mode. Interrupts off. */
void keel_host_machine_check(void);
/*
 * Was that machine check AMD's erratum 383, which the guest has caused by its page tables? Then it is cleared away, translations too,
 * and the guest must not go on. Only where keel_plan.erratum_383; interrupts off.
 */
bool keel_host_erratum_383(void);

/* ---- the host's watchers (host/perf.c) ------------------------------------------------------------------------------------- */

/**
 * keel_host_perf_msrs() - the MSRs that perf wants changed while a guest runs
 * @msrs: set to a list of this CPU's, with the host's value and the guest's; they differ
 *
 * PEBS stores records through a linear address, and that would be the guest's (SDM, "Processor Event-Based Sampling"); counters with
 * exclude_guest stop. The list stands until the next call; what perf wants changes only by an interrupt or an NMI.
 * Context: interrupts off. Return: its length, 0 while perf is idle.
 */
unsigned int keel_host_perf_msrs(struct perf_guest_switch_msr **msrs);
/* Tell perf, on this CPU, that EFER.SVME is set: only then do the counters' host-only and guest-only bits work. Interrupts off. */
void keel_host_perf_svm_on(void);
void keel_host_perf_svm_off(void);		/* also from an NMI at a crash */
/**
 * keel_host_split_lock() - the host's detection of split locks has caught the guest
 * @rip: where
 *
 * The kernel warns and lets this CPU off for a moment, or sends the thread SIGBUS (kernel parameter split_lock_detect).
 * Context: may sleep. Return: true: the guest goes on.
 */
bool keel_host_split_lock(u64 rip);

/* ---- shims for what changed between kernels (keel/compat.h does the rest) ------------------------------------------------- */

void keel_host_eventfd_signal(struct eventfd_ctx *ctx);
bool keel_host_pfn_is_ram(u64 pfn);

#endif

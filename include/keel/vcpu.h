/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct vcpu: one virtual CPU. keel/access.h reads and writes its registers; keel/request.h says
 * how others reach it.
 *
 * The backend embeds it as the first member of its own struct (struct svm_vcpu, struct vmx_vcpu). Guest state lives here in
 * vendor-neutral form; the hardware structure is a cache of it:
 *
 *  - regs.valid: groups whose copy here is current. Others are still in the hardware structure; vcpu_need() fetches them.
 *  - regs.dirty: groups that changed here since the last entry; the backend writes them to hardware before it enters.
 *
 * All members belong to the thread that holds vcpu->mutex (the one in KVM_RUN, or in another vCPU ioctl) unless their
 * comment says otherwise.
 */
#ifndef KEEL_VCPU_H
#define KEEL_VCPU_H

#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <uapi/linux/kvm.h>
#include <keel/emulate.h>
#include <keel/events.h>
#include <keel/explain.h>
#include <keel/feature.h>
#include <keel/host.h>
#include <keel/known.h>
#include <keel/regs.h>
#include <keel/stats.h>
#include <keel/types.h>
#include <keel/user_io.h>
#include <keel/vm.h>

struct vcpu_tsc {
	u64 offset;		/* guest TSC = host TSC * ratio + offset */
	u64 ratio;		/* fixed point, host/vendor.h: caps.tsc_ratio_frac_bits; 1.0 without scaling */
	u32 khz;
	bool unstable;		/* the host's TSC, when last put on a CPU */
	u64 last_host;		/* host and guest TSC when last taken off a CPU, while the host's TSC is unstable */
	u64 last_guest;
	s64 moved;		/* what the guest itself added since the launcher last set the TSC */
	s64 adjust;		/* IA32_TSC_ADJUST */
	u64 deadline;		/* IA32_TSC_DEADLINE, owned by irqchip/lapic_timer.c */
	u64 host_deadline;	/* the same in the host's TSC while the backend watches it (caps.deadline_timer), 0: it does not */
	u64 generation;
};

/* MSRs that are plain storage for the guest or belong to a policy in core/msr_*.c. */
struct vcpu_msrs {
	u64 tsc_aux;
	u64 misc_enable;
	u64 spec_ctrl;
	u64 arch_capabilities;
	u64 platform_info;
	u64 misc_features;
	u64 power_ctl;
	u64 feature_control;		/* IA32_FEATURE_CONTROL */
	u64 ucode_rev;
	u64 xss;
	u64 mcg_status, mcg_cap, mcg_ctl;
	u64 *mce_banks;			/* CTL, STATUS, ADDR, MISC of each bank of mcg_cap; allocated at its first write */
	u64 mtrr_def_type;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16];
	u64 hwcr;
	u64 de_cfg;
};

/* The thread in KVM_RUN */
struct vcpu_thread {
	struct rcuwait wait;
	struct preempt_notifier preempt;
	struct task_struct *task;	/* only ever compared with current */
	struct pid __rcu *pid;		/* the last one, for directed yield */
	sigset_t sigset;		/* KVM_SET_SIGNAL_MASK */
	sigset_t sigset_saved;		/* the thread's own, in KVM_RUN */
	bool sigset_active;
};

/* Extended state beyond struct host_fpu */
struct vcpu_xstate {
	u64 xcr0;
	u32 pkru;
	u32 host_pkru;			/* the thread's, while @pkru is in the CPU */
};

/* kvmclock, steal time and other shared pages of one vCPU (core/kvmclock.c, core/steal.c, core/pv.c) */
struct vcpu_pv {
	u64 system_time;	/* MSR value, bit 0 enable */
	u64 steal_time;
	u64 steal_last;		/* run delay of the vCPU's thread that is already accounted, ns */
	u64 wall_clock;
	u64 eoi;		/* MSR_KVM_PV_EOI_EN */
	u64 held_until;		/* KVM_KVMCLOCK_CTRL: what host clock the guest is told until that it was held; 0: it is not */
	u32 features;		/* KVM_FEATURE_* that this guest may use */
	bool enforce_cpuid;	/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID: those of its CPUID alone */
	bool unhalt;		/* KVM_HC_KICK_CPU arrived */
	bool between_insns;	/* no translation of the guest's is in use: preempted now, the vCPU may be reported so */
	u32 clock_epoch;	/* host clock source changes seen (core/kvmclock.c) */
};

/* KVM_SET_GUEST_DEBUG (core/debug.c) */
struct vcpu_debug {
	u32 control;		/* KVM_GUESTDBG_*, VCPU_WATCHES */
	u64 dr[4], dr7;		/* launcher's breakpoints while KVM_GUESTDBG_USE_HW_BP */
	bool dr_open;		/* the guest has used its debug registers since the last load */
};

/* CPUID given by the launcher, and what policy needs of it, precomputed (core/cpuid_set.c) */
struct vcpu_cpuid {
	struct kvm_cpuid_entry2 *entries;
	int nent;
	const struct kvm_cpuid_entry2 *last;	/* what the guest asked for last, EAX and above it ECX; NULL for nothing */
	u64 last_asked;
	u8 first[3][48];	/* number + 1 of the first entry of basic, 0x4..., 0x8... leaf n; 0: none, or search */
	u8 maxphyaddr;
	u64 reserved_gpa;	/* bits of a gpa beyond maxphyaddr */
	u64 allowed[NR_SETS];	/* bits that the guest may set, by enum feature_set */
	u64 xcr0_allowed;
	u64 xss_allowed;
	u32 flags;		/* GUEST_HAS_* */
};

/* What other rooms must know of the local APIC */
struct vcpu_apic {
	u64 base;		/* IA32_APIC_BASE */
	gfn_t frame;		/* that ept/ maps from no slot, all ones for none; memory.lock */
	u32 eoi_vector;		/* with REQ_IOAPIC_EOI_EXIT */
	bool accelerated;	/* the CPU delivers its interrupts (irqchip/lapic_accel.c) */
};

struct vcpu_kept;

/* Where in its life it is (core/run.c, core/fork.c, core/reset.c, core/first_use.c) */
struct vcpu_life {
	bool launched_once;	/* has run: CPUID is frozen */
	bool unclaimed;		/* of a forked VM, without a file yet; vm->lock */
	struct vm *mark;	/* of the first vCPU: the VM's state as it was marked, NULL for none; vcpu->mutex */
	struct vcpu_kept __rcu *kept;	/* for the first use (core/first_use.c), NULL for nothing; vcpu->mutex */
};

/**
 * struct vcpu - one virtual CPU
 *
 * The backend allocates it inside its own struct, zeroed; core/vcpu.c does the rest.
 */
struct vcpu {
	struct vcpu_regs regs;		/* first; see its comment */

	/* hot and shared: written by other CPUs */
	unsigned long requests;		/* enum vcpu_request bits, atomic */
	u8 mode;			/* enum vcpu_mode; pairs with vcpu_kick() */
	bool blocked;			/* sleeping in HLT; pairs with vcpu_kick() */
	bool emulates;			/* KEEL_ENGINE_EMULATE (core/engine.c); vcpu->mutex */
	int cpu;			/* physical CPU while loaded, else -1 */

	struct vm *vm;
	struct kvm_run *run;		/* shared with user space: hostile, read each field once. See keel_vcpu_complete() */
	void *pio_data;			/* page behind KVM_PIO_PAGE_OFFSET; the same */
	u32 id;				/* vcpu_id, APIC id at reset */
	u32 index;			/* 0.. in order of creation */
	u64 serial;			/* tells vCPUs apart for the branch predictor barrier; never reused */
	struct mutex mutex;		/* one vCPU ioctl at a time */
	struct vcpu_thread thread;

	struct vcpu_events events;
	struct vcpu_cpuid cpuid;
	struct vcpu_msrs msrs;
	struct vcpu_tsc tsc;
	struct vcpu_pv pv;
	struct host_fpu fpu;		/* guest FPU container (host/fpu.c); the same */
	struct vcpu_xstate xstate;
	u64 host_debugctl;		/* in the inner loop: the host's, which an NMI may change and nothing else */
	u64 cr8;			/* without an in-kernel local APIC */
	struct shadow_vcpu *shadow;	/* ept/; NULL with nested paging */
	struct lapic *lapic;		/* irqchip/, NULL without one */
	struct vcpu_apic apic;
	u32 mp_state;			/* KVM_MP_STATE_*; other threads only through requests */

	struct emu emu;			/* emulator context (core/emulator.c) */
	struct vcpu_user_io io;

	struct vcpu_debug debug;
	struct dirty_ring *dirty_ring;	/* ept/dirty_ring.c, NULL without one */

	struct vcpu_life life;
	struct vcpu_stats stats;
	struct vcpu_origin origin;
	struct vcpu_known known;
};

#endif

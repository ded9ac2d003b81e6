/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct vcpu: one virtual CPU, its registers, its events, and what may be asked of it.
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

#include <linux/atomic.h>
#include <linux/kvm_para.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/wait.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/msr-index.h>
#include <uapi/linux/kvm.h>
#include <keel/code.h>
#include <keel/emulate.h>
#include <keel/feature.h>
#include <keel/groups.h>
#include <keel/host.h>
#include <keel/stats.h>
#include <keel/types.h>
#include <keel/vendor.h>
#include <keel/vm.h>

/* General registers in the order of their encoding in instructions. */
enum gpr {
	GPR_RAX, GPR_RCX, GPR_RDX, GPR_RBX, GPR_RSP, GPR_RBP, GPR_RSI, GPR_RDI,
	GPR_R8, GPR_R9, GPR_R10, GPR_R11, GPR_R12, GPR_R13, GPR_R14, GPR_R15,
	NR_GPRS,
};

/* Segment registers in the order of their encoding in instructions, then the two system segments. */
enum seg {
	SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR,
	NR_SEGS,
};

/**
 * struct segment - a segment register with its hidden part
 * @base: linear address
 * @limit: in bytes, already scaled by the granularity bit
 * @ar: access rights as in bits 40-55 of a descriptor: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15; and
 *      SEG_UNUSABLE (the layout of the SDM's "Guest Register State")
 * @selector: visible part
 */
struct segment {
	u64 base;
	u32 limit;
	u32 ar;
	u16 selector;
};

#define SEG_TYPE	0x000fu
#define SEG_S		BIT(4)
#define SEG_DPL_SHIFT	5
#define SEG_P		BIT(7)
#define SEG_AVL		BIT(12)
#define SEG_L		BIT(13)
#define SEG_DB		BIT(14)
#define SEG_G		BIT(15)
#define SEG_UNUSABLE	BIT(16)
#define seg_dpl(s)	(((s)->ar >> SEG_DPL_SHIFT) & 3)

struct desc_table {
	u64 base;
	u16 limit;
};

struct violation;

/* Of CR0's lower half: other bits are ignored when it is written. SDM, "Control Registers". */
#define CR0_DEFINED	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | \
			 X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)

struct vcpu_regs {
	u64 gpr[NR_GPRS];		/* first: the entry code addresses them by index */
	u64 rip;
	u64 rflags;
	u64 cr0, cr2, cr3, cr4, efer;
	u64 dr[4], dr6, dr7;
	struct segment seg[NR_SEGS];
	struct desc_table gdt, idt;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat;
	u32 valid;
	u32 dirty;
};

/* Debug registers: what <asm/debugreg.h> does not name. SDM, "Debug Registers". */
#define DR6_BD		BIT(13)
#define DR6_RTM		BIT(16)		/* active low */
#define DR6_FIXED	0xffff0ff0ull	/* reset value; bits that read as 1 */
#define DR7_GD		BIT(13)
#define DR7_FIXED	0x400ull

/* Event types; the values are those of EVENTINJ and of the VM-entry interruption information. */
enum event_type {
	EVENT_INTR	= 0,
	EVENT_NMI	= 2,
	EVENT_EXCEPTION	= 3,
	EVENT_SOFT_INTR	= 4,
};

struct event {
	bool valid;
	u8 type;		/* enum event_type */
	u8 vector;
	bool has_error;
	u8 length;		/* soft events: length of the INT instruction, 0 if unknown */
	u32 error;
};

#define SHADOW_STI	BIT(0)	/* KVM_X86_SHADOW_INT_STI */
#define SHADOW_MOVSS	BIT(1)	/* KVM_X86_SHADOW_INT_MOV_SS */

/**
 * struct vcpu_events - what waits to be delivered (core/inject.c)
 * @injected: interrupted in delivery, or restored by the launcher as such; goes in again first
 * @held: an acknowledged interrupt that was @injected and that an exception has overtaken; the next interrupt to go in
 * @exception: queued by an intercept or by the launcher, not yet in hardware
 * @payload: CR2 or DR6 bits that @exception brings along, applied at delivery
 * @nmi_pending: NMIs waiting (0..2); atomic, other threads add
 * @nmi_masked: between delivery of an NMI and its IRET
 * @shadow: SHADOW_*, the one-instruction block after STI and MOV SS
 * @user_irq: vector given by KVM_INTERRUPT (no in-kernel irqchip), -1 for none
 */
struct vcpu_events {
	struct event injected;
	struct event held;
	struct event exception;
	bool has_payload;
	u64 payload;
	atomic_t nmi_pending;
	bool nmi_masked;
	u8 shadow;
	int user_irq;
};

/* Requests: bits of vcpu->requests. Set with vcpu_request() from any context, drained in core/run.c. */
enum vcpu_request {
	REQ_EVENT,		/* look at interrupts and NMIs again; the inner loop serves this one itself */
	REQ_KICK,		/* leave guest mode, nothing else */
	REQ_TLB_FLUSH,		/* second-level translations changed */
	REQ_TLB_FLUSH_GUEST,	/* the guest asked (pv TLB flush) */
	REQ_ROOT,		/* the root table changed: load it again */
	REQ_CLOCK,		/* write the pvclock page */
	REQ_STEAL,		/* write the steal time record */
	REQ_TRIPLE_FAULT,	/* KVM_EXIT_SHUTDOWN */
	REQ_SCAN_IOAPIC,	/* EOI-exit set changed (irqchip) */
	REQ_INTERCEPTS,		/* debug or disable-exits settings changed */
	REQ_IOAPIC_EOI_EXIT,	/* split irqchip: KVM_EXIT_IOAPIC_EOI with vcpu->eoi_vector */
	REQ_INIT,		/* INIT or SIPI waits in the local APIC */
	REQ_PV_EOI,		/* the guest's PV EOI flag must be read where sleeping is allowed: keel_lapic_sync_pv_eoi() */
	REQ_IPI,		/* keel_ipi_flush(), before anything else of the guest or of the launcher */
	REQ_DEBUG_EXIT,		/* KVM_EXIT_DEBUG after an emulated or skipped instruction */
};

enum vcpu_mode {
	VCPU_OUTSIDE,
	VCPU_IN_GUEST,		/* between the last check of requests and the exit */
	VCPU_EXITING,		/* in guest, and an IPI is already on its way */
};

/* What to finish when KVM_RUN comes back after an exit that user space completes. */
enum vcpu_completion {
	COMPLETE_NONE,
	COMPLETE_PIO_IN,	/* a plain IN: data to RAX, advance RIP */
	COMPLETE_PIO_OUT,	/* a plain OUT: advance RIP */
	COMPLETE_MMIO_LOAD,	/* a plain load: data to io.mov's register, advance RIP */
	COMPLETE_MMIO,		/* data for the emulator's access, then emulate again */
	COMPLETE_STRING_IO,	/* the emulator goes on with INS */
	COMPLETE_HYPERCALL,	/* result to RAX, advance RIP */
	COMPLETE_RDMSR,		/* data to EDX:EAX or #GP, advance RIP */
	COMPLETE_WRMSR,		/* #GP or advance RIP */
};

/**
 * struct vcpu_user_io - an access that user space answers (core/io.c, core/insn.c)
 * @data: bytes answered so far of the access in flight
 * @have: how many; one access of the emulator may take several exits (FXSAVE, two pages)
 * @pos: where in @data the answer to the present exit goes
 * @len: bytes of the present exit
 * @is_write: direction of the present exit
 * @answered: port data for the emulator are in pio_data
 * @watch_hits: DR6.B0-B3 that the instruction's accesses have earned so far (core/debug.c)
 * @rip: of the instruction; completion is dropped when user space moved RIP meanwhile
 * @mov: the plain move that a fast MMIO load completes
 */
struct vcpu_user_io {
	u16 have;
	u16 pos;
	u8 len;
	bool is_write;
	bool answered;
	u8 watch_hits;
	u64 rip;
	struct emu_mov mov;
	u8 data[512];
};

/**
 * struct vcpu_hole - frames that the last look-up found to be in no slot (ept/memslot.c)
 * @base: first frame
 * @npages: how many, 0 for none
 * @generation: of the slots that this is true for
 */
struct vcpu_hole {
	gfn_t base;
	u64 npages;
	u64 generation;
};

/**
 * struct vcpu_doorbell - the doorbell that was rung last (core/io.c)
 * @gpa: its address
 * @dev: on vm->mmio; used only while @bus_generation is that of the bus
 * @bus_generation: when @dev was found
 * @slots_generation: of the slots, when no slot was at @gpa. 0 for no doorbell
 * @apic_base: when the local APIC was not
 */
struct vcpu_doorbell {
	gpa_t gpa;
	struct bus_device *dev;
	u64 bus_generation;
	u64 slots_generation;
	u64 apic_base;
};

struct vcpu_tsc {
	u64 offset;		/* guest TSC = host TSC * ratio + offset */
	u64 ratio;		/* fixed point, host/vendor.h: caps.tsc_ratio_frac_bits; 1.0 without scaling */
	u32 khz;
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

/* kvmclock, steal time and other shared pages of one vCPU (core/clock.c, core/pv.c) */
struct vcpu_pv {
	u64 system_time;	/* MSR value, bit 0 enable */
	u64 steal_time;
	u64 steal_last;		/* run delay of the vCPU's thread that is already accounted, ns */
	u64 wall_clock;
	u64 eoi;		/* MSR_KVM_PV_EOI_EN */
	u32 features;		/* KVM_FEATURE_* that this guest may use */
	bool enforce_cpuid;	/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID: those of its CPUID alone */
	bool clock_stopped;	/* KVM_KVMCLOCK_CTRL: tell the guest it was paused */
	bool unhalt;		/* KVM_HC_KICK_CPU arrived */
	bool between_insns;	/* no translation of the guest's is in use: preempted now, the vCPU may be reported so */
	u32 clock_epoch;	/* host clock source changes seen (core/clock.c) */
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

/* Ioctls that put values where an entry may find them wrong (core/explain.c). */
enum vcpu_ioctl {
	BY_SET_REGS,
	BY_SET_SREGS,
	BY_SET_SREGS2,
	BY_SET_MSRS,
	BY_SET_DEBUGREGS,
	BY_SET_VCPU_EVENTS,
	BY_SET_GUEST_DEBUG,
	BY_INTERRUPT,
	BY_NMI,
	BY_RUN,			/* KVM_CAP_SYNC_REGS */
	NR_VCPU_IOCTLS,
};

/**
 * struct vcpu_origin - which ioctl wrote which registers since the last entry that succeeded, for messages
 * @groups: per ioctl, the RG_* that it was the last to write
 * @entries: how many entries had succeeded when that was noted
 * @refused: turns through the inner loop that were no entry: stats.exits counts them as well
 */
struct vcpu_origin {
	u32 groups[NR_VCPU_IOCTLS];
	u64 entries;
	u64 refused;
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
	int cpu;			/* physical CPU while loaded, else -1 */

	struct vm *vm;
	struct kvm_run *run;		/* shared with user space: hostile, read each field once */
	void *pio_data;			/* page behind KVM_PIO_PAGE_OFFSET */
	u32 id;				/* vcpu_id, APIC id at reset */
	u32 index;			/* 0.. in order of creation */
	struct mutex mutex;		/* one vCPU ioctl at a time */
	struct rcuwait wait;
	struct preempt_notifier preempt;
	struct task_struct *task;	/* thread in KVM_RUN, only ever compared with current */
	struct pid __rcu *pid;		/* last thread in KVM_RUN, for directed yield */

	struct vcpu_events events;
	struct vcpu_cpuid cpuid;
	struct vcpu_msrs msrs;
	struct vcpu_tsc tsc;
	struct vcpu_pv pv;
	struct host_fpu fpu;		/* guest FPU container (host/fpu.c) */
	u64 xcr0;
	u32 pkru;
	u32 host_pkru;			/* the thread's, while @pkru is in the CPU */
	u64 host_debugctl;		/* in the inner loop: the host's, which an NMI may change and nothing else */
	u8 windows;			/* WINDOW_* last given to the backend (core/inject.c) */
	u64 apic_base;			/* IA32_APIC_BASE */
	u64 cr8;			/* without an in-kernel local APIC */
	struct lapic *lapic;		/* irqchip/, NULL without one */
	bool apic_accelerated;		/* the CPU delivers the local APIC's interrupts (irqchip/lapic_accel.c) */
	u32 eoi_vector;			/* with REQ_IOAPIC_EOI_EXIT */
	u32 mp_state;			/* KVM_MP_STATE_*; other threads only through requests */

	struct emu emu;			/* emulator context (core/insn.c) */
	struct vcpu_user_io io;
	u8 complete;			/* enum vcpu_completion */
	u8 complete_len;		/* instruction length to advance by */

	u32 guest_debug;		/* KVM_GUESTDBG_*, VCPU_WATCHES */
	u64 debug_dr[4], debug_dr7;	/* launcher's breakpoints while KVM_GUESTDBG_USE_HW_BP */

	sigset_t sigset;		/* KVM_SET_SIGNAL_MASK */
	bool sigset_active;
	bool launched_once;		/* has run: CPUID is frozen */
	struct vcpu_stats stats;
	struct vcpu_origin origin;
	struct memslot *last_slot_hint;	/* ept/: compared, never followed without RCU and a check */
	u64 last_slot_generation;
	struct vcpu_hole hole;
	struct vcpu_doorbell bell;
	struct bus_known known_ports, known_mmio;
	struct vcpu_code code;
};

/* ---- life (core/vcpu.c) ------------------------------------------------------------------------------------- */

/**
 * keel_vcpu_create() - make a vCPU in its reset state and publish it
 * @vm: its machine; vm->lock held
 * @id: vcpu_id, below vm->max_vcpu_id and unused
 *
 * Context: may sleep. Return: the vCPU or ERR_PTR(-EEXIST, -EINVAL, -ENOMEM).
 */
struct vcpu *keel_vcpu_create(struct vm *vm, u32 id);
void keel_vcpu_destroy(struct vcpu *vcpu);
/* Architectural reset: INIT keeps what the SDM's "Processor State After Reset" says it keeps. */
enum vcpu_reset_kind { VCPU_RESET, VCPU_INIT };
void keel_vcpu_reset(struct vcpu *vcpu, enum vcpu_reset_kind kind);
/* Put the vCPU on this CPU / take it off; pairs around every vCPU ioctl that touches hardware state. Mutex held. */
void keel_vcpu_load(struct vcpu *vcpu);
void keel_vcpu_put(struct vcpu *vcpu);
/**
 * keel_xstate_host() - have the host's PKRU, XCR0 and XSS in the CPU, in the midst of the inner loop; keel_xstate_guest() ends it
 *
 * Context: interrupts off; RCU need not watch.
 */
void keel_xstate_host(struct vcpu *vcpu);
void keel_xstate_guest(struct vcpu *vcpu);
/* Body of KVM_RUN; vcpu->mutex held, vCPU loaded by itself. Return: 0 or negative errno. */
int keel_vcpu_run(struct vcpu *vcpu);
/* Wake a halted vCPU and push a running one out of guest mode. Any context. */
void keel_vcpu_kick(struct vcpu *vcpu);

static inline bool vcpu_test_request(const struct vcpu *vcpu, unsigned int req)
{
	return READ_ONCE(vcpu->requests) & BIT(req);
}

/* Set a request without a kick. The barrier pairs with the one in core/run.c between mode and requests. */
static inline void vcpu_request(struct vcpu *vcpu, unsigned int req)
{
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

/* Directed yield to @target's thread. True if it was boosted. May sleep. */
bool keel_vcpu_yield_to(struct vcpu *target);

/* Is this the thread that runs the vCPU now (so that a kick of itself is needless)? */
bool keel_vcpu_is_current(const struct vcpu *vcpu);

/* ---- registers ---------------------------------------------------------------------------------------------- */

/* Make @groups valid. On the vCPU's own thread, loaded. */
static inline void vcpu_need(struct vcpu *vcpu, u32 groups)
{
	u32 missing = groups & ~vcpu->regs.valid;

	if (unlikely(missing)) {
		keel_vendor->regs_fetch(vcpu, missing);
		vcpu->regs.valid |= missing;
	}
}

/* The caller has written (all of) @groups, or has called vcpu_need() and then changed a part. */
static inline void vcpu_dirty(struct vcpu *vcpu, u32 groups)
{
	vcpu->regs.valid |= groups;
	vcpu->regs.dirty |= groups;
}

static inline u64 vcpu_gpr(struct vcpu *vcpu, unsigned int n)
{
	if (n == GPR_RSP)
		vcpu_need(vcpu, RG_RSP);
	return vcpu->regs.gpr[n];
}

static inline void vcpu_set_gpr(struct vcpu *vcpu, unsigned int n, u64 val)
{
	vcpu->regs.gpr[n] = val;
	if (n == GPR_RSP)
		vcpu_dirty(vcpu, RG_RSP);
}

static inline u64 vcpu_rip(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_RIP);
	return vcpu->regs.rip;
}

static inline u64 vcpu_rflags(struct vcpu *vcpu)
{
	vcpu_need(vcpu, RG_RFLAGS);
	return vcpu->regs.rflags;
}

static inline u64 vcpu_cr0(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR0); return vcpu->regs.cr0; }
static inline u64 vcpu_cr3(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR3); return vcpu->regs.cr3; }
static inline u64 vcpu_cr4(struct vcpu *vcpu) { vcpu_need(vcpu, RG_CR4); return vcpu->regs.cr4; }
static inline u64 vcpu_efer(struct vcpu *vcpu) { vcpu_need(vcpu, RG_EFER); return vcpu->regs.efer; }

static inline struct segment *vcpu_seg(struct vcpu *vcpu, enum seg s)
{
	vcpu_need(vcpu, RG_SEG);
	return &vcpu->regs.seg[s];
}

static inline void vcpu_need_code(struct vcpu *vcpu)
{
	if (!(vcpu->regs.valid & RG_SEG))
		vcpu_need(vcpu, RG_CODE);
}

static inline const struct segment *vcpu_cs(struct vcpu *vcpu)
{
	vcpu_need_code(vcpu);
	return &vcpu->regs.seg[SEG_CS];
}

static inline unsigned int vcpu_cpl(struct vcpu *vcpu)
{
	vcpu_need_code(vcpu);
	return seg_dpl(&vcpu->regs.seg[SEG_SS]);
}

static inline bool vcpu_is_long_mode(struct vcpu *vcpu) { return vcpu_efer(vcpu) & EFER_LMA; }
static inline bool vcpu_is_paging(struct vcpu *vcpu) { return vcpu_cr0(vcpu) & X86_CR0_PG; }
static inline bool vcpu_is_protected(struct vcpu *vcpu) { return vcpu_cr0(vcpu) & X86_CR0_PE; }

static inline bool vcpu_is_64bit_code(struct vcpu *vcpu)
{
	return vcpu_is_long_mode(vcpu) && (vcpu_cs(vcpu)->ar & SEG_L);
}

/* Linear address of the instruction. */
static inline gva_t vcpu_linear_rip(struct vcpu *vcpu)
{
	gva_t rip = vcpu_rip(vcpu);

	return likely(vcpu_is_64bit_code(vcpu)) ? rip : (u32)(rip + vcpu_cs(vcpu)->base);
}

/* core/inject.c: an instruction of @len bytes is complete. RIP, interrupt shadow, single step (TF and launcher). */
void keel_advance_slow(struct vcpu *vcpu, unsigned int len);

static inline void vcpu_advance(struct vcpu *vcpu, unsigned int len)
{
	struct vcpu_regs *r = &vcpu->regs;
	u64 rip = vcpu_rip(vcpu) + len;

	/* a wrap at 4G, single step or a shadow to clear: rare */
	if (unlikely((vcpu_rflags(vcpu) & X86_EFLAGS_TF) || vcpu->guest_debug || (rip ^ r->rip) >> 31)) {
		keel_advance_slow(vcpu, len);
		return;
	}
	r->rip = rip;
	if (vcpu->events.shadow) {
		vcpu->events.shadow = 0;
		vcpu_dirty(vcpu, RG_SHADOW);
	}
	vcpu_dirty(vcpu, RG_RIP);
}

/* Control registers and EFER with all architectural checks (core/cr.c). Return: 0, or 1 for #GP. */
int keel_set_cr(struct vcpu *vcpu, unsigned int n, u64 val);	/* 0, 2, 3, 4, 8 */
u64 keel_get_cr(struct vcpu *vcpu, unsigned int n);
int keel_set_cr8(struct vcpu *vcpu, u64 val);
u64 keel_get_cr8(struct vcpu *vcpu);
int keel_set_efer(struct vcpu *vcpu, u64 val, u64 allowed);	/* as WRMSR; LMA follows LME and paging */
int keel_set_xcr(struct vcpu *vcpu, u32 index, u64 val);
int keel_set_dr(struct vcpu *vcpu, unsigned int n, u64 val);
u64 keel_get_dr(struct vcpu *vcpu, unsigned int n);

static inline bool vcpu_launcher_breakpoints(const struct vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP;
}

/*
 * vcpu.guest_debug: a data or I/O breakpoint is enabled in the debug registers in force. Then no device access is served in the inner
 * loop, and the emulator looks at the addresses of its own.
 */
#define VCPU_WATCHES	BIT(31)

static inline bool vcpu_watches(const struct vcpu *vcpu)
{
	return vcpu->guest_debug & VCPU_WATCHES;
}

/* keel_watch_update() - @dr7 has come into force: set or clear VCPU_WATCHES (core/debug.c). Any context on the vCPU's thread. */
void keel_watch_update(struct vcpu *vcpu, u64 dr7);

/* Guest values, or the launcher's, to DR0-3, and no breakpoint enabled (core/debug.c). Interrupts off, right before the entry. */
void keel_dr_load(const struct vcpu *vcpu);

/* ---- who wrote it (core/explain.c): an ioctl has written @groups ---- */
void keel_origin_note(struct vcpu *vcpu, enum vcpu_ioctl by, u32 groups);
void keel_origin_note_msr(struct vcpu *vcpu, u32 msr);
void keel_origin_forget(struct vcpu *vcpu);
/* The entry (@what) was refused for this; names the ioctl that wrote it, unless the guest has run since. */
void keel_explain_rule(struct vcpu *vcpu, const char *what, const struct violation *v);

/* ---- events (core/inject.c) ---------------------------------------------------------------------------------- */

void keel_queue_exception(struct vcpu *vcpu, u8 vector);
void keel_queue_exception_error(struct vcpu *vcpu, u8 vector, u32 error);
void keel_queue_page_fault(struct vcpu *vcpu, u64 cr2, u32 error);
void keel_queue_debug(struct vcpu *vcpu, u64 dr6_bits);
void keel_queue_nmi(struct vcpu *vcpu);			/* any thread */
void keel_apply_payload(struct vcpu *vcpu);
void keel_instruction_done(struct vcpu *vcpu, u64 rflags);
/* The backend found an event interrupted in its delivery (EXITINTINFO, IDT-vectoring information). */
void keel_event_interrupted(struct vcpu *vcpu, const struct event *event);
/* Choose and hand over what goes in at this entry; opens windows for what must wait. Interrupts off. */
void keel_events_prepare(struct vcpu *vcpu);
/* Leave the guest again before its first instruction, whatever goes in. On its own CPU, interrupts off. */
void keel_exit_at_once(struct vcpu *vcpu);
bool keel_irq_allowed(struct vcpu *vcpu);		/* RFLAGS.IF and no shadow */
bool keel_vcpu_has_events(struct vcpu *vcpu);		/* something would wake it from HLT */

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What core/inject.c needs of the kernel and of the rooms around it, for its unit test in user space, on one thread: the members of struct vcpu and
 * struct vm that it uses, and no others. Included before anything else, so that the guards keep the real headers out.
 */
#ifndef CORE_INJECT_SHIM_H
#define CORE_INJECT_SHIM_H

#define KEEL_IRQ_H
#define KEEL_VCPU_H
#define KEEL_VENDOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <keel/emulate_types.h>

#define BIT(n)			(1ULL << (n))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define noinline		__attribute__((noinline))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define smp_mb__before_atomic()	do { } while (0)
#define EFER_LMA		BIT(10)

enum {
	X86_TRAP_DE = 0, X86_TRAP_DB = 1, X86_TRAP_NMI = 2, X86_TRAP_BP = 3, X86_TRAP_OF = 4, X86_TRAP_UD = 6, X86_TRAP_DF = 8,
	X86_TRAP_TS = 10, X86_TRAP_NP = 11, X86_TRAP_SS = 12, X86_TRAP_GP = 13, X86_TRAP_PF = 14, X86_TRAP_MC = 18, X86_TRAP_CP = 21,
};

typedef struct { int counter; } atomic_t;
#define atomic_read(v)		((v)->counter)
#define atomic_dec(v)		((v)->counter--)
#define atomic_add_unless(v, n, u)	((v)->counter == (u) ? false : ((v)->counter += (n), true))
#define set_bit(n, p)		(*(p) |= BIT(n))
#define smp_send_reschedule(cpu)	((void)(cpu))

#include <keel/events.h>
#include <keel/regs.h>
#include <keel/types.h>

enum irq_mode { IRQCHIP_NONE, IRQCHIP_SPLIT, IRQCHIP_KERNEL };

struct vm {
	enum irq_mode irq_mode;
};

struct vcpu {
	struct vcpu_regs regs;
	struct vcpu_events events;
	struct vm *vm;
	struct kvm_run *run;
	void *lapic;
	unsigned long requests;
	int cpu;
	bool emulates;
	struct { bool accelerated; } apic;
	struct { bool unhalt; } pv;
	struct { u32 control; u64 dr[4], dr7; bool dr_open; } debug;
	struct { u8 watch_hits; } io;
	struct { u64 exception_injections, nmi_injections, irq_injections; } stats;
};

struct vendor_ops {
	void (*regs_fetch)(struct vcpu *vcpu, u32 groups);
	void (*inject)(struct vcpu *vcpu, const struct event *event);
	void (*windows)(struct vcpu *vcpu, u32 windows);
	void (*nmi_masked_changed)(struct vcpu *vcpu);
};

#define WINDOW_IRQ	BIT(0)
#define WINDOW_NMI	BIT(1)
#define WINDOW_TPR_SHIFT	4
extern const struct vendor_ops *keel_vendor;
static const struct { bool tpr_shadow; } keel_caps;

bool keel_lapic_takes_extint(struct vcpu *vcpu);
int keel_irq_pending(struct vcpu *vcpu);
int keel_irq_ack(struct vcpu *vcpu);
int keel_irq_blocked_by_tpr(struct vcpu *vcpu);
void keel_lapic_accel_sync(struct vcpu *vcpu, struct lapic_levels *levels);
bool keel_lapic_accel_deliverable(struct vcpu *vcpu);

#endif

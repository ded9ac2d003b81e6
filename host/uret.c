// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the kernel itself never uses but user mode does: the guest's value stays while the kernel runs, so that an exit to the
 * kernel costs nothing. The end of KVM_RUN brings the host's back (keel_host_uret_leave()). A thread that gives up its CPU leaves that
 * to whoever returns to user mode there first (keel_host_uret_defer(), a user-return notifier): most often the vCPU is back before.
 *
 * All state is per CPU and touched on that CPU. A guest's value is written with interrupts off. The host's may be brought back with
 * interrupts on, preemption off: an interrupt that does the same in the midst of it writes the same values. A CPU that goes away, or
 * whose last VM has gone, gets its values back and its notifier is taken off: it might come back with other values in the MSRs, or
 * after the module.
 */
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/user-return-notifier.h>
#include <asm/msr.h>
#include <keel/host.h>
#include "internal.h"

/* @current_value differs from @host only while @changed, and only once @host has been read. */
struct uret_msr {
	u64 host;
	u64 current_value;
};

struct uret_cpu {
	struct user_return_notifier urn;
	bool registered;
	bool aux_known;			/* the host's TSC_AUX has been read */
	bool syscall_known;		/* and the others */
	bool changed;			/* one of them may have a guest's value */
	struct uret_msr aux, star, lstar, syscall_mask;
};

static DEFINE_PER_CPU(struct uret_cpu, uret_cpus);

static __always_inline void have(struct uret_msr *msr, u32 index, u64 val)
{
	if (msr->current_value == val)
		return;
	native_wrmsrl(index, val);
	msr->current_value = val;
}

static void learn(struct uret_msr *msr, u32 index)
{
	rdmsrl(index, msr->host);
	msr->current_value = msr->host;
}

/* A CPU without TSC_AUX has 0 in both. */
static __always_inline void restore_host(struct uret_cpu *cpu)
{
	have(&cpu->aux, MSR_TSC_AUX, cpu->aux.host);
	have(&cpu->star, MSR_STAR, cpu->star.host);
	have(&cpu->lstar, MSR_LSTAR, cpu->lstar.host);
	have(&cpu->syscall_mask, MSR_SYSCALL_MASK, cpu->syscall_mask.host);
	cpu->changed = false;
}

static void on_user_return(struct user_return_notifier *urn)
{
	struct uret_cpu *cpu = container_of(urn, struct uret_cpu, urn);
	unsigned long flags;

	/* host_uret_drop() may come in between */
	local_irq_save(flags);
	if (cpu->registered) {
		cpu->registered = false;
		user_return_notifier_unregister(urn);
	}
	restore_host(cpu);
	local_irq_restore(flags);
}

static noinline void change_tsc_aux(u64 guest_value)
{
	struct uret_cpu *cpu;
	unsigned long flags;

	local_irq_save(flags);
	cpu = this_cpu_ptr(&uret_cpus);
	if (!cpu->aux_known)
		learn(&cpu->aux, MSR_TSC_AUX);
	cpu->aux_known = true;
	cpu->changed = true;
	have(&cpu->aux, MSR_TSC_AUX, guest_value);
	local_irq_restore(flags);
}

void keel_host_uret_tsc_aux(u64 guest_value)
{
	if (unlikely(__this_cpu_read(uret_cpus.aux.current_value) != guest_value || !__this_cpu_read(uret_cpus.aux_known)))
		change_tsc_aux(guest_value);
}

static noinline void learn_syscall(struct uret_cpu *cpu, u64 star, u64 lstar, u64 sfmask)
{
	learn(&cpu->star, MSR_STAR);
	learn(&cpu->lstar, MSR_LSTAR);
	learn(&cpu->syscall_mask, MSR_SYSCALL_MASK);
	cpu->syscall_known = true;
	keel_host_uret_syscall(star, lstar, sfmask);
}

void keel_host_uret_syscall(u64 star, u64 lstar, u64 sfmask)
{
	struct uret_cpu *cpu = this_cpu_ptr(&uret_cpus);

	if (unlikely(!cpu->syscall_known)) {
		learn_syscall(cpu, star, lstar, sfmask);
		return;
	}
	cpu->changed = true;
	have(&cpu->star, MSR_STAR, star);
	have(&cpu->lstar, MSR_LSTAR, lstar);
	have(&cpu->syscall_mask, MSR_SYSCALL_MASK, sfmask);
}

void keel_host_uret_leave(void)
{
	struct uret_cpu *cpu = this_cpu_ptr(&uret_cpus);

	if (cpu->changed)
		restore_host(cpu);
}

void keel_host_uret_defer(void)
{
	struct uret_cpu *cpu = this_cpu_ptr(&uret_cpus);

	if (!cpu->changed || cpu->registered)
		return;
	cpu->registered = true;
	user_return_notifier_register(&cpu->urn);
}

void __init keel_host_uret_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu_ptr(&uret_cpus, cpu)->urn.on_user_return = on_user_return;
}

/**
 * host_uret_drop() - bring back this CPU's own values, and read them anew next time
 *
 * Context: on the CPU, interrupts off, not in an NMI.
 */
void host_uret_drop(void)
{
	struct uret_cpu *cpu = this_cpu_ptr(&uret_cpus);

	on_user_return(&cpu->urn);
	cpu->aux_known = false;
	cpu->syscall_known = false;
}

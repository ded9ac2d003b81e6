// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the kernel itself never uses but user mode does: the guest's value may stay while the kernel runs, and the host's
 * comes back just before a task returns to user mode (user-return notifier), so that an exit to the kernel costs nothing.
 *
 * All state is per CPU and touched on that CPU with interrupts off. A CPU that goes away, or whose last VM has gone, gets its values
 * back and its notifier is taken off: it might come back with other values in the MSRs, or after the module.
 */
#include <linux/bits.h>
#include <linux/percpu.h>
#include <linux/smp.h>
#include <linux/user-return-notifier.h>
#include <asm/msr.h>
#include <keel/host.h>
#include "internal.h"

enum uret_slot { URET_TSC_AUX, URET_STAR, URET_LSTAR, URET_SYSCALL_MASK, NR_URET_SLOTS };

static const u32 slot_msr[NR_URET_SLOTS] = {
	[URET_TSC_AUX]		= MSR_TSC_AUX,
	[URET_STAR]		= MSR_STAR,
	[URET_LSTAR]		= MSR_LSTAR,
	[URET_SYSCALL_MASK]	= MSR_SYSCALL_MASK,
};

struct uret_cpu {
	struct user_return_notifier urn;
	bool registered;
	u32 known;			/* slots whose host value has been read */
	u32 changed;			/* of these, slots that have another value now */
	u64 host[NR_URET_SLOTS];
	u64 current_value[NR_URET_SLOTS];
};

static DEFINE_PER_CPU(struct uret_cpu, uret_cpus);

static void restore_host(struct uret_cpu *cpu)
{
	unsigned int slot;
	u32 left;

	for (left = cpu->changed; left; left &= left - 1) {
		slot = __ffs(left);
		wrmsrl(slot_msr[slot], cpu->host[slot]);
		cpu->current_value[slot] = cpu->host[slot];
	}
	cpu->changed = 0;
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
		restore_host(cpu);
	}
	local_irq_restore(flags);
}

/* Interrupts off. */
static __always_inline void change(struct uret_cpu *cpu, enum uret_slot slot, u64 guest_value)
{
	if (unlikely(!(cpu->known & BIT(slot)))) {
		rdmsrl(slot_msr[slot], cpu->host[slot]);
		cpu->current_value[slot] = cpu->host[slot];
		cpu->known |= BIT(slot);
	}
	if (cpu->current_value[slot] == guest_value)
		return;
	wrmsrl(slot_msr[slot], guest_value);
	cpu->current_value[slot] = guest_value;
	cpu->changed |= BIT(slot);
	if (!cpu->registered) {
		cpu->registered = true;
		user_return_notifier_register(&cpu->urn);
	}
}

static noinline void change_tsc_aux(u64 guest_value)
{
	unsigned long flags;

	local_irq_save(flags);
	change(this_cpu_ptr(&uret_cpus), URET_TSC_AUX, guest_value);
	local_irq_restore(flags);
}

void keel_host_uret_tsc_aux(u64 guest_value)
{
	if (unlikely(__this_cpu_read(uret_cpus.current_value[URET_TSC_AUX]) != guest_value ||
		     !(__this_cpu_read(uret_cpus.known) & BIT(URET_TSC_AUX))))
		change_tsc_aux(guest_value);
}

void keel_host_uret_syscall(u64 star, u64 lstar, u64 sfmask)
{
	struct uret_cpu *cpu = this_cpu_ptr(&uret_cpus);

	change(cpu, URET_STAR, star);
	change(cpu, URET_LSTAR, lstar);
	change(cpu, URET_SYSCALL_MASK, sfmask);
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
	cpu->known = 0;
}

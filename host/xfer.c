// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel wants to do before a task enters guest mode, and what it must be told about the time in it.
 *
 * The only file that includes <linux/kvm_host.h>. Where the kernel's entry work takes a struct kvm_vcpu, it uses it to note
 * that a signal ended the run, in two members: one dummy, shared by all, takes these notes. Nobody reads them.
 */
#include <linux/context_tracking.h>
#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vtime.h>
#include <keel/host.h>
#include "keel_have.h"

bool keel_host_work_pending(void)
{
	/* also asked with interrupts on, as a hint: the last look before an entry is with them off */
	return __xfer_to_guest_mode_work_pending();
}

#ifdef KEEL_HAVE_XFER_VCPU
static struct kvm_run dummy_run;
static struct kvm_vcpu dummy_vcpu = {
	.run = &dummy_run,
};

int keel_host_do_work(void)
{
	return xfer_to_guest_mode_handle_work(&dummy_vcpu);
}
#else
int keel_host_do_work(void)
{
	return xfer_to_guest_mode_handle_work();
}
#endif

static DEFINE_PER_CPU(unsigned long, noted_jiffies);

/*
 * A vCPU that does nothing but run must still count as quiescent for RCU. Once a tick is enough, as for a task in user mode, and
 * every tick ends the inner loop; without a tick (nohz_full) context tracking is on, and the backend announces every entry.
 */
void keel_host_note_quiescent(void)
{
	unsigned long now = jiffies;

	if (likely(__this_cpu_read(noted_jiffies) == now))
		return;
	__this_cpu_write(noted_jiffies, now);
#ifdef KEEL_HAVE_RCU_NOTE_CPU
	rcu_virt_note_context_switch(smp_processor_id());
#else
	rcu_virt_note_context_switch();
#endif
}

void keel_host_guest_time_begin(void)
{
	vtime_account_guest_enter();
}

/* Interrupts are on: the tick that ended guest mode has been taken, with PF_VCPU still set. */
void keel_host_guest_time_end(void)
{
	if (vtime_accounting_enabled_this_cpu()) {
		local_irq_disable();
		vtime_account_guest_exit();
		local_irq_enable();
	} else {
		current->flags &= ~PF_VCPU;
	}
}

u64 keel_host_run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

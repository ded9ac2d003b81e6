// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel wants to do before a task enters guest mode, and what it must be told about the time in it.
 *
 * The only file that includes <linux/kvm_host.h>. Where the kernel's entry work takes a struct kvm_vcpu, it uses it to note
 * that a signal ended the run, in two members: one dummy, shared by all, takes these notes. Nobody reads them.
 */
#include <linux/context_tracking.h>
#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/vtime.h>
#include <keel/entry_work.h>
#include <keel/host.h>
#include "keel_have.h"

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

DEFINE_PER_CPU(unsigned long, keel_host_noted_jiffies);

void keel_host_note_tick(unsigned long now)
{
	__this_cpu_write(keel_host_noted_jiffies, now);
#ifdef KEEL_HAVE_RCU_NOTE_CPU
	rcu_virt_note_context_switch(smp_processor_id());
#else
	rcu_virt_note_context_switch();
#endif
}

void keel_host_guest_time_account(void)
{
	local_irq_disable();
	vtime_account_guest_exit();
	local_irq_enable();
}

u64 keel_host_run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

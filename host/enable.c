// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns SVM or VMX on this machine.
 *
 * Virtualization is on, on every CPU, while at least one VM exists, and off otherwise, so that another hypervisor module can
 * have it in between. Ownership is the CPU-hotplug state that the kernel reserves for KVM: who holds it keeps the other
 * out, and its callbacks run where a CPU may still (or already) be switched. Then each CPU's hardware is looked at, for owners
 * that know nothing of that state.
 *
 * While a VM exists the kernel's scheduler also looks for preemption notifiers at every context
 * switch.
 *
 * One mutex guards the user count. keel_host_enabled is per CPU, written on that CPU with interrupts off; the run loop reads it
 * with interrupts off before each entry, so that a CPU that is going away or a machine that is going down is left in time.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <linux/workqueue.h>
#include <asm/reboot.h>
#include <keel/entry_work.h>
#include <keel/host.h>
#include <keel/host_mode.h>
#include <keel/vendor.h>
#include "internal.h"
#include "keel_have.h"

#ifdef KEEL_HAVE_CPUHP_KVM_ONLINE
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_ONLINE
#else
#define KEEL_CPUHP_STATE	CPUHP_AP_KVM_STARTING
#endif

static const struct vendor_ops *enable_ops;
static const char *rival;			/* name of KVM's module for this vendor, for messages */
static DEFINE_MUTEX(enable_lock);
static unsigned int users;			/* VMs; enable_lock */
static bool callback_held;			/* the crash callback is registered; enable_lock */
static bool notifiers_held;			/* the key of the preemption notifiers; enable_lock */
static bool going_down;				/* reboot: stays set */
DEFINE_PER_CPU(bool, keel_host_enabled);

/* Result of one pass over all CPUs. */
struct enable_pass {
	atomic_t busy_cpu;			/* CPU number + 1 with another owner, 0 for none */
	atomic_t failed_cpu;			/* CPU number + 1 that could not be switched, 0 for none */
};

/* On the CPU, interrupts off. @comes: it is coming online. */
static int enable_this_cpu(bool comes)
{
	int ret;

	if (keel_host_cpu_enabled())
		return 0;
	if (READ_ONCE(going_down))
		return -EIO;
	if (enable_ops->cpu_busy())
		return -EBUSY;
	ret = keel_host_mode_check_cpu(comes);
	if (!ret)
		ret = enable_ops->cpu_enable();
	if (!ret)
		__this_cpu_write(keel_host_enabled, true);
	return ret;
}

/* On the CPU, interrupts off. */
static void disable_this_cpu(void)
{
	if (!keel_host_cpu_enabled())
		return;
	__this_cpu_write(keel_host_enabled, false);
	barrier();
	enable_ops->cpu_disable();
}

static void enable_ipi(void *data)
{
	struct enable_pass *pass = data;
	int cpu = smp_processor_id();
	int ret = enable_this_cpu(false);

	if (ret == -EBUSY)
		atomic_cmpxchg(&pass->busy_cpu, 0, cpu + 1);
	else if (ret)
		atomic_cmpxchg(&pass->failed_cpu, 0, cpu + 1);
}

static void disable_ipi(void *unused)
{
	disable_this_cpu();
	host_uret_drop();
}

/* ---- CPU hotplug ---- */

static int cpu_comes(unsigned int cpu)
{
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = enable_this_cpu(true);
	local_irq_restore(flags);
	if (ret)
		pr_err("CPU %u comes online without virtualization (%d); vCPUs on it get -EIO\n", cpu, ret);
#ifdef KEEL_HAVE_CPUHP_KVM_ONLINE
	return ret;
#else
	return 0;		/* this early a CPU can no longer be refused */
#endif
}

static int cpu_goes(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	disable_this_cpu();
	host_uret_drop();
	local_irq_restore(flags);
	return 0;
}

/* ---- suspend and resume: one CPU is left ---- */

static int enable_suspend(void)
{
	disable_this_cpu();
	host_uret_drop();
	return 0;
}

static void enable_resume(void)
{
	if (READ_ONCE(users) && enable_this_cpu(false))
		pr_err("virtualization did not come back after suspend; vCPUs get -EIO\n");
}

static struct syscore_ops enable_syscore = {
	.suspend	= enable_suspend,
	.resume		= enable_resume,
};

/*
 * ---- reboot, halt, power-off, kexec: all CPUs are still there ----
 *
 * Not as syscore_ops.shutdown: some kernels go on to the next one by kexec without that, and
 * nothing in their headers says so. A CPU must not arrive there in VMX operation, which faults when
 * CR4 is loaded anew and blocks INIT, nor with EFER.SVME set, which looks like another owner.
 */
static int machine_goes_down(struct notifier_block *nb, unsigned long what, void *data)
{
	WRITE_ONCE(going_down, true);
	on_each_cpu(disable_ipi, NULL, 1);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_notifier = {
	.notifier_call = machine_goes_down,
};

/* ---- crash ---- */

/*
 * The kernel has one slot for a crash callback. It is taken before virtualization is turned on anywhere. Giving it back waits for an RCU
 * grace period, and so would a VM that is created meanwhile. That is done by a work item, a moment after the last VM is gone, not once
 * for each of a row of short-lived VMs: until then the callback finds nothing to turn off. KVM's module, which wants the slot, has it
 * when it arrives (module_arrives()). Kernels that turn SVM off in a crash by themselves need no callback for it.
 */
#define CALLBACK_HOLD	(HZ / 50)

#if defined(KEEL_HAVE_EMERGENCY_CALLBACK)
static bool needs_callback(void)
{
#ifdef KEEL_HAVE_EMERGENCY_SVM
	return enable_ops != &keel_svm_ops;
#else
	return true;
#endif
}

/*
 * On each CPU with interrupts off, also in an NMI that came in the midst of anything here: the
 * hardware is asked, not the flag, which follows it. Nobody goes on where this came in.
 */
static void crash_callback(void)
{
	if (enable_ops->cpu_busy())
		enable_ops->cpu_disable();
}

static void callback_hold(void)
{
	if (callback_held || !needs_callback())
		return;
	cpu_emergency_register_virt_callback(crash_callback);
	callback_held = true;
}

static void callback_release(void)
{
	if (!callback_held)
		return;
	cpu_emergency_unregister_virt_callback(crash_callback);
	callback_held = false;
}
#else
static void callback_hold(void) { }
static void callback_release(void) { }
#endif

static void release_work_fn(struct work_struct *work)
{
	mutex_lock(&enable_lock);
	if (!users)
		callback_release();
	mutex_unlock(&enable_lock);
}

static DECLARE_DELAYED_WORK(release_work, release_work_fn);

/* ---- preemption notifiers ---- */

/* Patches the kernel's code, on all CPUs: not once for each of a row of short-lived VMs. Held it costs a look per task switch. */
#define NOTIFIERS_HOLD	(3 * HZ)

static void notifiers_release(struct work_struct *work)
{
	mutex_lock(&enable_lock);
	if (!users && notifiers_held) {
		preempt_notifier_dec();
		notifiers_held = false;
	}
	mutex_unlock(&enable_lock);
}

static DECLARE_DELAYED_WORK(notifiers_work, notifiers_release);

/* ---- on and off ---- */

/* cpus_read_lock held, the hotplug state is ours. */
static int enable_all_cpus(void)
{
	struct enable_pass pass = { };
	int cpu;

	on_each_cpu(enable_ipi, &pass, 1);
	cpu = atomic_read(&pass.busy_cpu);
	if (cpu) {
		pr_err_ratelimited("virtualization is in use by another hypervisor on CPU %d: unload it first (modprobe -r %s, vboxdrv, vmmon)\n",
				   cpu - 1, rival);
		return -EBUSY;
	}
	cpu = atomic_read(&pass.failed_cpu);
	if (cpu) {
		pr_err_ratelimited("virtualization cannot be turned on, on CPU %d: check that the firmware enables it on every CPU\n",
				   cpu - 1);
		return -EIO;
	}
	return 0;
}

/* cpus_read_lock held. */
static void turn_off_locked(void)
{
	on_each_cpu(disable_ipi, NULL, 1);
	cpuhp_remove_state_nocalls_cpuslocked(KEEL_CPUHP_STATE);
	if (callback_held)
		schedule_delayed_work(&release_work, CALLBACK_HOLD);
}

static int turn_on(void)
{
	int ret;

	cpus_read_lock();
	ret = cpuhp_setup_state_nocalls_cpuslocked(KEEL_CPUHP_STATE, "keel:cpu", cpu_comes, cpu_goes);
	if (ret) {
		pr_err_ratelimited("KVM holds virtualization on this machine: unload it first (modprobe -r %s)\n", rival);
		goto unlock;
	}
	callback_hold();
	ret = enable_all_cpus();
	if (ret)
		turn_off_locked();
unlock:
	cpus_read_unlock();
	return ret;
}

static void turn_off(void)
{
	cpus_read_lock();
	turn_off_locked();
	cpus_read_unlock();
	schedule_delayed_work(&notifiers_work, NOTIFIERS_HOLD);
}

int keel_host_enable_get(void)
{
	int ret = 0;

	mutex_lock(&enable_lock);
	if (!users)
		ret = turn_on();
	if (!ret) {
		WRITE_ONCE(users, users + 1);
		if (!notifiers_held)
			preempt_notifier_inc();
		notifiers_held = true;
	}
	mutex_unlock(&enable_lock);
	return ret;
}

void keel_host_enable_put(void)
{
	mutex_lock(&enable_lock);
	WRITE_ONCE(users, users - 1);
	if (!users)
		turn_off();
	mutex_unlock(&enable_lock);
}

/*
 * KVM's vendor module arrives. While VMs of ours run: refuse it here, with a line that says why, before it finds the hotplug
 * state or the crash slot taken and warns. Right after the last of them: let it have the slot.
 */
static int module_arrives(struct notifier_block *nb, unsigned long what, void *data)
{
	const struct module *mod = data;

	if (what != MODULE_STATE_COMING || strcmp(mod->name, rival))
		return NOTIFY_DONE;
	if (!READ_ONCE(users)) {
		flush_delayed_work(&release_work);
		return NOTIFY_DONE;
	}
	pr_err("%s refused: Keel's virtual machines are running; end them first\n", rival);
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block module_notifier = {
	.notifier_call = module_arrives,
};

int __init keel_host_enable_init(const struct vendor_ops *ops)
{
	int ret;

	keel_host_fpu_init();
	enable_ops = ops;
	rival = strcmp(ops->name, "vmx") ? "kvm_amd" : "kvm_intel";
	ret = register_module_notifier(&module_notifier);
	if (ret)
		return ret;
	ret = register_reboot_notifier(&reboot_notifier);
	if (ret) {
		unregister_module_notifier(&module_notifier);
		return ret;
	}
	register_syscore_ops(&enable_syscore);
	return 0;
}

void keel_host_enable_exit(void)
{
	unregister_syscore_ops(&enable_syscore);
	unregister_reboot_notifier(&reboot_notifier);
	unregister_module_notifier(&module_notifier);
	cancel_delayed_work_sync(&release_work);
	cancel_delayed_work_sync(&notifiers_work);
	notifiers_release(NULL);
	mutex_lock(&enable_lock);
	callback_release();
	mutex_unlock(&enable_lock);
}

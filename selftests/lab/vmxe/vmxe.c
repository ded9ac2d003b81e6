// SPDX-License-Identifier: GPL-2.0-only
/*
 * An owner of VMX that Linux knows nothing of, for tests/refuse_owner.sh: sets CR4.VMXE on a CPU as another
 * hypervisor would. What is read and written is the CPU's own bit:
 *
 *   echo CPU >/sys/module/vmxe/parameters/cpu
 *   echo 1 >/sys/module/vmxe/parameters/vmxe
 *
 * or the owner is there first whenever a CPU comes online, before anybody who waits for that:
 *
 *   echo 1 >/sys/module/vmxe/parameters/comes
 */
#include <linux/cpuhotplug.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/tlbflush.h>

static int cpu;
module_param(cpu, int, 0644);
MODULE_PARM_DESC(cpu, "the CPU whose bit parameter vmxe is");

static void set_here(void *on)
{
	if (*(bool *)on)
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
	else
		cr4_clear_bits_irqsoff(X86_CR4_VMXE);
}

static void get_here(void *on)
{
	*(bool *)on = __read_cr4() & X86_CR4_VMXE;
}

static int vmxe_set(const char *text, const struct kernel_param *kp)
{
	bool on;
	int ret = kstrtobool(text, &on);

	return ret ? ret : smp_call_function_single(cpu, set_here, &on, 1);
}

static int vmxe_get(char *buffer, const struct kernel_param *kp)
{
	bool on;
	int ret = smp_call_function_single(cpu, get_here, &on, 1);

	return ret ? ret : sysfs_emit(buffer, "%d\n", on);
}

static const struct kernel_param_ops vmxe_ops = {
	.set	= vmxe_set,
	.get	= vmxe_get,
};

module_param_cb(vmxe, &vmxe_ops, NULL, 0644);
MODULE_PARM_DESC(vmxe, "CR4.VMXE of that CPU");

static bool comes;
module_param(comes, bool, 0644);
MODULE_PARM_DESC(comes, "set CR4.VMXE of every CPU that comes online");

static int cpu_comes(unsigned int unused)
{
	if (READ_ONCE(comes))
		cr4_set_bits_irqsoff(X86_CR4_VMXE);
	return 0;
}

/* A state of other architectures' that comes before those of hypervisors. */
static int __init vmxe_init(void)
{
	return cpuhp_setup_state_nocalls(CPUHP_AP_IRQ_GIC_STARTING, "vmxe:comes", cpu_comes, NULL);
}

static void __exit vmxe_exit(void)
{
	cpuhp_remove_state_nocalls(CPUHP_AP_IRQ_GIC_STARTING);
}

module_init(vmxe_init);
module_exit(vmxe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sets CR4.VMXE for a test");

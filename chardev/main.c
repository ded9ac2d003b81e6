// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: which backend, set-up and undoing in order, and the node /dev/keel.
 *
 * Loading only looks; virtualization is turned on with the first VM (host/enable.c).
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/string.h>
#include <asm/processor.h>
#include <keel/dma.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/shadow.h>
#include <keel/state.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "chardev.h"
#include "dispatch.h"

#define KVM_MINOR	232

static char *alias = "";
module_param(alias, charp, 0444);
MODULE_PARM_DESC(alias, "alias=kvm makes the node /dev/kvm too, when kvm.ko is not loaded");

const struct vendor_ops *keel_vendor;
struct vendor_caps keel_caps;

DEFINE_STATIC_CALL_NULL(keel_vendor_vcpu_load, *((struct vendor_ops *)NULL)->vcpu_load);
DEFINE_STATIC_CALL_NULL(keel_vendor_vcpu_put, *((struct vendor_ops *)NULL)->vcpu_put);
DEFINE_STATIC_CALL_NULL(keel_vendor_enter, *((struct vendor_ops *)NULL)->enter);
DEFINE_STATIC_CALL_NULL(keel_vendor_exit_fast, *((struct vendor_ops *)NULL)->exit_fast);
DEFINE_STATIC_CALL_NULL(keel_vendor_exit_slow, *((struct vendor_ops *)NULL)->exit_slow);

static struct miscdevice keel_node = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "keel",
	.fops	= &keel_dev_fops,
};

static struct miscdevice kvm_node = {
	.minor	= KVM_MINOR,
	.name	= "kvm",
	.fops	= &keel_dev_fops,
};

static bool wants_kvm_node(void)
{
	return !strcmp(alias, "kvm");
}

/* By the maker: its backend's supported() says what is missing. */
static const struct vendor_ops *choose_vendor(void)
{
	switch (boot_cpu_data.x86_vendor) {
	case X86_VENDOR_AMD:
	case X86_VENDOR_HYGON:
		return &keel_svm_ops;
	default:
		return &keel_vmx_ops;
	}
}

static int __init nodes_register(void)
{
	int ret = misc_register(&keel_node);

	if (ret || !wants_kvm_node())
		return ret;
	ret = misc_register(&kvm_node);
	if (ret) {
		pr_err("alias=kvm: /dev/kvm belongs to KVM, unload it first (modprobe -r kvm)\n");
		misc_deregister(&keel_node);
	}
	return ret;
}

static void nodes_deregister(void)
{
	if (wants_kvm_node())
		misc_deregister(&kvm_node);
	misc_deregister(&keel_node);
}

/* What the rooms need before the first VM, in order; undone by rooms_exit(). */
static int __init rooms_init(void)
{
	int ret = keel_core_init();

	if (ret)
		return ret;
	keel_cpuid_module_init();
	ret = keel_clock_module_init();
	if (ret)
		goto err_core;
	ret = keel_irq_module_init();
	if (ret)
		goto err_clock;
	ret = keel_dma_init();
	if (ret)
		goto err_irq;
	keel_host_uret_init();
	return 0;

err_irq:
	keel_irq_module_exit();
err_clock:
	keel_clock_module_exit();
err_core:
	keel_core_exit();
	return ret;
}

static void rooms_exit(void)
{
	keel_dma_exit();
	keel_irq_module_exit();
	keel_clock_module_exit();
	keel_core_exit();
}

static void __init set_vendor(const struct vendor_ops *ops)
{
	keel_vendor = ops;
	static_call_update(keel_vendor_vcpu_load, ops->vcpu_load);
	static_call_update(keel_vendor_vcpu_put, ops->vcpu_put);
	static_call_update(keel_vendor_enter, ops->enter);
	static_call_update(keel_vendor_exit_fast, ops->exit_fast);
	static_call_update(keel_vendor_exit_slow, ops->exit_slow);
}

static int __init keel_init(void)
{
	int ret;

	if (*alias && !wants_kvm_node()) {
		pr_err("alias=%s: only \"kvm\" is known\n", alias);
		return -EINVAL;
	}
	set_vendor(choose_vendor());
	ret = keel_vendor->supported();
	if (ret)
		return ret;

	ret = keel_host_enable_init(keel_vendor);
	if (ret)
		return ret;
	ret = keel_host_bugs_init(keel_vendor);
	if (ret)
		goto err_enable;
	ret = keel_vendor->setup();
	if (ret)
		goto err_bugs;
	ret = rooms_init();
	if (ret)
		goto err_teardown;
	ioctl_table_init(&dev_ioctls);
	ioctl_table_init(&vm_ioctls);
	ioctl_table_init(&vcpu_ioctls);
	ioctl_table_init(&device_ioctls);
	ret = nodes_register();
	if (ret)
		goto err_rooms;
	pr_info("ready on %s with %s paging\n", keel_vendor->name, keel_paging_is_shadow() ? "shadow" : "nested");
	return 0;

err_rooms:
	rooms_exit();
err_teardown:
	keel_vendor->teardown();
err_bugs:
	keel_host_bugs_exit();
err_enable:
	keel_host_enable_exit();
	return ret;
}

static void __exit keel_exit(void)
{
	nodes_deregister();
	rooms_exit();
	keel_vendor->teardown();
	keel_host_bugs_exit();
	keel_host_enable_exit();
}

module_init(keel_init);
module_exit(keel_exit);

MODULE_DESCRIPTION("Keel virtual machine monitor");
MODULE_AUTHOR("The Keel authors");
MODULE_VERSION(KEEL_VERSION);
MODULE_LICENSE("GPL");

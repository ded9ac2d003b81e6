// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA guard's policy: what is done about devices that reach all memory, or will as soon as their bus mastering is on.
 *
 * A VM is refused, or reported, when it is created and when its launcher asks for a policy of its own. What changes later, a device
 * that comes or whose driver comes or goes, is told in the log and stops nothing that runs. Bus mastering is turned on without notice to
 * anybody, which is why a device that only lacks it counts.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <uapi/linux/keel.h>
#include <keel/dma.h>
#include <keel/vm.h>
#include "guard.h"

static char *dma = "off";
module_param(dma, charp, 0444);
MODULE_PARM_DESC(dma, "devices that reach all memory: off (the default), report them, or enforce that no VM is created while there are any");

static const char *const names[] = {
	[KEEL_DMA_POLICY_OFF]		= "off",
	[KEEL_DMA_POLICY_REPORT]	= "report",
	[KEEL_DMA_POLICY_ENFORCE]	= "enforce",
};

static unsigned int module_policy __ro_after_init;
static bool watching;	/* somebody wants to know of changes; never cleared */

/* One line, or none: the first offender, and how many more. Return: is there one? */
static bool offence(char *text, size_t size)
{
	struct keel_dma_device row;
	char first[DMA_TEXT];
	const u32 n = dma_find_offender(&row);

	if (!n)
		return false;
	dma_offence_text(&row, first);
	if (n > 1)
		scnprintf(text, size, "%s (and %u more: keel dma)", first, n - 1);
	else
		strscpy(text, first, size);
	return true;
}

int keel_dma_may_create(void)
{
	char text[DMA_TEXT + 32];

	if (module_policy == KEEL_DMA_POLICY_OFF || !offence(text, sizeof(text)))
		return 0;
	if (module_policy == KEEL_DMA_POLICY_REPORT) {
		pr_warn_ratelimited("a VM is created while %s\n", text);
		return 0;
	}
	pr_err_ratelimited("no VM, as dma=enforce: %s\n", text);
	return -EPERM;
}

int keel_dma_vm_policy(struct vm *vm, u64 policy)
{
	char text[DMA_TEXT + 32];

	if (policy >= ARRAY_SIZE(names))
		return -EINVAL;
	if (policy == KEEL_DMA_POLICY_OFF)
		return 0;
	WRITE_ONCE(watching, true);
	if (!offence(text, sizeof(text)))
		return 0;
	if (policy == KEEL_DMA_POLICY_REPORT) {
		pr_warn_ratelimited("a VM runs while %s\n", text);
		return 0;
	}
	keel_explain(vm, -1, "%s", text);
	return -EPERM;
}

static const char *event_name(unsigned long action)
{
	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		return "a device came";
	case BUS_NOTIFY_BOUND_DRIVER:
		return "a driver came";
	case BUS_NOTIFY_UNBOUND_DRIVER:
		return "a driver went";
	default:
		return NULL;
	}
}

static int device_changed(struct notifier_block *nb, unsigned long action, void *data)
{
	const char *event = event_name(action);
	struct keel_dma_device row;
	char text[DMA_TEXT];

	if (!event || !READ_ONCE(watching))
		return NOTIFY_DONE;
	dma_describe_device(data, &row);
	if (row.exposure == KEEL_DMA_CONFINED)
		return NOTIFY_DONE;
	dma_offence_text(&row, text);
	pr_warn_ratelimited("%s: %s\n", event, text);
	return NOTIFY_DONE;
}

/* The kernel's own notifier, which gives a new device its domain, was registered before. */
static struct notifier_block watch = {
	.notifier_call = device_changed,
};

int keel_dma_init(void)
{
	const int policy = match_string(names, ARRAY_SIZE(names), dma);

	if (policy < 0) {
		pr_err("dma=%s: off, report and enforce are known\n", dma);
		return -EINVAL;
	}
	module_policy = policy;
	watching = policy != KEEL_DMA_POLICY_OFF;
	dma_exclusion_init();
	return bus_register_notifier(&pci_bus_type, &watch);
}

void keel_dma_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &watch);
}

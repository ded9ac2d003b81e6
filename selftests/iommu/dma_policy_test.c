// SPDX-License-Identifier: GPL-2.0-only
/*
 * KEEL_CAP_DMA_POLICY of a VM: enforce is refused exactly where KEEL_GET_DMA has a device that is not confined, in words that name one;
 * report and off never are; other values are unknown. A VM that was refused goes on as any other.
 */
#include <stdbool.h>
#include <linux/kvm.h>
#include <uapi/linux/keel.h>

#include "test.h"
#include "vm.h"

#define ROOM	512u

static struct {
	struct keel_dma_list head;
	struct keel_dma_device devices[ROOM];
} list;

static int set_policy(struct vm *vm, u64 policy, u32 flags)
{
	struct kvm_enable_cap cap = { .cap = KEEL_CAP_DMA_POLICY, .flags = flags, .args = { policy } };

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static bool exposed;	/* one reaches all memory now */

/* Names of those that are not confined, and how many. */
static u32 offenders(const char *text, bool *named)
{
	char name[32];
	u32 n = 0;

	list.head.nr = ROOM;
	dev_ioctl(KEEL_GET_DMA, &list);
	*named = exposed = false;
	for (u32 i = 0; i < list.head.nr; i++) {
		const struct keel_dma_device *d = &list.devices[i];

		if (d->exposure == KEEL_DMA_CONFINED)
			continue;
		n++;
		snprintf(name, sizeof(name), "device %04x:%02x:%02x.%u ", d->segment, d->bus, d->devfn >> 3, d->devfn & 7);
		*named |= !strncmp(text, name, strlen(name));
		exposed |= d->exposure == KEEL_DMA_EXPOSED;
	}
	return n;
}

static void test_enforce(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct keel_last_error error = { };
	bool named;
	u32 n;
	int ret;

	REQUIRE_CAP(KEEL_CAP_DMA_POLICY);
	ret = set_policy(vm, KEEL_DMA_POLICY_ENFORCE, 0);
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &error);
	n = offenders(error.text, &named);
	test_note("%u devices are not confined; '%s'", n, error.text);
	CHECK_RET("enforce", n ? -EPERM : 0, ret);
	CHECK_EQ("explained", !!n, error.count);
	CHECK_EQ("one is named", !!n, named);
	CHECK_EQ("one that reaches all memory now, if there is one", exposed, n && !strstr(error.text, "once its bus mastering is on"));
	CHECK_EQ("a remedy is named", !!n, !!strstr(error.text, "iommu=") || !!strstr(error.text, "noats") || !!strstr(error.text, "unbind"));
	CHECK_RET("the VM is as any other", 0, __vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
}

static void test_others(void)
{
	struct vm *vm = vm_create(VM_BARE);
	struct keel_last_error error = { };

	REQUIRE_CAP(KEEL_CAP_DMA_POLICY);
	CHECK_RET("off", 0, set_policy(vm, KEEL_DMA_POLICY_OFF, 0));
	CHECK_RET("report", 0, set_policy(vm, KEEL_DMA_POLICY_REPORT, 0));
	CHECK_RET("3", -EINVAL, set_policy(vm, 3, 0));
	CHECK_RET("all ones", -EINVAL, set_policy(vm, ~0ull, 0));
	CHECK_RET("2 in the upper half", -EINVAL, set_policy(vm, 2ull << 32, 0));
	CHECK_RET("a flag", -EINVAL, set_policy(vm, KEEL_DMA_POLICY_OFF, 1));
	vm_ioctl(vm, KEEL_GET_LAST_ERROR, &error);
	CHECK_EQ("no failure", 0, error.count);
}

static const struct test_case cases[] = {
	{ "enforce", test_enforce },
	{ "others", test_others },
};

TEST_MAIN(cases)

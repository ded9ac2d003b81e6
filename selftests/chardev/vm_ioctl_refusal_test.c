// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VM's descriptor refuses, and with which errno: bad sizes, flags and
 * reserved fields, wrong order of creation, objects that do not exist, commands
 * of another descriptor. Memory slots have a test of their own.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

static void test_create_vcpu(void)
{
	struct vm *vm = vm_create(VM_BARE);
	int max_id = has_cap(KVM_CAP_MAX_VCPU_ID);

	CHECK_RET("id at the limit", -EINVAL, __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(long)max_id));
	CHECK_RET("id 0xffffffff", -EINVAL, __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)0xffffffffL));
	CHECK_RET("id -1", -EINVAL, __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)-1L));
	vcpu_create(vm, 0);
	CHECK_RET("duplicate id", -EEXIST, __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)0));
	vcpu_create(vm, max_id - 1);
	CHECK_RET("duplicate of the highest id", -EEXIST,
		  __vm_ioctl(vm, KVM_CREATE_VCPU, (void *)(long)(max_id - 1)));
}

/* Wrong order: what must come before the first vCPU, or only once. */
static void test_order(void)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *vm = vm_create(VM_BARE);
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_pit_state2 ps;
	struct kvm_irq_level line = { .irq = 1 };
	struct kvm_reinject_control rc = { 0 };
	u64 addr = 0xfffbc000;

	CHECK_RET("GET_IRQCHIP without", -ENXIO, __vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	CHECK_RET("SET_IRQCHIP without", -ENXIO, __vm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	CHECK_RET("GET_PIT2 without", -ENXIO, __vm_ioctl(vm, KVM_GET_PIT2, &ps));
	memset(&ps, 0, sizeof(ps));
	CHECK_RET("SET_PIT2 without", -ENXIO, __vm_ioctl(vm, KVM_SET_PIT2, &ps));
	CHECK_RET("GET_PIT without", -ENXIO, __vm_ioctl(vm, KVM_GET_PIT, &ps));
	CHECK_RET("SET_PIT without", -ENXIO, __vm_ioctl(vm, KVM_SET_PIT, &ps));
	CHECK_RET("REINJECT_CONTROL without", -ENXIO, __vm_ioctl(vm, KVM_REINJECT_CONTROL, &rc));
	CHECK_RET("IRQ_LINE without", -ENXIO, __vm_ioctl(vm, KVM_IRQ_LINE, &line));
	CHECK_RET("SET_BOOT_CPU_ID", 0, __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)0));
	CHECK_RET("CREATE_IRQCHIP", 0, __vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
	CHECK_RET("CREATE_IRQCHIP twice", -EEXIST, __vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
	CHECK_RET("CREATE_PIT2", 0, __vm_ioctl(vm, KVM_CREATE_PIT2, &pit));
	CHECK_RET("CREATE_PIT2 twice", -EEXIST, __vm_ioctl(vm, KVM_CREATE_PIT2, &pit));
	CHECK_RET("CREATE_PIT after it", -EEXIST, __vm_ioctl(vm, KVM_CREATE_PIT, NULL));
	CHECK_RET("SET_IDENTITY_MAP_ADDR", 0, __vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	vcpu_create(vm, 0);
	CHECK_RET("SET_BOOT_CPU_ID after a vCPU", -EBUSY, __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)0));
	CHECK_RET("SET_IDENTITY_MAP_ADDR after a vCPU", -EINVAL,
		  __vm_ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	vm = vm_create(VM_BARE);
	vcpu_create(vm, 0);
	CHECK_RET("CREATE_IRQCHIP after a vCPU", -EINVAL, __vm_ioctl(vm, KVM_CREATE_IRQCHIP, NULL));
}

static void test_chips(void)
{
	struct vm *vm = vm_create(VM_PIT);
	struct kvm_irqchip chip = { .chip_id = 3 };
	struct kvm_irq_level line = { .irq = 1000, .level = 1 };

	CHECK_RET("GET_IRQCHIP of chip 3", -EINVAL, __vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	CHECK_RET("SET_IRQCHIP of chip 3", -EINVAL, __vm_ioctl(vm, KVM_SET_IRQCHIP, &chip));
	chip.chip_id = 0xffffffff;
	CHECK_RET("GET_IRQCHIP of chip -1", -EINVAL, __vm_ioctl(vm, KVM_GET_IRQCHIP, &chip));
	CHECK_RET("IRQ_LINE of a GSI without route", 0, __vm_ioctl(vm, KVM_IRQ_LINE, &line));
	line.irq = 0xffffffff;
	CHECK_RET("IRQ_LINE of GSI -1", 0, __vm_ioctl(vm, KVM_IRQ_LINE, &line));
	CHECK_RET("SET_TSS_ADDR at the end of 4 GB", -EINVAL,
		  __vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)0xfffff000UL));
	CHECK_RET("SET_TSS_ADDR beyond 4 GB", -EINVAL,
		  __vm_ioctl(vm, KVM_SET_TSS_ADDR, (void *)0x100000000UL));
}

struct routing {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry e[2];
};

static int set_routing(struct vm *vm, struct routing r)
{
	return __vm_ioctl(vm, KVM_SET_GSI_ROUTING, &r);
}

static void test_routing(void)
{
	struct vm *bare = vm_create(VM_BARE), *vm = vm_create(VM_IRQCHIP);
	const struct kvm_irq_routing_entry msi = { .gsi = 5, .type = KVM_IRQ_ROUTING_MSI,
						   .u.msi.address_lo = 0xfee00000 };
	const struct kvm_irq_routing_entry pin = { .gsi = 6, .type = KVM_IRQ_ROUTING_IRQCHIP,
						   .u.irqchip = { .irqchip = 2, .pin = 6 } };
	struct routing r = { .head.nr = 1, .e[0] = msi };

	CHECK_RET("no irqchip", -EINVAL, set_routing(bare, r));
	CHECK_RET("one MSI", 0, set_routing(vm, r));
	r.head.flags = 1;
	CHECK_RET("flags of the table", -EINVAL, set_routing(vm, r));
	r.head.flags = 0;
	r.e[0].flags = 0x100;
	CHECK_RET("flags of an entry", -EINVAL, set_routing(vm, r));
	r.e[0] = msi;
	r.e[0].type = 99;
	CHECK_RET("type 99", -EINVAL, set_routing(vm, r));
	r.e[0] = msi;
	r.e[0].gsi = 100000;
	CHECK_RET("GSI 100000", -EINVAL, set_routing(vm, r));
	r.e[0] = pin;
	r.e[0].u.irqchip.pin = 24;
	CHECK_RET("pin 24 of the I/O APIC", -EINVAL, set_routing(vm, r));
	r.e[0] = pin;
	r.e[0].u.irqchip.irqchip = 3;
	CHECK_RET("chip 3", -EINVAL, set_routing(vm, r));
	r.e[0].u.irqchip = (struct kvm_irq_routing_irqchip){ .irqchip = 1, .pin = 8 };
	CHECK_RET("pin 8 of the second 8259", -EINVAL, set_routing(vm, r));
	r.head.nr = 2;
	r.e[0] = msi;
	r.e[1] = msi;
	CHECK_RET("the same MSI GSI twice", -EINVAL, set_routing(vm, r));
	r.e[0] = pin;
	r.e[1] = pin;
	CHECK_RET("the same pin twice", -EINVAL, set_routing(vm, r));
	r.head.nr = 4097;
	CHECK_RET("4097 entries", -EINVAL, set_routing(vm, r));
	r.head.nr = 0xffffffff;
	CHECK_RET("2^32 - 1 entries", -EINVAL, set_routing(vm, r));
	r.head.nr = 0;
	CHECK_RET("none", 0, set_routing(vm, r));
}

static int irqfd(struct vm *vm, struct kvm_irqfd i)
{
	return __vm_ioctl(vm, KVM_IRQFD, &i);
}

static void test_irqfd(void)
{
	struct vm *bare = vm_create(VM_BARE), *vm = vm_create(VM_IRQCHIP), *other = vm_create(VM_IRQCHIP);
	u32 fd = eventfd(0, 0), fd2 = eventfd(0, 0), res = KVM_IRQFD_FLAG_RESAMPLE;
	u32 off = KVM_IRQFD_FLAG_DEASSIGN;

	CHECK_RET("no irqchip", -EINVAL, irqfd(bare, (struct kvm_irqfd){ .fd = fd, .gsi = 5 }));
	CHECK_RET("flags", -EINVAL, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5, .flags = 4 }));
	CHECK_RET("no descriptor", -EBADF, irqfd(vm, (struct kvm_irqfd){ .fd = 999, .gsi = 5 }));
	CHECK_RET("no eventfd", -EINVAL, irqfd(vm, (struct kvm_irqfd){ .fd = vm->fd, .gsi = 5 }));
	CHECK_RET("resample: no descriptor", -EBADF,
		  irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5, .flags = res, .resamplefd = 999 }));
	CHECK_RET("assign", 0, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5 }));
	CHECK_RET("the same descriptor again", -EBUSY, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 6 }));
	/* stock KVM: EBUSY from 6.18 on */
	if (!dev_is_kvm())
		CHECK_RET("the same in another VM", 0, irqfd(other, (struct kvm_irqfd){ .fd = fd, .gsi = 5 }));
	CHECK_RET("another on the same GSI", 0, irqfd(vm, (struct kvm_irqfd){ .fd = fd2, .gsi = 5 }));
	CHECK_RET("deassign", 0, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5, .flags = off }));
	CHECK_RET("deassign what is not", 0, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5, .flags = off }));
	CHECK_RET("assign again", 0, irqfd(vm, (struct kvm_irqfd){ .fd = fd, .gsi = 5 }));
}

static int ioeventfd(struct vm *vm, struct kvm_ioeventfd i)
{
	return __vm_ioctl(vm, KVM_IOEVENTFD, &i);
}

static void test_ioeventfd(void)
{
	struct vm *vm = vm_create(VM_BARE);
	int fd = eventfd(0, 0), fd2 = eventfd(0, 0);
	u32 match = KVM_IOEVENTFD_FLAG_DATAMATCH, off = KVM_IOEVENTFD_FLAG_DEASSIGN;

	CHECK_RET("length 3", -EINVAL, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 3 }));
	CHECK_RET("length 16", -EINVAL, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 16 }));
	CHECK_RET("wraps", -EINVAL, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = -2, .len = 4 }));
	CHECK_RET("flags", -EINVAL,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 4, .flags = 1 << 10 }));
	CHECK_RET("no length but a value", -EINVAL,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 0, .flags = match }));
	CHECK_RET("no descriptor", -EBADF, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = 999, .addr = 16, .len = 4 }));
	CHECK_RET("descriptor -1", -EBADF, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = -1, .addr = 16, .len = 4 }));
	CHECK_RET("no eventfd", -EINVAL, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = vm->fd, .addr = 16, .len = 4 }));
	CHECK_RET("assign", 0, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 4 }));
	CHECK_RET("twice", -EEXIST, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd2, .addr = 16, .len = 4 }));
	CHECK_RET("same address, a value", -EEXIST,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd2, .addr = 16, .len = 4, .flags = match }));
	CHECK_RET("deassign another length", -ENOENT,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 2, .flags = off }));
	CHECK_RET("deassign another descriptor", -ENOENT,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd2, .addr = 16, .len = 4, .flags = off }));
	CHECK_RET("deassign", 0, ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 4, .flags = off }));
	CHECK_RET("deassign again", -ENOENT,
		  ioeventfd(vm, (struct kvm_ioeventfd){ .fd = fd, .addr = 16, .len = 4, .flags = off }));
}

static int enable(struct vm *vm, u32 cap, u32 flags, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .flags = flags, .args = { arg } };

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &c);
}

/* A number that no vCPU can have is no boot CPU; 6.1's KVM takes any. */
static void test_boot_cpu_id(void)
{
	struct vm *vm = vm_create(VM_BARE);
	long max = has_cap(KVM_CAP_MAX_VCPU_ID);
	const struct { const char *name; long id; } rows[] = {
		{ "above the limit", max + 1 },
		{ "0xffffffff", 0xffffffffL },
		{ "bit 32", 1L << 32 },
		{ "-1", -1L },
	};

	REQUIRE(!dev_is_kvm() || __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)(max + 1)) == -EINVAL,
		"not this KVM");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, -EINVAL, __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)rows[i].id));
	CHECK_RET("one that can be", 0, __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)5L));
	CHECK_RET("MAX_VCPU_ID below it", -EINVAL, enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 4));
	CHECK_RET("MAX_VCPU_ID above it", 0, enable(vm, KVM_CAP_MAX_VCPU_ID, 0, 8));
	CHECK_RET("above the VM's limit", -EINVAL, __vm_ioctl(vm, KVM_SET_BOOT_CPU_ID, (void *)9L));
}

static void test_enable_cap(void)
{
	struct vm *vm = vm_create(VM_BARE), *with = vm_create(VM_IRQCHIP);

	CHECK_RET("unknown", -EINVAL, enable(vm, 0x7fffffff, 0, 0));
	CHECK_RET("SPLIT_IRQCHIP with 5000 pins", -EINVAL, enable(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 5000));
	CHECK_RET("SPLIT_IRQCHIP with flags", -EINVAL, enable(vm, KVM_CAP_SPLIT_IRQCHIP, 1, 24));
	CHECK_RET("SPLIT_IRQCHIP after an irqchip", -EEXIST, enable(with, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
	CHECK_RET("MANUAL_DIRTY_LOG_PROTECT2, unknown bits", -EINVAL,
		  enable(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0, 8));
	CHECK_RET("MANUAL_DIRTY_LOG_PROTECT2 with flags", -EINVAL,
		  enable(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1, 1));
	CHECK_RET("X2APIC_API, unknown bits", -EINVAL, enable(vm, KVM_CAP_X2APIC_API, 0, 4));
	CHECK_RET("X86_DISABLE_EXITS, unknown bits", -EINVAL, enable(vm, KVM_CAP_X86_DISABLE_EXITS, 0, 0x100));
	CHECK_RET("X86_USER_SPACE_MSR, unknown bits", -EINVAL, enable(vm, KVM_CAP_X86_USER_SPACE_MSR, 0, 0x100));
	vcpu_create(vm, 0);
	CHECK_RET("SPLIT_IRQCHIP after a vCPU", -EEXIST, enable(vm, KVM_CAP_SPLIT_IRQCHIP, 0, 24));
}

static void test_misc(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP), *bare = vm_create(VM_BARE);
	struct kvm_create_device dev = { .type = 9999 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .flags = 0x100 };
	struct kvm_coalesced_mmio_zone zone = { .addr = 0x1000, .size = 16, .pio = 2 };
	struct kvm_clock_data clock = { .flags = 0x80 };
	struct kvm_msr_filter filter = { .flags = 0x80 };

	CHECK_RET("SET_NR_MMU_PAGES of 0", -EINVAL, __vm_ioctl(vm, KVM_SET_NR_MMU_PAGES, (void *)0));
	CHECK_RET("SET_NR_MMU_PAGES of 63", -EINVAL, __vm_ioctl(vm, KVM_SET_NR_MMU_PAGES, (void *)63));
	CHECK_RET("SET_NR_MMU_PAGES of 64", 0, __vm_ioctl(vm, KVM_SET_NR_MMU_PAGES, (void *)64));
	CHECK_RET("CREATE_DEVICE of an unknown type", -ENODEV, __vm_ioctl(vm, KVM_CREATE_DEVICE, &dev));
	CHECK_RET("SIGNAL_MSI with flags", -EINVAL, __vm_ioctl(vm, KVM_SIGNAL_MSI, &msi));
	msi.flags = 0;
	CHECK_RET("SIGNAL_MSI without an irqchip", -EINVAL, __vm_ioctl(bare, KVM_SIGNAL_MSI, &msi));
	CHECK_RET("coalesced zone with pio 2", -EINVAL, __vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone));
	CHECK_RET("unregister with pio 2", -EINVAL, __vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone));
	zone.pio = 0;
	CHECK_RET("unregister what is not", 0, __vm_ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &zone));
	CHECK_RET("SET_CLOCK with unknown flags", -EINVAL, __vm_ioctl(vm, KVM_SET_CLOCK, &clock));
	CHECK_RET("reset of dirty rings without any", -EINVAL, __vm_ioctl(vm, KVM_RESET_DIRTY_RINGS, NULL));
	CHECK_RET("MSR filter with unknown flags", -EINVAL, __vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter));
	CHECK_EQ("mmap of a VM fails", (u64)MAP_FAILED,
		 (u64)mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vm->fd, 0));
}

static void test_wrong_fd(void)
{
	static const struct {
		const char *name;
		unsigned long nr;
	} rows[] = {
		{ "KVM_RUN", KVM_RUN },
		{ "KVM_GET_REGS", KVM_GET_REGS },
		{ "KVM_GET_XSAVE2", KVM_GET_XSAVE2 },
		{ "KVM_NMI", KVM_NMI },
		{ "KVM_GET_API_VERSION", KVM_GET_API_VERSION },
		{ "KVM_CREATE_VM", KVM_CREATE_VM },
		{ "an unused KVM number", _IO(KVMIO, 0xff) },
		{ "KVM_CREATE_VCPU with a size", _IOW(KVMIO, 0x41, u64) },
		{ "another type", _IO('k', 0x41) },
		{ "TCGETS", 0x5401 },
	};
	struct vm *vm = vm_create(VM_BARE);
	static u8 buffer[65536];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, -ENOTTY, __vm_ioctl(vm, rows[i].nr, buffer));
}

static const struct test_case cases[] = {
	{ "create_vcpu", test_create_vcpu },
	{ "order", test_order },
	{ "chips", test_chips },
	{ "routing", test_routing },
	{ "irqfd", test_irqfd },
	{ "ioeventfd", test_ioeventfd },
	{ "boot_cpu_id", test_boot_cpu_id },
	{ "enable_cap", test_enable_cap },
	{ "misc", test_misc },
	{ "wrong_fd", test_wrong_fd },
};

TEST_MAIN(cases)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * eventfds in both directions. irqfd: a write to it interrupts the guest, a
 * level irqfd is resampled at EOI, deassigning ends it. ioeventfd: a port or
 * MMIO write signals it with no exit, only with its length and value if it has
 * them, any length if it asks for zero, and otherwise leaves to user space.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "apic.h"
#include "thread.h"

#define PIN	10
#define V	0x64
#define PORT	0x2000

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_GE(fd, 0);
	return fd;
}

/* The counter since the last look. */
static u64 take_count(int fd)
{
	u64 v = 0;

	return read(fd, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

static void put(int fd)
{
	u64 one = 1;

	ASSERT_EQ(write(fd, &one, sizeof(one)), sizeof(one));
}

static void irqfd(struct vm *vm, int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd i = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample };

	vm_ioctl(vm, KVM_IRQFD, &i);
}

static void guest_irqfd(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	ioapic_route(PIN, V);
	GUEST_SYNC(1);		/* signalled */
	irq_wait(V, 1);
	GUEST_SYNC(2);		/* signalled while we wait in HLT */
	sti_hlt();
	cli();
	GUEST_EQ(irq_count[V], 2);
	GUEST_SYNC(3);		/* deassigned, signalled */
	irq_window();
	GUEST_EQ(irq_count[V], 2);
}

static void *signal_later(void *fd)
{
	host_sleep_ms(50);
	put((long)fd);
	return NULL;
}

static void test_irqfd(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_irqfd);
	int fd = new_eventfd();
	pthread_t t;

	irqfd(vm, fd, PIN, 0, 0);
	vcpu_run_sync(vcpu, 1);
	put(fd);
	vcpu_run_sync(vcpu, 2);
	t = host_thread(signal_later, (void *)(long)fd);
	vcpu_run_sync(vcpu, 3);
	host_join(t);
	irqfd(vm, fd, PIN, KVM_IRQFD_FLAG_DEASSIGN, 0);
	put(fd);
	vcpu_run_done(vcpu);
}

static void guest_resample(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_only;
	ioapic_route(PIN, V | IOAPIC_LEVEL);
	GUEST_SYNC(1);
	irq_wait(V, 1);
	GUEST_SYNC(2);
	apic_eoi();
	GUEST_SYNC(3);
	irq_window();
	GUEST_EQ(irq_count[V], 1);
}

static void test_resample(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_resample);
	int fd = new_eventfd(), back = new_eventfd();

	REQUIRE_CAP(KVM_CAP_IRQFD_RESAMPLE);
	irqfd(vm, fd, PIN, KVM_IRQFD_FLAG_RESAMPLE, back);
	vcpu_run_sync(vcpu, 1);
	put(fd);
	vcpu_run_sync(vcpu, 2);
	CHECK_EQ("before EOI", 0, take_count(back));
	vcpu_run_sync(vcpu, 3);
	CHECK_EQ("after EOI", 1, take_count(back));
	vcpu_run_done(vcpu);
}

static void guest_restored(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	GUEST_SYNC(1);
	irq_window();
	irq_window();
	GUEST_EQ(irq_count[V], 1);
}

/* A level that was high when the state was saved goes down with the acknowledgement, as one that was raised here. */
static void test_resample_restored(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_restored);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int fd = new_eventfd(), back = new_eventfd();

	REQUIRE_CAP(KVM_CAP_IRQFD_RESAMPLE);
	irqfd(vm, fd, PIN, KVM_IRQFD_FLAG_RESAMPLE, back);
	vcpu_run_sync(vcpu, 1);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[PIN].bits = V | IOAPIC_LEVEL;
	chip.chip.ioapic.irr |= BIT(PIN);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	vcpu_run_done(vcpu);
	CHECK_EQ("resampled", 1, take_count(back));
}

static int __ioeventfd(struct vm *vm, int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd i = { .fd = fd, .addr = addr, .len = len, .flags = flags,
				   .datamatch = match };

	return __vm_ioctl(vm, KVM_IOEVENTFD, &i);
}

static void guest_pio(void)
{
	outb(PORT, 1);
	outw(PORT + 2, 7);
	outw(PORT + 2, 8);	/* other value: exits */
	outb(PORT + 2, 7);	/* other length: exits */
	outw(PORT, 1);		/* other length: exits */
	GUEST_SYNC(1);
	outb(PORT, 1);		/* deassigned: exits */
}

static void expect_out(struct vcpu *vcpu, const char *name, u16 port, u8 size)
{
	RUN_TO(vcpu, KVM_EXIT_IO);
	test_note("%s", name);
	CHECK_EQ("port", port, vcpu->run->io.port);
	CHECK_EQ("size", size, vcpu->run->io.size);
}

static void test_pio(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_pio);
	int a = new_eventfd(), b = new_eventfd();
	u32 pio = KVM_IOEVENTFD_FLAG_PIO, match = pio | KVM_IOEVENTFD_FLAG_DATAMATCH;

	ASSERT_EQ(__ioeventfd(vm, a, PORT, 1, pio, 0), 0);
	ASSERT_EQ(__ioeventfd(vm, b, PORT + 2, 2, match, 7), 0);
	expect_out(vcpu, "other value", PORT + 2, 2);
	CHECK_EQ("plain", 1, take_count(a));
	CHECK_EQ("with value", 1, take_count(b));
	expect_out(vcpu, "other length", PORT + 2, 1);
	expect_out(vcpu, "other length", PORT, 2);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("nothing more on a", 0, take_count(a));
	CHECK_EQ("nothing more on b", 0, take_count(b));
	ASSERT_EQ(__ioeventfd(vm, a, PORT, 1, pio | KVM_IOEVENTFD_FLAG_DEASSIGN, 0), 0);
	expect_out(vcpu, "deassigned", PORT, 1);
	vcpu_run_done(vcpu);
}

static const u8 string[] = { 7, 8, 7, 9 };

static void guest_string(void)
{
	const u8 *p = string;
	u64 n = sizeof(string);

	asm volatile("rep outsb" : "+S" (p), "+c" (n) : "d" (PORT + 2) : "memory");
	GUEST_EQ(n, 0);
}

/* Of a REP OUTS the eventfd takes what it matches, and user space gets the rest. */
static void test_string(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_string);
	u32 match = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
	struct kvm_run *run = vcpu->run;
	int fd = new_eventfd();
	u32 given = 0, sevens = 0, i;

	ASSERT_EQ(__ioeventfd(vm, fd, PORT + 2, 1, match, 7), 0);
	for (;;) {
		RUN_TO(vcpu, KVM_EXIT_IO);
		if (run->io.port != PORT + 2)
			break;
		for (i = 0; i < run->io.count; i++, given++)
			sevens += ((u8 *)run + run->io.data_offset)[i] == 7;
	}
	ASSERT_EQ(vcpu_finish(vcpu), UCALL_DONE);
	CHECK_EQ("taken", 2, take_count(fd));
	CHECK_EQ("given", 2, given);
	CHECK_EQ("  with the value", 0, sevens);
}

static void guest_mmio(void)
{
	mmio_write32(VM_MMIO, 5);
	mmio_write32(VM_MMIO + 8, 5);
	mmio_write64(VM_MMIO + 16, 0x1122334455667788);
	mmio_write8(VM_MMIO + 0x1000, 1);
	mmio_write16(VM_MMIO + 0x1000, 1);
	mmio_write32(VM_MMIO + 0x1000, 1);
	mmio_write64(VM_MMIO + 0x1000, 1);
	GUEST_SYNC(1);
	mmio_write32(VM_MMIO + 8, 6);	/* other value */
	mmio_write16(VM_MMIO, 5);	/* other length */
}

static void test_mmio(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_mmio);
	int plain = new_eventfd(), value = new_eventfd(), wide = new_eventfd(), any = new_eventfd();

	REQUIRE_CAP(KVM_CAP_IOEVENTFD_ANY_LENGTH);
	ASSERT_EQ(__ioeventfd(vm, plain, VM_MMIO, 4, 0, 0), 0);
	ASSERT_EQ(__ioeventfd(vm, value, VM_MMIO + 8, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 5), 0);
	ASSERT_EQ(__ioeventfd(vm, wide, VM_MMIO + 16, 8, KVM_IOEVENTFD_FLAG_DATAMATCH,
			      0x1122334455667788), 0);
	ASSERT_EQ(__ioeventfd(vm, any, VM_MMIO + 0x1000, 0, 0, 0), 0);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("plain", 1, take_count(plain));
	CHECK_EQ("with value", 1, take_count(value));
	CHECK_EQ("8 bytes", 1, take_count(wide));
	CHECK_EQ("any length", 4, take_count(any));
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("other value exits", VM_MMIO + 8, vcpu->run->mmio.phys_addr);
	RUN_TO(vcpu, KVM_EXIT_MMIO);
	CHECK_EQ("other length exits", VM_MMIO, vcpu->run->mmio.phys_addr);
	vcpu_run_done(vcpu);
	CHECK_EQ("nothing more", 0, take_count(plain) + take_count(value));
}

#define ROUNDS	6

/* What answers an address may change between two accesses to it, and those nearby keep theirs. */
static void guest_come_and_go(void)
{
	u64 n;

	for (n = 0; n < ROUNDS; n++) {
		outb(PORT, 1);
		mmio_write32(VM_MMIO, 1);
		outb(PORT + 8, 2);
		mmio_write32(VM_MMIO + 8, 2);
		GUEST_SYNC(n);
	}
}

static void test_come_and_go(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_come_and_go);
	int port = new_eventfd(), mmio = new_eventfd();
	u32 change = 0;
	u64 n;

	for (n = 0; n < ROUNDS; n++) {
		u64 there = n % 3 == 1;

		if (n % 3) {
			ASSERT_EQ(__ioeventfd(vm, port, PORT, 1, KVM_IOEVENTFD_FLAG_PIO | change, 0), 0);
			ASSERT_EQ(__ioeventfd(vm, mmio, VM_MMIO, 4, change, 0), 0);
			change ^= KVM_IOEVENTFD_FLAG_DEASSIGN;
		}
		if (!there) {
			expect_out(vcpu, "no eventfd", PORT, 1);
			RUN_TO(vcpu, KVM_EXIT_MMIO);
			CHECK_EQ("MMIO address", VM_MMIO, vcpu->run->mmio.phys_addr);
		}
		expect_out(vcpu, "never an eventfd", PORT + 8, 1);
		RUN_TO(vcpu, KVM_EXIT_MMIO);
		CHECK_EQ("MMIO address", VM_MMIO + 8, vcpu->run->mmio.phys_addr);
		vcpu_run_sync(vcpu, n);
		CHECK_EQ("port's eventfd", there, take_count(port));
		CHECK_EQ("MMIO's eventfd", there, take_count(mmio));
	}
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "irqfd", test_irqfd },
	{ "irqfd_resample", test_resample },
	{ "irqfd_resample_restored", test_resample_restored },
	{ "ioeventfd_port", test_pio },
	{ "ioeventfd_string", test_string },
	{ "ioeventfd_mmio", test_mmio },
	{ "come_and_go", test_come_and_go },
};

TEST_MAIN(cases)

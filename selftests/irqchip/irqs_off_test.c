// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests and launchers can ask for keeps the host's interrupts off for BOUND instructions at
 * most (Documentation/locking.rst, "Interrupts off"). The module irqsoff of the lab measures it,
 * where the emulator counts instructions (lab/tests/irqs_off.sh).
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apic.h"
#include "thread.h"

#define BOUND		131072
#define ROUNDS		16
#define NR_VCPUS	1024
#define VECTOR		0x41
#define PORT		0x600
#define ZONE		VM_MMIO
#define ZONE_SIZE	0x100000

static int max_fd;

static void measure_begin(void)
{
	ASSERT_EQ(pwrite(max_fd, "0", 1, 0), 1);
}

static void measure_end(const char *name)
{
	char text[32] = "";
	long max;

	ASSERT(pread(max_fd, text, sizeof(text) - 1, 0) > 0, "max_ns: %s", strerror(errno));
	max = atol(text);
	test_note("%s: interrupts off for %ld", name, max);
	CHECK_EQ("within the bound", 1, max > 0 && max <= BOUND);
}

static void require_instrument(void)
{
	struct rlimit files = { 32768, 32768 };

	max_fd = open("/sys/module/irqsoff/parameters/max_ns", O_RDWR | O_CLOEXEC);
	REQUIRE(max_fd >= 0, "the module irqsoff is not there");
	ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* ---- devices around one address ---- */

static int add_ioeventfd(struct vm *vm, u64 addr, u32 flags, u64 match)
{
	struct kvm_ioeventfd args = { .fd = eventfd(0, EFD_CLOEXEC), .addr = addr, .len = 4, .flags = flags, .datamatch = match };
	int ret = __vm_ioctl(vm, KVM_IOEVENTFD, &args);

	close(args.fd);
	return ret;
}

/* The one that was there first is asked last. */
static void guest_out(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		outl(PORT, 0);
}

static void test_ioeventfds(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_out);
	int n = 0;

	require_instrument();
	while (n < 20000 && !add_ioeventfd(vm, PORT, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH, n))
		n++;
	CHECK_EQ("enough for the queues of a virtio device", 1, n >= 1024);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("one OUT, all ioeventfds of a port");
}

static void guest_store(void)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		*(volatile u32 *)(ZONE + ZONE_SIZE - 4) = 0;
}

/* Every look-up above the zone's begin passes all that begins in between. */
static void test_zone(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = ZONE, .size = ZONE_SIZE };
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_store);
	int n = 0;

	require_instrument();
	vm_ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
	while (n < 20000 && !add_ioeventfd(vm, ZONE + 8 * n, 0, 0))
		n++;
	test_note("%d ioeventfds in the zone", n);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("one store, a zone around many ioeventfds");
}

/* ---- many vCPUs ---- */

/* Halted for good, as they take no interrupts: each that comes wakes the thread to look at it. */
static void *halted(void *vcpu)
{
	__vcpu_run(vcpu);
	return NULL;
}

static void add_halted(struct vm *vm, u32 id, enum apic_mode mode)
{
	struct kvm_mp_state state = { KVM_MP_STATE_HALTED };
	struct vcpu *vcpu = vcpu_create(vm, id);
	struct kvm_lapic_state lapic;
	pthread_attr_t attr;
	pthread_t thread;

	if (mode == APIC_X2)
		vcpu_set_supported_cpuid(vcpu);
	vcpu_set_msr(vcpu, MSR_APIC_BASE, APIC_MMIO | 0x800 | (mode == APIC_X2 ? 0x400 : 0));
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)(lapic.regs + APIC_SPIV) = 0x1ff;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
	vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &state);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	ASSERT_EQ(pthread_create(&thread, &attr, halted, vcpu), 0);
	pthread_attr_destroy(&attr);
}

static struct vm *vm_of(u32 nr_vcpus, void *guest, enum apic_mode mode, struct vcpu **vcpu)
{
	struct vm *vm;
	u32 id;

	require_instrument();
	vm = vm_create(VM_GUEST | VM_IRQCHIP);
	*vcpu = vcpu_create_guest(vm, 0, guest);
	for (id = 1; id < nr_vcpus; id++)
		add_halted(vm, id, mode);
	host_sleep_ms(200);
	return vm;
}

static struct vm *large_vm(void *guest, enum apic_mode mode, struct vcpu **vcpu)
{
	return vm_of(NR_VCPUS, guest, mode, vcpu);
}

/* Each time another vector: one that is pending already wakes nobody. */
static void guest_broadcast(void)
{
	int i;

	apic_enable(APIC_X2);
	GUEST_SYNC(1);
	for (i = 0; i < ROUNDS; i++)
		apic_icr(0, APIC_DEST_ALLBUT | (VECTOR + i));
}

static void test_broadcast(void)
{
	struct vcpu *vcpu;

	large_vm(guest_broadcast, APIC_X2, &vcpu);
	vcpu_run_sync(vcpu, 1);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("an x2APIC IPI to all others");
}

static void guest_hypercalls(void)
{
	u64 ret;
	int i;

	apic_enable(APIC_X2);
	GUEST_SYNC(1);
	for (i = 0; i < ROUNDS; i++) {
		asm volatile("vmmcall" : "=a" (ret) : "a" (10), "b" (~0ull), "c" (~0ull), "d" (64), "S" (VECTOR + i) : "memory");
		GUEST_ROW("KVM_HC_SEND_IPI", 128, ret);
	}
}

static void test_hypercall(void)
{
	struct vcpu *vcpu;

	large_vm(guest_hypercalls, APIC_X2, &vcpu);
	vcpu_run_sync(vcpu, 1);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("KVM_HC_SEND_IPI to 128");
}

static void guest_ldr(void)
{
	int i;

	apic_enable(APIC_X1);
	GUEST_SYNC(1);
	for (i = 0; i < ROUNDS; i++)
		apic_write(APIC_LDR, (u32)i << 24);
}

static void test_ldr(void)
{
	struct vcpu *vcpu;

	large_vm(guest_ldr, APIC_X1, &vcpu);
	vcpu_run_sync(vcpu, 1);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("a new logical APIC ID");
}

static void guest_nothing(void)
{
}

static void test_msi(void)
{
	struct kvm_irqfd args = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = 40 };
	struct vcpu *vcpu;
	struct vm *vm = large_vm(guest_nothing, APIC_X1, &vcpu);
	u64 one = 1;
	int i;

	vm_ioctl(vm, KVM_IRQFD, &args);
	measure_begin();
	for (i = 0; i < ROUNDS; i++) {
		vm_route_msi(vm, 40, 0xfeeff000, VECTOR + i);
		ASSERT_EQ(write(args.fd, &one, 8), 8);
	}
	measure_end("an irqfd's MSI to all");
}

static void test_pin(void)
{
	struct vcpu *vcpu;
	struct vm *vm = large_vm(guest_nothing, APIC_X1, &vcpu);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int i;

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	for (i = 0; i < ROUNDS; i++)
		chip.chip.ioapic.redirtbl[i].bits = 0xffull << 56 | (VECTOR + i);
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	measure_begin();
	for (i = 0; i < ROUNDS; i++) {
		vm_irq_line(vm, i, 1);
		vm_irq_line(vm, i, 0);
	}
	measure_end("a pin of the I/O APIC to all");
}

/* All pins have something to send to all vCPUs, of which there are as many as are told at once. */
static void test_restored_pins(void)
{
	struct vcpu *vcpu;
	struct vm *vm = vm_of(64, guest_nothing, APIC_X1, &vcpu);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int i;

	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	for (i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		chip.chip.ioapic.redirtbl[i].bits = 0xffull << 56 | (VECTOR + i);
	chip.chip.ioapic.irr = 0xffffff;
	measure_begin();
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	measure_end("the I/O APIC's saved state, all pins to 64");
}

#define ALL_LEVEL	(0xffull << 56 | IOAPIC_LEVEL | VECTOR)
#define REMOTE_IRR	0x4000

static void guest_ends(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[VECTOR] = irq_count_only;
	GUEST_SYNC(1);
	apic_icr(0, APIC_DEST_SELF | VECTOR);
	irq_wait(VECTOR, 1);
	apic_eoi();
}

/* All pins wait for the end of one vector, to be sent to all vCPUs again. */
static void test_ended_pins(void)
{
	struct vcpu *vcpu;
	struct vm *vm = vm_of(64, guest_ends, APIC_X1, &vcpu);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int i;

	vcpu_run_sync(vcpu, 1);
	vm_ioctl(vm, KVM_GET_IRQCHIP, &chip);
	for (i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		chip.chip.ioapic.redirtbl[i].bits = ALL_LEVEL | REMOTE_IRR;
	chip.chip.ioapic.irr = 0xffffff;
	vm_ioctl(vm, KVM_SET_IRQCHIP, &chip);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("one EOI, all pins to 64");
}

/* LINT0 of every vCPU hears of the 8259. */
static void guest_pic(void)
{
	pic_init(0x20);
	pic_mask(0);
}

static void test_pic(void)
{
	struct kvm_irqfd args = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = 3 };
	struct vcpu *vcpu;
	struct vm *vm = large_vm(guest_pic, APIC_X1, &vcpu);
	u64 one = 1;

	vcpu_run_done(vcpu);
	vm_ioctl(vm, KVM_IRQFD, &args);
	measure_begin();
	ASSERT_EQ(write(args.fd, &one, 8), 8);
	measure_end("the 8259's output");
}

/* ---- irqfds ---- */

/* The eventfd stays open: its end is the irqfd's. */
static int add_irqfd(struct vm *vm, u32 gsi, u32 flags, int back, int *fd)
{
	struct kvm_irqfd args = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = gsi, .flags = flags, .resamplefd = back };
	int ret = __vm_ioctl(vm, KVM_IRQFD, &args);

	if (ret)
		close(args.fd);
	else
		*fd = args.fd;
	return ret;
}

static void test_irqfds(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	int n = 0, fd;

	require_instrument();
	while (n < 8000 && !add_irqfd(vm, n, 0, 0, &fd))
		n++;
	CHECK_EQ("enough for every GSI", 1, n >= 4096);
	/* a closed one makes room at once */
	ASSERT_EQ(close(fd), 0);
	measure_begin();
	ASSERT_EQ(add_irqfd(vm, 0, 0, 0, &fd), 0);
	measure_end("one more beside all irqfds of a VM");
	measure_begin();
	vm_destroy(vm);
	measure_end("the end of a VM with them");
}

#define LEVEL_PIN	10

static void guest_resampled(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[VECTOR] = irq_count_only;
	ioapic_route(LEVEL_PIN, VECTOR | IOAPIC_LEVEL);
	GUEST_SYNC(1);
	irq_wait(VECTOR, 1);
	apic_eoi();
}

static void test_resamplers(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_resampled);
	int n = 0, fd, back = eventfd(0, EFD_CLOEXEC);
	u64 one = 1;

	require_instrument();
	while (n < 8000 && !add_irqfd(vm, LEVEL_PIN, KVM_IRQFD_FLAG_RESAMPLE, back, &fd))
		n++;
	test_note("%d resamplers of a pin", n);
	vcpu_run_sync(vcpu, 1);
	ASSERT_EQ(write(fd, &one, 8), 8);
	measure_begin();
	vcpu_run_done(vcpu);
	measure_end("an EOI, all resamplers of a pin");
}

static const struct test_case cases[] = {
	{ "ioeventfds", test_ioeventfds, 240 },
	{ "zone", test_zone, 240 },
	{ "broadcast", test_broadcast, 240 },
	{ "hypercall", test_hypercall, 240 },
	{ "ldr", test_ldr, 240 },
	{ "msi", test_msi, 240 },
	{ "pin", test_pin, 240 },
	{ "restored_pins", test_restored_pins, 240 },
	{ "ended_pins", test_ended_pins, 240 },
	{ "pic", test_pic, 240 },
	{ "irqfds", test_irqfds, 240 },
	{ "resamplers", test_resamplers, 240 },
};

TEST_MAIN(cases)

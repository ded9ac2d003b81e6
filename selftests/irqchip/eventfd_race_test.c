// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfds, ioeventfds and routes may come, go, be signalled and be closed at the same time, from several threads and
 * under a running guest, in any order; afterwards everything still works.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "apic.h"
#include "thread.h"

#define PIN		10
#define V		0x64
#define PORT		0x2000
#define ROUNDS		300
#define LAST		0x55	/* the value that ends the storm */

struct storm {
	struct vm *vm;
	int fd;			/* shared by all threads */
	volatile int stop;
};

static volatile u32 guest_stop;

static void guest_storm(void)
{
	pic_mask(0xffff);
	apic_enable(APIC_X1);
	guest_handlers[V] = irq_count_handler;
	mmio_write32(IOAPIC_MMIO, 0x10 + 2 * PIN);
	mmio_write32(IOAPIC_MMIO + 0x10, V | 0x8000);
	sti();
	while (!guest_stop)
		outb(PORT, 1);
	cli();
	GUEST_SYNC(1);		/* the host assigns one of each */
	irq_count[V] = 0;
	outb(PORT, LAST);
	/* without HLT: an emulated VMRUN may drop the shadow of STI, the interrupt is taken before HLT then, and no other comes */
	irq_wait(V, 1);
}

static int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_GE(fd, 0);
	return fd;
}

static void put(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		test_note("eventfd is full");
}

static int set_irqfd(struct vm *vm, int fd, u32 flags, int resample)
{
	struct kvm_irqfd i = { .fd = fd, .gsi = PIN, .flags = flags, .resamplefd = resample };

	return __vm_ioctl(vm, KVM_IRQFD, &i);
}

static int set_ioeventfd(struct vm *vm, int fd, u32 flags, u32 len, u64 data)
{
	struct kvm_ioeventfd e = {
		.fd = fd, .addr = PORT, .len = len, .datamatch = data, .flags = KVM_IOEVENTFD_FLAG_PIO | flags,
	};

	return __vm_ioctl(vm, KVM_IOEVENTFD, &e);
}

/* The same eventfd, assigned and taken off by two threads at once. */
static void *storm_shared(void *arg)
{
	struct storm *s = arg;
	int n, ret;

	for (n = 0; n < ROUNDS; n++) {
		ret = set_irqfd(s->vm, s->fd, 0, 0);
		ASSERT(!ret || ret == -EBUSY, "assign: %d", ret);
		put(s->fd);
		ASSERT_EQ(set_irqfd(s->vm, s->fd, KVM_IRQFD_FLAG_DEASSIGN, 0), 0);
	}
	return NULL;
}

/* Level irqfds on one line, ended by the close of their eventfd as often as by an ioctl. */
static void *storm_resample(void *arg)
{
	struct storm *s = arg;
	int n, fd, resample;

	for (n = 0; n < ROUNDS; n++) {
		fd = new_eventfd();
		resample = new_eventfd();
		ASSERT_EQ(set_irqfd(s->vm, fd, KVM_IRQFD_FLAG_RESAMPLE, resample), 0);
		put(fd);
		if (n & 1)
			ASSERT_EQ(set_irqfd(s->vm, fd, KVM_IRQFD_FLAG_DEASSIGN, 0), 0);
		close(resample);
		close(fd);
	}
	return NULL;
}

static void *storm_ioeventfd(void *arg)
{
	struct storm *s = arg;
	int n, fd = new_eventfd();

	for (n = 0; n < ROUNDS; n++) {
		/* an I/O eventfd that is an irqfd as well: the guest interrupts itself */
		ASSERT_EQ(set_irqfd(s->vm, fd, 0, 0), 0);
		ASSERT_EQ(set_ioeventfd(s->vm, fd, KVM_IOEVENTFD_FLAG_DATAMATCH, 1, 1), 0);
		ASSERT_EQ(set_ioeventfd(s->vm, fd, KVM_IOEVENTFD_FLAG_DATAMATCH, 1, 2), 0);
		ASSERT_EQ(set_ioeventfd(s->vm, fd, KVM_IOEVENTFD_FLAG_DATAMATCH, 1, 1), -EEXIST);
		ASSERT_EQ(set_ioeventfd(s->vm, fd, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN, 1, 1), 0);
		ASSERT_EQ(set_ioeventfd(s->vm, fd, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN, 1, 2), 0);
		ASSERT_EQ(set_irqfd(s->vm, fd, KVM_IRQFD_FLAG_DEASSIGN, 0), 0);
	}
	close(fd);
	return NULL;
}

static void *storm_routes(void *arg)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} r = {
		.head.nr = 1,
		.entry = { .gsi = PIN, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { KVM_IRQCHIP_IOAPIC, PIN } },
	};
	struct storm *s = arg;
	int n;

	for (n = 0; n < ROUNDS; n++) {
		r.head.nr = n & 1;
		vm_ioctl(s->vm, KVM_SET_GSI_ROUTING, &r);
	}
	r.head.nr = 1;
	vm_ioctl(s->vm, KVM_SET_GSI_ROUTING, &r);
	return NULL;
}

static void *run_storms(void *arg)
{
	struct storm *s = arg;
	pthread_t t[5] = {
		host_thread(storm_shared, s), host_thread(storm_shared, s), host_thread(storm_resample, s),
		host_thread(storm_ioeventfd, s), host_thread(storm_routes, s),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		host_join(t[i]);
	s->stop = 1;
	return NULL;
}

static void test_storm(void)
{
	struct storm s = { .vm = vm_create(VM_GUEST | VM_IRQCHIP), .fd = new_eventfd() };
	struct vcpu *vcpu = vcpu_create_guest(s.vm, 0, guest_storm);
	int irq = new_eventfd(), resample = new_eventfd(), event = new_eventfd();
	pthread_t t = host_thread(run_storms, &s);
	struct ucall uc;
	u64 count = 0;

	/* ports without an ioeventfd at the moment leave to here */
	while (vcpu_run(vcpu) == KVM_EXIT_IO && vcpu->run->io.port == PORT)
		*(volatile u32 *)GUEST_VAR(s.vm, guest_stop) = s.stop;
	ASSERT_EQ(vcpu_get_ucall(vcpu, &uc), UCALL_SYNC);
	host_join(t);

	ASSERT_EQ(set_irqfd(s.vm, irq, KVM_IRQFD_FLAG_RESAMPLE, resample), 0);
	ASSERT_EQ(set_ioeventfd(s.vm, event, KVM_IOEVENTFD_FLAG_DATAMATCH, 1, LAST), 0);
	put(irq);
	vcpu_run_done(vcpu);
	CHECK_EQ("write signalled", sizeof(count), read(event, &count, sizeof(count)));
	CHECK_EQ("once", 1, count);
	CHECK_EQ("resampled", sizeof(count), read(resample, &count, sizeof(count)));
}

/* A VM that ends with everything assigned. */
static void test_end(void)
{
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	int i, fd[40];

	for (i = 0; i < 40; i++) {
		fd[i] = new_eventfd();
		ASSERT_EQ(set_irqfd(vm, fd[i], i & 1 ? KVM_IRQFD_FLAG_RESAMPLE : 0, fd[0]), 0);
		ASSERT_EQ(set_ioeventfd(vm, fd[i], KVM_IOEVENTFD_FLAG_DATAMATCH, 2, i), 0);
	}
	for (i = 0; i < 20; i++)
		close(fd[i]);
	vm_destroy(vm);
	for (; i < 40; i++) {
		put(fd[i]);
		close(fd[i]);
	}
}

static const struct test_case cases[] = {
	{ "storm", test_storm, 180 },
	{ "end", test_end },
};

TEST_MAIN(cases)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-net as the kernel is asked for it: which calls, with what, in which order; and by which way
 * an interrupt comes. The kernel is a stand-in for open() and ioctl().
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/net_vhost_kernel.h"
#include "userspace/virtio_net.h"

#define F(name)		BIT(VIRTIO_NET_F_##name)
#define KERNEL		(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | F(MRG_RXBUF))
#define CALLS_MAX	64

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long command, ...);

static struct {
	unsigned long command;
	u32 index;
	u64 value;
} calls[CALLS_MAX];
static u32 count;
static int open_error, fail_error;
static unsigned long fail_command;
static u64 kernel_features;
static int call_events[4], kick_events[4];

int __wrap_open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/vhost-net"))
		return __real_open(path, flags, 0);
	errno = open_error;
	return open_error ? -1 : __real_open("/dev/null", O_RDWR);
}

static void check_table(const struct vhost_memory *table);

static void record(unsigned long command, void *argument)
{
	const struct vhost_vring_state *state = argument;
	const struct vhost_vring_file *file = argument;

	ASSERT_LE(count, CALLS_MAX - 1);
	calls[count].command = command;
	switch (command) {
	case VHOST_GET_FEATURES:
		*(u64 *)argument = kernel_features;
		break;
	case VHOST_SET_FEATURES:
		calls[count].value = *(u64 *)argument;
		break;
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_BASE:
		calls[count].index = state->index;
		calls[count].value = state->num;
		break;
	case VHOST_SET_VRING_CALL:
		call_events[file->index] = file->fd;
		calls[count].index = file->index;
		break;
	case VHOST_SET_VRING_KICK:
		kick_events[file->index] = file->fd;
		calls[count].index = file->index;
		break;
	case VHOST_NET_SET_BACKEND:
		calls[count].index = file->index;
		calls[count].value = (u64)(s64)file->fd;
		break;
	case VHOST_SET_VRING_ADDR:
		calls[count].index = ((struct vhost_vring_addr *)argument)->index;
		calls[count].value = ((struct vhost_vring_addr *)argument)->avail_user_addr;
		break;
	case VHOST_SET_MEM_TABLE:
		check_table(argument);
		break;
	case KVM_IRQFD:
		calls[count].index = ((struct kvm_irqfd *)argument)->gsi;
		calls[count].value = ((struct kvm_irqfd *)argument)->flags;
		break;
	default:
		break;
	}
	count++;
}

int __wrap_ioctl(int fd, unsigned long command, ...)
{
	va_list args;

	va_start(args, command);
	record(command, va_arg(args, void *));
	va_end(args);
	errno = fail_error;
	return command == fail_command ? -1 : 0;
}

/* Calls with @command since the last look. */
static u32 number_of(unsigned long command)
{
	u32 n = 0;

	for (u32 i = 0; i < count; i++)
		n += calls[i].command == command;
	return n;
}

static struct vm vm;
static struct pci pci;
static struct virtio_net net;
static struct net_vhost_kernel vhost;
static struct route_table routes;
static struct net_backend tap;
static struct fake_ring rings[4];
static u32 pairs = 1;

static void check_table(const struct vhost_memory *table)
{
	CHECK_EQ("regions", vm.memory.count, table->nregions);
	for (u32 i = 0; i < table->nregions; i++) {
		CHECK_EQ("guest's address", vm.memory.regions[i].base, table->regions[i].guest_phys_addr);
		CHECK_EQ("size", vm.memory.regions[i].size, table->regions[i].memory_size);
		CHECK_EQ("ours", (u64)(uintptr_t)vm.memory.regions[i].host, table->regions[i].userspace_addr);
	}
}

static enum net_result none(struct net_backend *backend, unsigned int pair, struct net_packet *packet)
{
	FAIL("the kernel has the frames");
}

static void set_offloads(struct net_backend *backend, uint64_t features) { }

static const struct net_backend_ops ops = { .receive = none, .set_offloads = set_offloads };

static bool open_vhost(char *why, size_t size)
{
	struct vhost_place place = { &routes, 3 };

	if (!vm.memory.mapping)
		fake_vm_init(&vm, 16 << 20);
	memset(&vhost, 0, sizeof(vhost));
	memset(&net, 0, sizeof(net));
	if (!routes.kernel)
		ASSERT_EQ(route_init(&routes, &vm, 8), 0);
	tap = (struct net_backend){ .ops = &ops, .name = "tap", .pairs = pairs, .fds = { 77 }, .features = F(CSUM) };
	count = 0;
	return net_vhost_kernel_open(&vhost, &net.device, &vm, &place, &tap, why, size);
}

static void set_up(void)
{
	struct virtio_net_place place = { .mtu = 1500 };
	char why[256];

	kernel_features = KERNEL | 1ULL << VHOST_F_LOG_ALL;
	ASSERT(open_vhost(why, sizeof(why)), "vhost-net");
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_net_init(&net, &tap, &vhost.vhost, &place);
	ASSERT_EQ(virtio_add(&net.device, &vm, &pci), 0);
	ASSERT(fake_negotiate(&vm, &net.device, BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) | F(CSUM) | F(CTRL_VQ)), "features");
	for (u32 i = 0; i < 3; i++) {
		fake_ring_init(&rings[i], &vm, i);
		fake_enable_queue(&vm, &net.device, i);
	}
	count = 0;
}

static void test_open(void)
{
	static const unsigned long wanted[] = {
		VHOST_SET_OWNER, VHOST_GET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
		VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	};
	char why[256];

	kernel_features = KERNEL;
	ASSERT(open_vhost(why, sizeof(why)), "vhost-net");
	CHECK_EQ("calls", ARRAY_SIZE(wanted), count);
	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++)
		CHECK_EQ("call", wanted[i], calls[i].command);
	CHECK_EQ("a doorbell a queue", 1, net.device.queue_doorbells[0] != net.device.queue_doorbells[1]);
	CHECK_EQ("the kernel's", kick_events[1], net.device.queue_doorbells[1]);
	CHECK_EQ("none of the control queue", 0, net.device.queue_doorbells[2]);
	net_vhost_kernel_close(&vhost);
	CHECK_EQ("gone", 0, net.device.queue_doorbells[1]);
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		int open_error, fail_error;
		unsigned long command;
		u64 features;
		const char *words;
	} rows[] = {
		{ "no node", ENOENT, 0, 0, KERNEL, "modprobe vhost_net" },
		{ "no module", ENODEV, 0, 0, KERNEL, "modprobe vhost_net" },
		{ "not permitted", EACCES, 0, 0, KERNEL, "chmod 660" },
		{ "too many", 0, ENOMEM, VHOST_SET_OWNER, KERNEL, "Cannot allocate memory" },
		{ "memory refused", 0, EFAULT, VHOST_SET_MEM_TABLE, KERNEL, "Bad address" },
		{ "an old kernel", 0, 0, 0, F(MRG_RXBUF), "not supported" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		char why[256] = "";

		open_error = rows[i].open_error;
		fail_error = rows[i].fail_error;
		fail_command = rows[i].command;
		kernel_features = rows[i].features;
		CHECK_EQ(rows[i].name, 0, open_vhost(why, sizeof(why)));
		test_note("%s", why);
		CHECK_EQ("it says how", 1, !!strstr(why, rows[i].words));
		net_vhost_kernel_close(&vhost);
		CHECK_EQ("no doorbell", 0, net.device.queue_doorbells[0]);
	}
}

static void test_offered(void)
{
	struct virtio_net_place place = { .mtu = 0 };
	char why[256];

	kernel_features = BIT(VIRTIO_F_VERSION_1);
	ASSERT(open_vhost(why, sizeof(why)), "vhost-net");
	virtio_net_init(&net, &tap, &vhost.vhost, &place);
	CHECK_EQ("merged buffers, which this kernel cannot", 0, !!(net.device.features & F(MRG_RXBUF)));
	CHECK_EQ("MTU, which nobody knows", 0, !!(net.device.features & F(MTU)));
	net_vhost_kernel_close(&vhost);
}

static void test_start(void)
{
	const struct { unsigned long command; u32 index; u64 value; } wanted[] = {
		{ VHOST_SET_FEATURES, 0, BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF) },
		{ VHOST_SET_VRING_NUM, 0, FAKE_RING_SIZE },
		{ VHOST_SET_VRING_BASE, 0, 0 },
		{ VHOST_SET_VRING_ADDR, 0, 0 },
		{ VHOST_NET_SET_BACKEND, 0, 77 },
		{ VHOST_SET_VRING_NUM, 1, FAKE_RING_SIZE },
		{ VHOST_SET_VRING_BASE, 1, 0 },
		{ VHOST_SET_VRING_ADDR, 1, 0 },
		{ VHOST_NET_SET_BACKEND, 1, 77 },
	};

	set_up();
	CHECK_EQ("nothing before the driver is ready", 0, count);
	fake_driver_ok(&vm, &net.device);
	CHECK_EQ("calls", ARRAY_SIZE(wanted), count);
	for (u32 i = 0; i < ARRAY_SIZE(wanted); i++) {
		u64 value = wanted[i].command == VHOST_SET_VRING_ADDR ? (u64)(uintptr_t)rings[wanted[i].index].avail :
									wanted[i].value;

		CHECK_EQ("call", wanted[i].command, calls[i].command);
		CHECK_EQ("queue", wanted[i].index, calls[i].index);
		CHECK_EQ("value", value, calls[i].value);
	}
	count = 0;
	fake_config_put(&vm, net.device.pci.slot, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	CHECK_EQ("both taken back, as it is no bus master any more", 2, number_of(VHOST_NET_SET_BACKEND));
	CHECK_EQ("from the interface", ~0ULL, calls[0].value);
	ASSERT(fake_negotiate(&vm, &net.device, BIT(VIRTIO_F_VERSION_1) | F(MRG_RXBUF)), "another driver");
	fake_enable_queue(&vm, &net.device, 0);
	fake_enable_queue(&vm, &net.device, 1);
	fake_driver_ok(&vm, &net.device);
	count = 0;
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("both taken back", 2, number_of(VHOST_NET_SET_BACKEND));
	CHECK_EQ("from the interface", ~0ULL, calls[0].value);
	net_vhost_kernel_close(&vhost);
}

static void test_start_fails(void)
{
	set_up();
	fail_command = VHOST_SET_VRING_ADDR;
	fail_error = EFAULT;
	fake_driver_ok(&vm, &net.device);
	CHECK_EQ("the driver learns of it", 1, !!(net.device.status & VIRTIO_CONFIG_S_NEEDS_RESET));
	CHECK_EQ("nothing runs", 0, vhost.vhost.queues[0].is_running);
	net_vhost_kernel_close(&vhost);
}

/* A pair of which the driver enabled one queue alone is left out. */
static void test_half_a_pair(void)
{
	set_up();
	fake_negotiate(&vm, &net.device, BIT(VIRTIO_F_VERSION_1));
	fake_enable_queue(&vm, &net.device, 0);
	count = 0;
	fake_driver_ok(&vm, &net.device);
	CHECK_EQ("calls", 0, count);
	net_vhost_kernel_close(&vhost);
}

static void ring_driver(u32 queue)
{
	u64 one = 1;

	ASSERT_EQ(write(call_events[queue], &one, 8), 8);
	virtio_net_turn(&net);
}

/* MSI-X: vector 1 of queue 0, its message at an address; masked or not. */
static void set_vector(bool is_masked)
{
	u64 table = net.device.pci.bars[1].base;

	bus_write(&vm.mmio, table + 16, 4, 0xfee01000);
	bus_write(&vm.mmio, table + 24, 4, 0x41);
	bus_write(&vm.mmio, table + 28, 4, is_masked);
}

static void test_interrupts(void)
{
	struct pollfd waits[VHOST_QUEUES_MAX];

	set_up();
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	fake_driver_ok(&vm, &net.device);
	CHECK_EQ("by the line: this process waits for both", 2, vhost_waits(&vhost.vhost, waits));
	ring_driver(0);
	CHECK_EQ("line", 1, fake_line(&vm, pci_slot_gsi(net.device.pci.slot)));
	CHECK_EQ("cause", 1, fake_device_get(&vm, &net.device, 0x1000, 1));

	fake_config_put(&vm, net.device.pci.slot, net.device.msix.capability + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	count = 0;
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	CHECK_EQ("masked at first: not attached", 0, number_of(KVM_IRQFD));
	set_vector(false);
	CHECK_EQ("routed", 1, number_of(KVM_SET_GSI_ROUTING));
	CHECK_EQ("attached", 1, number_of(KVM_IRQFD));
	CHECK_EQ("as the message that is ours", VM_GSI_COUNT + 3, calls[count - 1].index);
	CHECK_EQ("to it", 0xfee01000, routes.kernel->entries[routes.kernel->nr - 1].u.msi.address_lo);
	CHECK_EQ("with it", 0x41, routes.kernel->entries[routes.kernel->nr - 1].u.msi.data);
	CHECK_EQ("this process waits for the other", 1, vhost_waits(&vhost.vhost, waits));

	set_vector(true);
	CHECK_EQ("detached", KVM_IRQFD_FLAG_DEASSIGN, calls[count - 1].value);
	ring_driver(0);
	CHECK_EQ("nothing while masked", 0, fake_record.messages);
	CHECK_EQ("pending", 2, bus_read(&vm.mmio, net.device.pci.bars[1].base + MSIX_PENDING_OFFSET, 4));
	count = 0;
	set_vector(false);
	CHECK_EQ("sent when unmasked", 1, fake_record.messages);
	CHECK_EQ("attached again", 1, number_of(KVM_IRQFD));
	count = 0;
	fake_device_put(&vm, &net.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("detached by a reset", 1, number_of(KVM_IRQFD));
	net_vhost_kernel_close(&vhost);
}

/*
 * A driver that does not know several pairs has its control queue where others have the second pair,
 * and the device's thread hears its doorbell.
 */
static void test_control_queue(void)
{
	struct virtio_net_place place = { .mtu = 0 };
	u64 ack = 0x400000, command = 0x401000;
	char why[256];

	kernel_features = KERNEL;
	pairs = 2;
	ASSERT(open_vhost(why, sizeof(why)), "vhost-net");
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	virtio_net_init(&net, &tap, &vhost.vhost, &place);
	ASSERT_EQ(virtio_add(&net.device, &vm, &pci), 0);
	ASSERT(fake_negotiate(&vm, &net.device, BIT(VIRTIO_F_VERSION_1) | F(CTRL_VQ) | F(CTRL_RX)), "features");
	/* A fourth queue is none of such a driver's; enabled all the same, it makes no second pair. */
	for (u32 i = 0; i < 4; i++) {
		fake_ring_init(&rings[i], &vm, i);
		fake_enable_queue(&vm, &net.device, i);
	}
	count = 0;
	fake_driver_ok(&vm, &net.device);
	CHECK_EQ("the kernel serves one pair", 2, number_of(VHOST_NET_SET_BACKEND));
	ASSERT_EQ(virtio_start(&net.device), 0);
	usleep(20000);
	*(u8 *)memory_at(&vm.memory, ack, 1) = 0xee;
	memcpy(memory_at(&vm.memory, command, 3), "\0\0\1", 3);
	fake_add(&rings[2], command, 3, false, false);
	fake_add(&rings[2], ack, 1, true, true);
	fake_offer(&rings[2], 0);
	fake_device_put(&vm, &net.device, 0x3000 + 2 * 4, 2, 2);
	for (u32 i = 0; i < TEST_PATIENCE_MS && !__atomic_load_n(&rings[2].used->idx, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	CHECK_EQ("answered", 1, rings[2].used->idx);
	CHECK_EQ("well", VIRTIO_NET_OK, *(u8 *)memory_at(&vm.memory, ack, 1));
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(&net.device));
	net_vhost_kernel_close(&vhost);
}

static const struct test_case cases[] = {
	{ "open", test_open },
	{ "refusals", test_refusals },
	{ "offered", test_offered },
	{ "start", test_start },
	{ "start_fails", test_start_fails },
	{ "half_a_pair", test_half_a_pair },
	{ "interrupts", test_interrupts },
	{ "control_queue", test_control_queue },
};

TEST_MAIN(cases)

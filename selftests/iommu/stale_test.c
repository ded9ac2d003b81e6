// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's memory changes while its device moves data: slots go, move and come back, the host puts other memory in their place or takes pages
 * back. Afterwards CPU and device see the same memory, the new one, and what was mapped before neither is written nor read by the device.
 *
 * The device is QEMU's edu. lab/tests/vfio.sh names it: KEEL_VFIO_GROUP is its group's node, KEEL_VFIO_DEVICE its address.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vfio.h>

#include "thread.h"
#include "../lab/edu/edu.h"

#define GPA	0x8000000ULL
#define SIZE	(2ULL << 20)
#define PLACE	(5 * PAGE_SIZE)		/* what is looked at */
#define ANSWER	(6 * PAGE_SIZE)		/* what the device writes */
#define MAIL	0x9000000ULL		/* mapped for the device throughout: data from here into its buffer, and out of it */
#define BLOCK	2048
#define ROUNDS	3
#define SLOT	1

/* ---- the device ---- */

static int container, group, device;
static volatile u8 *regs;
static u64 *mail;

static void dma_map(u64 iova, void *memory, u64 size)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
						.vaddr = (u64)(uintptr_t)memory, .iova = iova, .size = size };

	ASSERT_EQ(ioctl(container, VFIO_IOMMU_MAP_DMA, &map), 0);
}

static void dma_unmap(u64 iova, u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };

	ASSERT_EQ(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	ASSERT_EQ(unmap.size, size);
}

static void open_edu(void)
{
	const char *path = getenv("KEEL_VFIO_GROUP"), *name = getenv("KEEL_VFIO_DEVICE");
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	u16 command = 6;	/* memory, bus master */

	REQUIRE(path && name, "no device: KEEL_VFIO_GROUP, KEEL_VFIO_DEVICE");
	group = open(path, O_RDWR);
	container = open("/dev/vfio/vfio", O_RDWR);
	ASSERT(group >= 0 && container >= 0, "no %s", path);
	ASSERT_EQ(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	ASSERT_EQ(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	ASSERT_GE(device, 0);
	ASSERT_EQ(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar), 0);
	ASSERT_EQ(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config), 0);
	ASSERT_EQ(pwrite(device, &command, sizeof(command), config.offset + 4), sizeof(command));
	regs = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
	ASSERT(regs != MAP_FAILED, "no registers");
	ASSERT_EQ(*(volatile u32 *)(regs + EDU_ID) & 0xff, 0xed);
	mail = host_pages(PAGE_SIZE);
	dma_map(MAIL, mail, PAGE_SIZE);
}

static void start_move(u64 from, u64 to, u64 command)
{
	*(volatile u64 *)(regs + EDU_DMA_FROM) = from;
	*(volatile u64 *)(regs + EDU_DMA_TO) = to;
	*(volatile u64 *)(regs + EDU_DMA_COUNT) = BLOCK;
	*(volatile u64 *)(regs + EDU_DMA_COMMAND) = command | DMA_START;
}

static void finish_move(void)
{
	u64 until = host_now_us() + 20000000;

	while (*(volatile u64 *)(regs + EDU_DMA_COMMAND) & DMA_START) {
		ASSERT(host_now_us() < until, "the device does not move a block");
		host_sleep_ms(1);
	}
}

static void device_reads(u64 from)
{
	start_move(from, BUFFER, 0);
	finish_move();
}

static void device_writes(u64 to)
{
	start_move(BUFFER, to, DMA_TO_MEMORY);
	finish_move();
}

static void fill(void *block, u64 value)
{
	u64 *words = block;
	unsigned int i;

	for (i = 0; i < BLOCK / 8; i++)
		words[i] = value + i;
}

static bool holds(const void *block, u64 value)
{
	const u64 *words = block;
	unsigned int i;

	for (i = 0; i < BLOCK / 8; i++) {
		if (words[i] != value + i)
			return false;
	}
	return true;
}

/* Into the device's buffer, and what is in it. */
static void tell_device(u64 value)
{
	fill(mail, value);
	device_reads(MAIL);
	fill(mail, 0);
}

static const u64 *ask_device(void)
{
	device_writes(MAIL);
	return mail;
}

/* ---- the guest ---- */

static volatile u64 guest_place, guest_value, guest_write, guest_stop;

/* One access for each entry. */
static void guest_accesses(void)
{
	for (;;) {
		if (guest_write)
			mmio_write64(guest_place, guest_value);
		else
			guest_value = mmio_read64(guest_place);
		GUEST_SYNC(0);
	}
}

static u64 guest_reads(struct vcpu *vcpu, u64 gpa)
{
	*GUEST_VAR(vcpu->vm, guest_place) = gpa;
	*GUEST_VAR(vcpu->vm, guest_write) = 0;
	vcpu_run_sync(vcpu, 0);
	return *GUEST_VAR(vcpu->vm, guest_value);
}

static void guest_writes(struct vcpu *vcpu, u64 gpa, u64 value)
{
	*GUEST_VAR(vcpu->vm, guest_place) = gpa;
	*GUEST_VAR(vcpu->vm, guest_value) = value;
	*GUEST_VAR(vcpu->vm, guest_write) = 1;
	vcpu_run_sync(vcpu, 0);
}

/* Meanwhile another vCPU reads where it is looked at, and writes elsewhere: its TLB knows the place. */
static void guest_busy(void)
{
	while (!guest_stop) {
		mmio_read64(GPA + PLACE);
		mmio_write64(GPA + SIZE / 2, 1);
	}
}

static void *run_busy(void *arg)
{
	struct vcpu *vcpu = arg;

	for (;;) {
		int ret = __vcpu_run(vcpu);

		/* between two mappings there is no memory behind the slot */
		if (ret == -EFAULT)
			continue;
		ASSERT_EQ(ret, 0);
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
			continue;
		ASSERT_EXIT(vcpu, KVM_EXIT_IO);
		if (vcpu_finish(vcpu) == UCALL_DONE)
			return NULL;
	}
}

/* ---- memory ---- */

/* A file's pages, at the slot's address and at one of ours, from where they are watched. */
struct area {
	int fd;
	u8 *seen;
};

static u8 *window, *elsewhere;

static struct area area_create(u64 value)
{
	struct area a = { .fd = memfd_create("area", 0) };

	ASSERT_GE(a.fd, 0);
	ASSERT_EQ(ftruncate(a.fd, SIZE), 0);
	a.seen = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0);
	ASSERT(a.seen != MAP_FAILED, "no memory");
	fill(a.seen + PLACE, value);
	return a;
}

/* In the slot's memory, in place of what was there. */
static void area_put(const struct area *a)
{
	ASSERT_EQ(mmap(window, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a->fd, 0) == window, 1);
}

static void area_destroy(struct area *a)
{
	munmap(a->seen, SIZE);
	close(a->fd);
}

/* The ways in which memory changes; each leaves @next in the slot at GPA, but for give_back. */
static void delete_slot(struct vm *vm, const struct area *next)
{
	vm_set_slot(vm, SLOT, 0, GPA, 0, NULL);
	area_put(next);
	vm_set_slot(vm, SLOT, 0, GPA, SIZE, window);
}

static void move_slot(struct vm *vm, const struct area *next)
{
	vm_set_slot(vm, SLOT, 0, GPA + SIZE, SIZE, window);
	area_put(next);
	vm_set_slot(vm, SLOT, 0, GPA, SIZE, window);
}

static void map_over(struct vm *vm, const struct area *next)
{
	area_put(next);
}

static void move_mapping(struct vm *vm, const struct area *next)
{
	void *to = mremap(window, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere);

	ASSERT_EQ(to == elsewhere, 1);
	area_put(next);
}

/* As a balloon does: the pages go, and others are there when it deflates. */
static void give_back(struct vm *vm, const struct area *next)
{
	ASSERT_EQ(madvise(window, SIZE, MADV_REMOVE), 0);
}

static const struct change {
	const char *name;
	void (*change)(struct vm *vm, const struct area *next);
} changes[] = {
	{ "slot deleted and made anew", delete_slot },
	{ "slot moved away and back", move_slot },
	{ "other memory mapped over it", map_over },
	{ "its memory moved by mremap", move_mapping },
	{ "its pages given back", give_back },
};

/* ---- one round ---- */

#define ROW(what) (snprintf(row, sizeof(row), "%s, round %u: %s", c->name, round, what), row)

/* Memory changes while the device is about to write to it. */
static void change_memory(struct vm *vm, const struct change *c, unsigned int round, struct area *old, struct area *next)
{
	bool same = c->change == give_back;
	u8 before[BLOCK];
	char row[128];

	tell_device(0xdead0000ull << 16);
	start_move(BUFFER, GPA + PLACE, DMA_TO_MEMORY);
	dma_unmap(GPA, SIZE);
	memcpy(before, old->seen + PLACE, BLOCK);
	c->change(vm, next);
	if (same)
		memset(before, 0, BLOCK);
	finish_move();
	CHECK_EQ(ROW("what was there is not written"), 0, memcmp(before, old->seen + PLACE, BLOCK));
	CHECK_EQ(ROW("what is there now is not written"), 1, same || holds(next->seen + PLACE, 0x2000 + round));
}

static void test_round(struct vcpu *vcpu, const struct change *c, unsigned int round)
{
	struct area old = area_create(0x1000 + round), next = area_create(0x2000 + round);
	const struct area *now = c->change == give_back ? &old : &next;
	u64 there = now == &old ? 0 : 0x2000 + round;
	struct vm *vm = vcpu->vm;
	char row[128];

	area_put(&old);
	vm_set_slot(vm, SLOT, 0, GPA, SIZE, window);
	dma_map(GPA, window, SIZE);
	CHECK_EQ(ROW("the guest reads what is there first"), 0x1000 + round, guest_reads(vcpu, GPA + PLACE));
	change_memory(vm, c, round, &old, &next);

	tell_device(0x3000);
	device_reads(GPA + PLACE);
	ask_device();
	CHECK_EQ(ROW("unmapped, nothing old is read"), 0, holds(mail, 0x1000 + round));
	CHECK_EQ(ROW("unmapped, nothing new is read"), 0, there && holds(mail, there));

	dma_map(GPA, window, SIZE);
	CHECK_EQ(ROW("the guest reads"), there, guest_reads(vcpu, GPA + PLACE));
	guest_writes(vcpu, GPA + PLACE, 0x4000 + round);
	CHECK_EQ(ROW("what it writes is there"), 0x4000 + round, *(u64 *)(now->seen + PLACE));
	tell_device(0x3000);
	device_reads(GPA + PLACE);
	CHECK_EQ(ROW("the device reads what the guest wrote"), 0x4000 + round, ask_device()[0]);
	tell_device(0x5000 + round);
	device_writes(GPA + ANSWER);
	CHECK_EQ(ROW("what the device writes is there"), 1, holds(now->seen + ANSWER, 0x5000 + round));
	CHECK_EQ(ROW("the guest reads what the device wrote"), 0x5000 + round, guest_reads(vcpu, GPA + ANSWER));

	dma_unmap(GPA, SIZE);
	vm_set_slot(vm, SLOT, 0, GPA, 0, NULL);
	ASSERT_EQ(mmap(elsewhere, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == elsewhere, 1);
	area_destroy(&old);
	area_destroy(&next);
}

static void test_changes(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_accesses), *busy = vcpu_create_guest(vm, 1, guest_busy);
	unsigned int i, round;
	pthread_t thread;

	open_edu();
	window = host_pages_aligned(SIZE, SIZE);
	elsewhere = host_pages_aligned(SIZE, SIZE);
	vcpu_let_host_in(busy);
	thread = host_thread(run_busy, busy);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		for (round = 0; round < ROUNDS; round++)
			test_round(vcpu, &changes[i], round);
	}
	*GUEST_VAR(vm, guest_stop) = 1;
	host_join(thread);
	munmap((void *)regs, PAGE_SIZE);
	close(device);
	close(group);
	close(container);
}

static const struct test_case cases[] = {
	{ "memory_changes_under_dma", test_changes, .timeout = 120 },
};

TEST_MAIN(cases)

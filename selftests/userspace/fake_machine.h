/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two machines on the kernel of fake_kvm.h, with one disk that only one of them may have at a time, and a guest in the first one that writes as it is asked
 * to. For tests of machines that move.
 */
#ifndef SELFTESTS_FAKE_MACHINE_H
#define SELFTESTS_FAKE_MACHINE_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_board.h"
#include "userspace/arrive.h"
#include "userspace/console.h"
#include "userspace/dirty.h"
#include "userspace/hold.h"
#include "userspace/machine.h"
#include "userspace/pause.h"
#include "userspace/state.h"
#include "userspace/state_fields.h"

#define SIZE	(16ULL << 20)

static struct machine first, second;
static struct arrival arrival;
static struct state_file file;
static char disk_path[] = "/tmp/keel-disk.XXXXXX";
static int ends[2];			/* the first one's, the second one's */

void console_put(struct console *console, u8 byte)
{
}

size_t console_offer(struct console *console, const u8 *bytes, size_t count)
{
	return 0;
}

/* ---- time, which can be in a hurry ---- */

static u64 speed = 1, speed_from;	/* times as fast as the host's since then */

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	int ret = __real_clock_gettime(clock, time);
	u64 now = (u64)time->tv_sec * 1000000000 + (u64)time->tv_nsec;

	if (clock == CLOCK_MONOTONIC && speed != 1) {
		now = speed_from + (now - speed_from) * speed;
		*time = (struct timespec){ (time_t)(now / 1000000000), (long)(now % 1000000000) };
	}
	return ret;
}

/* From now on time goes @times as fast. */
static inline void hurry(unsigned int times)
{
	struct timespec now;

	__real_clock_gettime(CLOCK_MONOTONIC, &now);
	speed_from = (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
	speed = times;
}

static bool is_stuck;

bool pause_vcpus(struct vm *vm, const struct vcpu *vcpus, unsigned int count, unsigned int why)
{
	if (!is_stuck)
		vm_hold(vm, why);
	return !is_stuck;
}

static u64 fake_now(void) { return 1795336346000000000ULL; }

static unsigned int interrupt_after;	/* questions; 0: never */

bool machine_is_interrupted(struct machine *machine)
{
	return interrupt_after && !--interrupt_after;
}

/* As machine.c builds one. */
static void build(struct machine *machine, unsigned int number)
{
	fake_board(machine, number, SIZE, fake_now);
	machine->disk_count = 1;
	machine->disks[0].is_arriving = number;
	ASSERT_EQ(virtio_blk_open(&machine->disks[0], disk_path, VIRTIO_BLK_WRITTEN, 0), 0);
	ASSERT_EQ(virtio_add(&machine->disks[0].device, &machine->vm, &machine->pci), 0);
	virtio_rng_init(&machine->rng);
	ASSERT_EQ(virtio_add(&machine->rng, &machine->vm, &machine->pci), 0);
}

/* ---- the guest ---- */

static u64 guest_log[MEMORY_REGIONS_MAX][SIZE / DIRTY_PAGE / 64];
static u64 guest_random = 5;
static unsigned int guest_pages;	/* that it writes each time that it can */
static u64 guest_page = 0x300000;	/* the next one of those in a row */
static unsigned int guest_turns;
static unsigned int guest_slowed;	/* turns in which it was kept from running for a moment */
static unsigned int guest_nap;		/* microseconds that each copied megabyte takes longer */

static void take_log(struct kvm_dirty_log *log)
{
	size_t size = (first.vm.memory.regions[log->slot].size / DIRTY_PAGE + 63) / 64 * 8;

	memcpy(log->dirty_bitmap, guest_log[log->slot], size);
	memset(guest_log[log->slot], 0, size);
}

static void guest_writes(u64 gpa, u8 value)
{
	ASSERT(!vm_is_held(&first.vm), "the guest writes while it stands");
	for (unsigned int i = 0; i < first.vm.memory.count; i++) {
		const struct memory_region *region = &first.vm.memory.regions[i];
		u64 page = (gpa - region->base) / DIRTY_PAGE;

		if (gpa >= region->base && gpa - region->base < region->size)
			guest_log[i][page / 64] |= 1ULL << page % 64;
	}
	memset(memory_at(&first.vm.memory, gpa & ~4095ULL, 4096), value, 4096);
}

static void device_writes(u64 gpa, u8 value)
{
	u8 *at = memory_at(&first.vm.memory, gpa, 1);

	memory_note(&first.vm.memory, at, 1);
	*at = value;
}

/* What the guest and its disk do while something else goes on. */
static bool guest_turn(void *argument, u64 done, u64 all)
{
	static u64 copied;

	guest_turns++;
	if (first.migration.writer.pages != copied)
		usleep(guest_nap);
	copied = first.migration.writer.pages;
	guest_slowed += !!(atomic_load(&first.vm.holds) & VM_HOLD_SLOW);
	if (vm_is_held(&first.vm))
		return true;
	for (unsigned int i = 0; i < guest_pages; i++) {
		guest_writes(guest_page, (u8)xorshift(&guest_random));
		guest_page = guest_page + 4096 < SIZE ? guest_page + 4096 : 0x300000;
	}
	guest_writes(0x1000, 0);
	guest_writes(0xa000, (u8)guest_turns);
	device_writes(0x200000 + (guest_turns % 16) * 4096 + 5, (u8)guest_turns);
	return true;
}

static __attribute__((unused)) const struct state_memory_watch guest = { guest_turn, NULL };

/* ---- both ---- */

static void set_up(void)
{
	int fd = mkstemp(disk_path);

	ASSERT(fd >= 0 && !ftruncate(fd, 65536), "%s", strerror(errno));
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	set_up_kernel();
	memset(&all_chips[1], 0, sizeof(all_chips[1]));
	for (unsigned int v = 2; v < VCPUS; v++)
		empty_vcpu(&kernel[v].state, v - 2);
	kernel[0].state.cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1 };
	build(&first, 0);
	build(&second, 1);
	for (u64 at = 0x1000; at < 0x9000; at += 4096)
		memset(memory_at(&first.vm.memory, at, 4096), 0x42, 4096);
	for (u64 at = 0x400000; at < 0x600000; at += 8)
		*(u64 *)memory_at(&first.vm.memory, at, 8) = xorshift(&guest_random);
	give_log = take_log;
	second.arrival = &arrival;
	/* Their drivers are there. */
	first.disks[0].device.status = first.rng.status = 4 /* VIRTIO_CONFIG_S_DRIVER_OK */;
	memset(guest_log, 0, sizeof(guest_log));
	is_logging = false;
	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static void clean_up(void)
{
	virtio_blk_close(&first.disks[0]);
	virtio_blk_close(&second.disks[0]);
	unlink(disk_path);
	memcpy(disk_path + strlen(disk_path) - 6, "XXXXXX", 6);
	memory_destroy(&first.vm.memory);
	memory_destroy(&second.vm.memory);
}

/* Does anybody have the disk? */
static inline bool is_locked(void)
{
	int fd = open(disk_path, O_RDWR);
	bool is_free = !flock(fd, LOCK_EX | LOCK_NB);

	close(fd);
	return !is_free;
}

/* The kernel's own word for whether a device of the machine would serve now. */
static inline bool is_served(struct machine *machine)
{
	bool is_free = !pthread_mutex_trylock(&machine->disks[0].device.serving);

	if (is_free)
		pthread_mutex_unlock(&machine->disks[0].device.serving);
	return is_free && machine->disks[0].device.status & 4 /* VIRTIO_CONFIG_S_DRIVER_OK */;
}

static inline bool is_same_memory(void)
{
	for (unsigned int i = 0; i < first.vm.memory.count; i++)
		if (memcmp(first.vm.memory.regions[i].host, second.vm.memory.regions[i].host, first.vm.memory.regions[i].size))
			return false;
	return true;
}

/* The second machine, as keel restore --listen makes it, whose other end is ends[1]. Return: 0 or a status. */
static inline int arrive(void)
{
	int ret = arrive_hear(&arrival, &file, ends[1], "test", true);

	if (!ret)
		ret = state_give(&second, &file);
	arrive_hold(&second);
	if (!ret)
		ret = arrive_take_over(&second);
	arrive_release(&second);
	arrive_close(&arrival, ret ? status_last() : "");
	state_file_close(&file);
	return ret;
}

#endif

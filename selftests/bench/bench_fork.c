// SPDX-License-Identifier: GPL-2.0-only
/*
 * What forks and ways back to a mark cost, in instructions of an emulated host and in bytes, and whether that is within its bar: stock KVM has nothing
 * to compare with. Each figure is the lowest of some. A fork's clock runs from KEEL_FORK_VM to the child's guest, whose first instruction
 * reads the same TSC; the launcher's fork(), which Linux does, is not in it.
 *
 * usage: bench_fork [-o FILE]
 *
 * FILE gets the rows as JSON, one a line. Ends with 1 if one is over its bar, with 4 where VMs cannot be forked.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "fork.h"
#include "hostmem.h"
#include "mark.h"

#define MB		(1ULL << 20)
#define SMALL		(128 * MB)
#define BIG		(1024 * MB)
#define BIG_NEEDS	(BIG + 256 * MB)	/* of the host's memory */
#define MORE_GPA	0x100000000ULL		/* above the VM's own */
#define FORKS		9
#define CHILDREN	24
#define RESETS		50
#define DIRTY_GPA	0x40000000ULL
#define DIRTY_PAGES	512u
#define VCPUS		2
#define PORT		0x1000

static FILE *json;
static bool is_over;

/* @wanted: at most; 0 for no bar */
static void tell(const char *name, u64 wanted, u64 got, const char *unit)
{
	static const char *separator = "";
	char bar[24] = "-";

	if (wanted)
		snprintf(bar, sizeof(bar), "%llu", (unsigned long long)wanted);
	printf("%-62s %9s %9llu  %s%s\n", name, bar, (unsigned long long)got, unit, wanted && got > wanted ? ", over its bar" : "");
	fprintf(json, "%s{ \"operation\": \"%s\", \"wanted\": %llu, \"got\": %llu, \"unit\": \"%s\" }", separator, name, (unsigned long long)wanted,
		(unsigned long long)got, unit);
	separator = ",\n";
	is_over |= wanted && got > wanted;
}

/* ---- forks ---- */

/* Of one child, from the call on. */
struct costs {
	u64 call;		/* KEEL_FORK_VM */
	u64 descriptors;	/* and a descriptor for each vCPU */
	u64 first;		/* and the guest's first instruction */
};

static struct vm *parent;
static struct costs *costs;	/* shared with children */
static u64 first;		/* the guest's */

static void guest_parent(void)
{
	GUEST_SYNC(1);
	first = rdtsc();
	GUEST_SYNC(2);
}

/* The guest's TSC is the host's. */
static void share_tsc(struct vcpu *vcpu)
{
	u64 offset = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset };

	vcpu_ioctl(vcpu, KVM_SET_DEVICE_ATTR, &attr);
}

/* A VM with @memory bytes besides its own, all there; both vCPUs have run. */
static struct vm *make_parent(u64 memory)
{
	struct vm *vm = vm_create_forkable(VM_GUEST | VM_PIT);
	u8 *more = host_pages(memory);
	struct vcpu *vcpu[VCPUS];
	unsigned int i;
	u64 at;

	for (at = 0; at < memory; at += PAGE_SIZE)
		more[at] = 1;
	vm_set_slot(vm, 1, 0, MORE_GPA, memory, more);
	for (i = 0; i < VCPUS; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest_parent);
		share_tsc(vcpu[i]);
		vcpu_run_sync(vcpu[i], 1);
	}
	return vm;
}

static void measure_child(struct vm *forked)
{
	struct keel_fork_vm how = { 0 };
	struct vcpu *vcpu;
	u64 start = rdtsc();

	forked->fd = __vm_ioctl(parent, KEEL_FORK_VM, &how);
	costs->call = rdtsc() - start;
	ASSERT(forked->fd >= 0, "KEEL_FORK_VM: %s", strerror(-forked->fd));
	vcpu = vcpu_create(forked, 0);
	vcpu_create(forked, 1);
	costs->descriptors = rdtsc() - start;
	vcpu_run_sync(vcpu, 2);
	costs->first = *GUEST_VAR(forked, first) - start;
}

static void join(pid_t pid)
{
	int status;

	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(!status, "a measurement ended with %#x", status);
}

static u64 lower(u64 a, u64 b)
{
	return a < b ? a : b;
}

static struct costs measure_forks(u64 memory)
{
	struct costs lowest = { ~0ULL, ~0ULL, ~0ULL };
	unsigned int i;

	parent = make_parent(memory);
	for (i = 0; i < FORKS; i++) {
		join(vm_fork_child(parent, measure_child, 0));
		lowest.call = lower(lowest.call, costs->call);
		lowest.descriptors = lower(lowest.descriptors, costs->descriptors);
		lowest.first = lower(lowest.first, costs->first);
	}
	return lowest;
}

/* Its memory goes with its process. */
static void in_process(void (*fn)(void))
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		fn();
		fflush(NULL);
		_exit(test_has_failed());
	}
	join(pid);
}

static struct costs *small, *big;

static void measure_small(void)
{
	*small = measure_forks(SMALL);
}

static void measure_big(void)
{
	*big = measure_forks(BIG);
}

static void bench_forks(void)
{
	in_process(measure_small);
	tell("KEEL_FORK_VM, 2 vCPUs", 150000, small->call, "instructions");
	tell("  and a descriptor for each vCPU", 150000, small->descriptors, "instructions");
	tell("  and to the child's first instruction, 128 MiB", 0, small->first, "instructions");
	if (host_available_memory() < BIG_NEEDS) {
		printf("# the host has no room for 1 GiB\n");
		return;
	}
	in_process(measure_big);
	tell("  the same, 1 GiB: within a tenth", small->first + small->first / 10, big->first, "instructions");
}

/* ---- memory ---- */

/* A child that waits, has its VM once it is told to, with all descriptors and vCPU pages, and stays until it is killed. */
static void be_child(int go, int ready, bool runs)
{
	struct keel_fork_vm how = { 0 };
	u8 stack[16 * PAGE_SIZE];
	struct vm forked = *parent;
	struct vcpu *vcpu;
	unsigned int i;
	char c = 0;

	/* what it writes of the parent's is its own by now */
	memset(stack, 1, sizeof(stack));
	asm volatile("" : : "r" (stack) : "memory");
	free(calloc(1, sizeof(*vcpu)));
	ASSERT_EQ(write(ready, &c, 1), 1);
	ASSERT_EQ(read(go, &c, 1), 1);
	forked.fd = __vm_ioctl(parent, KEEL_FORK_VM, &how);
	ASSERT(forked.fd >= 0, "KEEL_FORK_VM: %s", strerror(-forked.fd));
	for (i = 0; i < VCPUS; i++) {
		vcpu = vcpu_create(&forked, i);
		if (runs)
			vcpu_run_sync(vcpu, 2);
	}
	ASSERT_EQ(write(ready, &c, 1), 1);
	for (;;)
		pause();
}

static void hear_all(int ready)
{
	unsigned int i;
	char c;

	for (i = 0; i < CHILDREN; i++)
		ASSERT_EQ(read(ready, &c, 1), 1);
}

/* What is free of the host; @but_processes: and what processes have written, so that what goes is the kernel's alone. */
static u64 free_bytes(bool but_processes)
{
	u64 bytes = host_free_memory();

	return but_processes ? bytes + host_anonymous_memory() : bytes;
}

/* Bytes that a child's VM takes of the host. Unless its guest runs, nothing that its process has written meanwhile is counted. */
static u64 measure_memory(bool runs)
{
	pid_t pid[CHILDREN];
	int go[2], ready[2];
	u64 before, after;
	char c[CHILDREN] = { 0 };
	unsigned int i;

	ASSERT_EQ(pipe2(go, O_CLOEXEC) | pipe2(ready, O_CLOEXEC), 0);
	host_free_memory();	/* no huge pages from here on */
	parent = make_parent(16 * MB);
	fflush(NULL);
	for (i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		ASSERT(pid[i] >= 0, "fork: %s", strerror(errno));
		if (!pid[i])
			be_child(go[0], ready[1], runs);
	}
	hear_all(ready[0]);
	before = free_bytes(!runs);
	ASSERT_EQ(write(go[1], c, CHILDREN), CHILDREN);
	hear_all(ready[0]);
	after = free_bytes(!runs);
	for (i = 0; i < CHILDREN; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	return before > after ? (before - after) / CHILDREN : 0;
}

static void measure_idle(void)
{
	costs->call = measure_memory(false);
}

static void measure_used(void)
{
	costs->call = measure_memory(true);
}

static void bench_memory(void)
{
	in_process(measure_idle);
	tell("kernel memory of a child that has not run, 2 vCPUs", 65536, costs->call, "bytes");
	in_process(measure_used);
	tell("  that has, with the pages that its guest has written", 0, costs->call, "bytes");
}

/* ---- ways back to a mark ---- */

/* Its own memory is not put back: it calls nothing, and has all in registers. */
static void guest_dirty(u64 pages)
{
	u64 i;

	for (;;) {
		outb(PORT, 1);
		for (i = 0; i < pages; i++)
			*(volatile u8 *)(DIRTY_GPA + i * PAGE_SIZE) = 1;
		outb(PORT, 2);
	}
}

static void run_to(struct vcpu *vcpu, u8 stage)
{
	const struct kvm_run *run = vcpu->run;
	int ret = __vcpu_run(vcpu);

	ASSERT(!ret, "KVM_RUN: %s", strerror(-ret));
	ASSERT_EXIT(vcpu, KVM_EXIT_IO);
	ASSERT_EQ(run->io.port, PORT);
	ASSERT_EQ(*((const u8 *)run + run->io.data_offset), stage);
}

struct resets {
	u64 call;	/* KEEL_RESET_VM */
	u64 log;	/* and the dirty log of DIRTY_PAGES */
	u64 memory;	/* and a copy of each page that it tells of */
};

static void go_back(struct vm *vm, u8 *memory, const u8 *saved, struct resets *lowest)
{
	static u64 bitmap[DIRTY_PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	u64 start = rdtsc(), word, left;

	vm_reset(vm);
	lowest->call = lower(lowest->call, rdtsc() - start);
	vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	lowest->log = lower(lowest->log, rdtsc() - start);
	for (word = 0; word < ARRAY_SIZE(bitmap); word++)
		for (left = bitmap[word]; left; left &= left - 1)
			memcpy(memory + (word * 64 + __builtin_ctzll(left)) * PAGE_SIZE,
			       saved + (word * 64 + __builtin_ctzll(left)) * PAGE_SIZE, PAGE_SIZE);
	lowest->memory = lower(lowest->memory, rdtsc() - start);
}

static struct resets measure_resets(unsigned int vcpus, u64 pages)
{
	struct vm *vm = vm_create_markable(VM_GUEST | VM_IRQCHIP);
	u8 *memory = host_pages(DIRTY_PAGES * PAGE_SIZE), *saved = host_pages(DIRTY_PAGES * PAGE_SIZE);
	struct resets lowest = { ~0ULL, ~0ULL, ~0ULL };
	struct vcpu *vcpu[VCPUS];
	unsigned int i;

	madvise(memory, DIRTY_PAGES * PAGE_SIZE, MADV_NOHUGEPAGE);
	memset(memory, 0, DIRTY_PAGES * PAGE_SIZE);
	memset(saved, 0, DIRTY_PAGES * PAGE_SIZE);
	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, DIRTY_GPA, DIRTY_PAGES * PAGE_SIZE, memory);
	for (i = 0; i < vcpus; i++) {
		vcpu[i] = vcpu_create_guest(vm, i, guest_dirty);
		vcpu_args(vcpu[i], i ? 0 : pages, 0, 0);
		run_to(vcpu[i], 1);
	}
	vm_mark(vm);
	for (i = 0; i < RESETS; i++) {
		run_to(vcpu[0], 2);
		go_back(vm, memory, saved, &lowest);
		ASSERT(!memcmp(memory, saved, DIRTY_PAGES * PAGE_SIZE), "memory is not as it was");
	}
	for (i = 0; i < vcpus; i++)
		vcpu_destroy(vcpu[i]);
	vm_destroy(vm);
	return lowest;
}

static u64 per_page(u64 all, u64 none)
{
	return all > none ? (all - none) / DIRTY_PAGES : 0;
}

static void bench_resets(void)
{
	struct resets none = measure_resets(1, 0), all = measure_resets(1, DIRTY_PAGES), two = measure_resets(2, 0);

	tell("KEEL_RESET_VM, 1 vCPU", 20000, none.call, "instructions");
	tell("  2 vCPUs", 20000, two.call, "instructions");
	tell("  for each page dirtied since, with its dirty log", 400, per_page(all.log, none.log), "instructions");
	tell("  and the launcher's copy of it", 0, per_page(all.memory, none.memory), "instructions");
}

int main(int argc, char **argv)
{
	bool has_file = argc == 3 && !strcmp(argv[1], "-o");

	if (has_cap(KEEL_CAP_FORK_VM) <= 0 || has_cap(KEEL_CAP_RESET_VM) <= 0) {
		printf("%s forks no VMs, or puts none back\n", dev_path());
		return KSFT_SKIP;
	}
	json = fopen(has_file ? argv[2] : "/dev/null", "w");
	ASSERT(json, "%s: %s", argv[2], strerror(errno));
	setvbuf(stdout, NULL, _IOLBF, 0);
	costs = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(costs != MAP_FAILED, "mmap: %s", strerror(errno));
	small = costs + 1;
	big = costs + 2;
	printf("%-62s %9s %9s\n", "forks and resets, which stock KVM has not", "wanted", "got");
	bench_resets();
	bench_forks();
	bench_memory();
	fprintf(json, "\n");
	return fclose(json) || is_over ? KSFT_FAIL : KSFT_PASS;
}

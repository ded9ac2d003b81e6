// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPU life cycle and run loop.
 *
 * A vCPU leaves the guest for good when vm_is_stopping(), and waits outside at
 * the gate while it is held. Whoever waits for that sends KICK_SIGNAL; the
 * handler sets immediate_exit in the run page of the thread it interrupts, so
 * that a signal between the test and KVM_RUN is not lost. The signal alone
 * means nothing: anybody may send it.
 *
 * It is EINTR alone that leads to the gate: KVM_RUN has then completed the
 * instruction whose port or memory access was served before, and whoever holds
 * the vCPU may read and write its registers.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "cpu_model.h"
#include "cpuid.h"
#include "exit.h"
#include "sandbox.h"
#include "thread.h"
#include "vcpu.h"
#include "vm.h"

#define MSR_MTRR_DEFAULT_TYPE	0x2ff
#define MTRR_ENABLE		(1u << 11)
#define MTRR_WRITE_BACK		6u

#define RETRIES_AT_ONCE	16	/* of KVM_RUN after EAGAIN; then one a millisecond */
#define RETRIES_MAX	1000

#define CR0_PE		(1ULL << 0)
#define CR0_MP		(1ULL << 1)
#define CR0_ET		(1ULL << 4)
#define CR0_NE		(1ULL << 5)
#define CR0_WP		(1ULL << 16)
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)

/* EAGAINs of KVM_RUN in a row. */
struct retries {
	unsigned int count;
	struct timespec last;
};

static __thread struct kvm_run *this_run;

static int set_cpuid(struct vcpu *vcpu, const struct cpu_board *board, const struct cpu_model *model, bool *has_mtrr)
{
	struct kvm_cpuid2 *supported = cpuid_get_supported(vcpu->vm), *table;
	char why[CPU_MODEL_LACKS_MAX + 64];

	if (!supported)
		return status_fail(STATUS_CREATE, "cannot read the supported CPUID: %s",
				   strerror(errno));
	table = cpu_model_cpuid(model, supported, board, why, sizeof(why));
	free(supported);
	if (!table)
		return status_fail(STATUS_CREATE, "--cpu-model %s: %s", cpu_model_name(model->level), why);
	cpuid_set_topology(table, vcpu->index, board->cpus);
	if (vm_has(vcpu->vm, KVM_CAP_TSC_DEADLINE_TIMER))
		cpuid_set_deadline_timer(table);
	*has_mtrr = cpuid_has_mtrr(table);

	int ret = ioctl(vcpu->fd, KVM_SET_CPUID2, table);
	int error = errno;

	free(table);
	if (ret < 0)
		return status_fail(STATUS_CREATE, "cannot set CPUID of vCPU %u: %s", vcpu->index,
				   strerror(error));
	return 0;
}

/* All memory write-back, as firmware leaves it; Linux needs it to use PAT. */
static void set_memory_type(struct vcpu *vcpu)
{
	/* The head ends in a flexible array: room for its one entry follows. */
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msrs = { .head.nmsrs = 1 };

	msrs.head.entries[0] = (struct kvm_msr_entry){
		.index = MSR_MTRR_DEFAULT_TYPE,
		.data = MTRR_ENABLE | MTRR_WRITE_BACK,
	};
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		status_warn("vCPU %u: default memory type not accepted", vcpu->index);
}

static int open_vcpu(struct vcpu *vcpu)
{
	vcpu->fd = ioctl(vcpu->vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0)
		return status_fail(STATUS_CREATE, "cannot create vCPU %u: %s", vcpu->index, strerror(errno));
	vcpu->run = mmap(NULL, vcpu->vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return status_fail(STATUS_CREATE, "cannot map vCPU %u: %s", vcpu->index, strerror(errno));
	return 0;
}

int vcpu_renew(struct vcpu *vcpu)
{
	vcpu_destroy(vcpu);
	vcpu->place = (struct gate_place){ .is_kept = false };
	vcpu->has_thread = false;
	vcpu->has_stood = true;
	return open_vcpu(vcpu);
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int index, const struct cpu_board *board, const struct cpu_model *model)
{
	bool has_mtrr = false;

	*vcpu = (struct vcpu){ .vm = vm, .index = index, .fd = -1, .run = MAP_FAILED };

	int ret = open_vcpu(vcpu);

	if (!ret)
		ret = set_cpuid(vcpu, board, model, &has_mtrr);
	if (!ret && has_mtrr)
		set_memory_type(vcpu);
	return ret;
}

static void set_segments(struct kvm_sregs *sregs, bool is_64bit)
{
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x18, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_segment code = data;

	code.selector = 0x10;
	code.type = 11;
	code.l = is_64bit;
	code.db = !is_64bit;
	sregs->cs = code;
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->gdt.base = MAP_BOOT_GDT;
	sregs->gdt.limit = 4 * 8 - 1;
	sregs->idt.limit = 0;
}

int vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry)
{
	struct kvm_regs regs = {
		.rip = entry->rip, .rsi = entry->params, .rax = entry->magic, .rbx = entry->info, .rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return status_fail(STATUS_CREATE, "cannot read registers: %s", strerror(errno));
	set_segments(&sregs, entry->is_64bit);
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_MP;
	if (entry->info) {
		/* Nothing but protected mode, and the task register, is PVH's wish. */
		sregs.cr0 = CR0_PE | CR0_ET;
		sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 11, .present = 1 };
	}
	if (entry->is_64bit) {
		sregs.cr0 |= CR0_PG | CR0_WP;
		sregs.cr3 = MAP_BOOT_TABLES;
		sregs.cr4 |= CR4_PAE;
		sregs.efer |= EFER_LME | EFER_LMA;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return status_fail(STATUS_CREATE, "cannot set the guest's first registers: %s",
				   strerror(errno));
	return 0;
}

static void handle_signal(int signal)
{
	(void)signal;
	if (this_run)
		this_run->immediate_exit = 1;
}

/*
 * KVM_RUN says EAGAIN once or twice when a vCPU that waits to be started wakes up. It also does so
 * for good, at once each time, where the kernel cannot make a thread that it needs.
 */
static bool is_retry_useless(struct retries *retries)
{
	const struct timespec nap = { .tv_nsec = 1000000 };
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec > retries->last.tv_sec + 1)
		retries->count = 0;
	retries->last = now;
	if (++retries->count > RETRIES_AT_ONCE)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	return retries->count > RETRIES_MAX;
}

static void *vcpu_main(void *argument)
{
	struct vcpu *vcpu = argument;
	struct retries retries = { 0 };

	this_run = vcpu->run;
	thread_unblock_kicks();
	vm_wait_gate(vcpu->vm, &vcpu->place);
	vcpu->place.has_waited = vcpu->has_stood;

	while (!vm_is_stopping(vcpu->vm)) {
		/* The guest's watchdogs are not to mind; refused where the guest has no such clock. */
		if (vcpu->place.has_waited)
			ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
		vcpu->place.has_waited = false;
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			exit_handle(vcpu);
			/* Whoever holds it, itself by a reset, has it out when the access is complete. */
			if (vm_is_held(vcpu->vm))
				vcpu->run->immediate_exit = 1;
		} else if (errno == EINTR) {
			/* Before vm_is_stopping() and the gate are asked again: a later kick sets it anew. */
			vcpu->run->immediate_exit = 0;
			atomic_signal_fence(memory_order_seq_cst);
			vm_wait_gate(vcpu->vm, &vcpu->place);
		} else if (errno != EAGAIN || is_retry_useless(&retries)) {
			exit_run_failed(vcpu, errno);
		}
	}
	this_run = NULL;
	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = handle_signal };

	sigaction(KICK_SIGNAL, &action, NULL);

	int ret = sandbox_start_thread(&vcpu->thread, SANDBOX_VCPU, vcpu_main, vcpu);

	if (ret)
		return status_fail(STATUS_HOST, "cannot start the thread of vCPU %u: %s",
				   vcpu->index, strerror(ret));
	vcpu->has_thread = true;
	return 0;
}

bool vcpu_join(struct vcpu *vcpu)
{
	if (vcpu->has_thread && thread_join(vcpu->thread, &vcpu->vm->end_by, KICK_SIGNAL))
		vcpu->has_thread = false;
	return !vcpu->has_thread;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->run && vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->vm->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	vcpu->fd = -1;
	vcpu->run = NULL;
}

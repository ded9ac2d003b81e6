// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits to user space: port and memory accesses go to the buses, all others
 * end the run with one line that names the vCPU, where it was, and what is
 * known. Never a bare number.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <uapi/linux/keel.h>

#include "exit.h"
#include "gdb.h"
#include "reason.h"
#include "vcpu.h"
#include "vm.h"

static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int len = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += len) {
		uint64_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, len);
			bus_write(&vcpu->vm->ports, run->io.port, len, value);
		} else {
			value = bus_read(&vcpu->vm->ports, run->io.port, len);
			memcpy(data, &value, len);
		}
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned int len = run->mmio.len;
	uint64_t value = 0;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, len);
		bus_write(&vcpu->vm->mmio, run->mmio.phys_addr, len, value);
	} else {
		value = bus_read(&vcpu->vm->mmio, run->mmio.phys_addr, len);
		memcpy(run->mmio.data, &value, len);
	}
}

#define PLACE_SIZE	256
#define CAUSE_SIZE	(KEEL_ERROR_TEXT + 3)

/* "vCPU 0 at rip 0x..., ...": where the guest is. */
static const char *describe_place(struct vcpu *vcpu, char *text)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		snprintf(text, PLACE_SIZE, "vCPU %u (registers unreadable)", vcpu->index);
	else
		snprintf(text, PLACE_SIZE,
			 "vCPU %u at cs %#x rip %#llx rsp %#llx cr0 %#llx cr2 %#llx cr3 %#llx "
			 "cr4 %#llx efer %#llx",
			 vcpu->index, sregs.cs.selector, regs.rip, regs.rsp, sregs.cr0, sregs.cr2,
			 sregs.cr3, sregs.cr4, sregs.efer);
	return text;
}

static void handle_fail_entry(struct vcpu *vcpu)
{
	char place[PLACE_SIZE], cause[CAUSE_SIZE];

	vm_explain(vcpu->vm, cause, sizeof(cause));
	vm_stop(vcpu->vm, STATUS_ENTRY,
		"the CPU refused to enter the guest: %s (hardware reason %#llx, host CPU %u)%s: %s; "
		"the kernel log has more",
		reason_of_entry(vcpu->run->fail_entry.hardware_entry_failure_reason),
		vcpu->run->fail_entry.hardware_entry_failure_reason, vcpu->run->fail_entry.cpu,
		cause, describe_place(vcpu, place));
}

/* The instruction's bytes if the kernel gave them, else the raw data words. */
static void describe_internal(const struct kvm_run *run, char *text, size_t size)
{
	size_t used = 0;

	text[0] = 0;
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->emulation_failure.ndata >= 3 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
		unsigned int count = run->emulation_failure.insn_size;

		used = (size_t)snprintf(text, size, ", bytes");
		for (unsigned int i = 0; i < count && i < 15 && used < size; i++)
			used += (size_t)snprintf(text + used, size - used, " %02x",
						 run->emulation_failure.insn_bytes[i]);
		return;
	}
	for (uint32_t i = 0; i < run->internal.ndata && i < 4 && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s %#llx", i ? "" : ", data",
					 run->internal.data[i]);
}

static void handle_internal(struct vcpu *vcpu)
{
	char place[PLACE_SIZE], cause[CAUSE_SIZE], detail[96];

	vm_explain(vcpu->vm, cause, sizeof(cause));
	describe_internal(vcpu->run, detail, sizeof(detail));
	vm_stop(vcpu->vm, STATUS_INTERNAL,
		"internal error %u (%s%s)%s: %s; the kernel log has more",
		vcpu->run->internal.suberror, reason_of_internal(vcpu->run->internal.suberror), detail,
		cause, describe_place(vcpu, place));
}

static void handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(vcpu->vm, STATUS_OK, "the guest powered off");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_ask_reset(vcpu->vm, STATUS_RESET, "the guest asked for a reset");
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_stop(vcpu->vm, STATUS_CRASH, "the guest reported that it crashed, on vCPU %u",
			vcpu->index);
		break;
	default:
		vm_stop(vcpu->vm, STATUS_HOST, "unknown system event %u on vCPU %u",
			vcpu->run->system_event.type, vcpu->index);
		break;
	}
}

/* A PC's reset line is what a triple fault pulls. */
static void handle_shutdown(struct vcpu *vcpu)
{
	char place[PLACE_SIZE], reason[PLACE_SIZE + 64];

	/* SVM leaves the registers undefined then; they may read as after reset. */
	snprintf(reason, sizeof(reason), "the guest crashed (triple fault): %s", describe_place(vcpu, place));
	vm_ask_reset(vcpu->vm, STATUS_CRASH, reason);
}

void exit_handle(struct vcpu *vcpu)
{
	char place[PLACE_SIZE];

	/* Only a debugger asks for it. */
	if (vcpu->run->exit_reason == KVM_EXIT_DEBUG && vcpu->vm->gdb) {
		gdb_debug_exit(vcpu);
		return;
	}
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu);
		break;
	case KVM_EXIT_INTR:		/* a signal, or a request to come out */
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
		break;
	case KVM_EXIT_HLT:
		vm_stop(vcpu->vm, STATUS_HALT, "the guest halted for good: %s",
			describe_place(vcpu, place));
		break;
	case KVM_EXIT_SHUTDOWN:
		handle_shutdown(vcpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		handle_fail_entry(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		handle_internal(vcpu);
		break;
	default:
		vm_stop(vcpu->vm, STATUS_HOST,
			"exit reason %u (%s), which this launcher never asked for: %s",
			vcpu->run->exit_reason, reason_of_exit(vcpu->run->exit_reason),
			describe_place(vcpu, place));
		break;
	}
}

void exit_run_failed(struct vcpu *vcpu, int error)
{
	char place[PLACE_SIZE], cause[CAUSE_SIZE];

	vm_explain(vcpu->vm, cause, sizeof(cause));
	vm_stop(vcpu->vm, STATUS_HOST, "KVM_RUN failed: %s%s (exit reason %u, %s)%s: %s",
		strerror(error), error == EAGAIN ? ", again and again (too few threads allowed? "
		"ulimit -u)" : "", vcpu->run->exit_reason, reason_of_exit(vcpu->run->exit_reason),
		cause, describe_place(vcpu, place));
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: accesses that user space answers, and what KVM_RUN does with the answer. */
#ifndef CORE_IO_H
#define CORE_IO_H

#include <keel/access.h>
#include <keel/types.h>
#include <keel/vcpu.h>

/**
 * keel_complete_user_io() - finish what the last exit to user space left open
 *
 * Return rule of exit.h: the instruction may need user space again.
 */
int keel_complete_user_io(struct vcpu *vcpu);

/* User space answers the instruction at RIP: @what to do then, and by how much to advance. */
static inline void user_completes(struct vcpu *vcpu, enum vcpu_completion what, unsigned int len)
{
	vcpu->io.complete = what;
	vcpu->io.complete_len = len;
	vcpu->io.rip = vcpu_rip(vcpu);
}

/* Fill kvm_run for one port access of @count units; data lie in vcpu->pio_data. */
static inline void keel_user_pio(struct vcpu *vcpu, u16 port, unsigned int size,
				 unsigned int count, int direction)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = direction;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	vcpu->io.len = size;
	vcpu->stats.io_exits++;
}

/* Fill kvm_run for one MMIO access of at most 8 bytes. @data for writes. */
static __always_inline void keel_user_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len,
					   const void *data)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	if (data)
		memcpy(run->mmio.data, data, len);
	vcpu->io.len = len;
	vcpu->io.is_write = !!data;
	vcpu->stats.mmio_exits++;
}

/* The answers of user space to these two (exit.c, pv.c). Return rule of exit.h. */
int keel_complete_msr(struct vcpu *vcpu, bool is_read);
int keel_complete_hypercall(struct vcpu *vcpu, u64 ret, unsigned int len);

/*
 * The launcher has nothing where a slot says that guest memory is, or does not permit the access to @gpa: -EFAULT with KVM_EXIT_MEMORY_FAULT, the one
 * exit that comes with an errno (api.rst, "KVM_CAP_MEMORY_FAULT_INFO"). The guest has not moved. May sleep (exit.c).
 */
int keel_memory_gone(struct vcpu *vcpu, gpa_t gpa);

/* KVM_EXIT_DEBUG for a step over an instruction completed in software. */
int keel_debug_step_exit(struct vcpu *vcpu);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs without a kernel behind them, in place of userspace/gdb_cpu.c, for the debugger's tests.
 *
 * Memory is where it is (linear addresses are guest-physical ones) and a second time from FAKE_KERNEL on.
 */
#ifndef SELFTESTS_FAKE_GDB_H
#define SELFTESTS_FAKE_GDB_H

#include "fake_vm.h"
#include "userspace/gdb_cpu.h"
#include "userspace/gdb_server.h"
#include "userspace/vcpu.h"

#define FAKE_MEMORY	(16ULL << 20)
#define FAKE_KERNEL	0xffffffff80000000ULL
#define FAKE_CPUS	3

struct fake_cpu {
	struct gdb_registers registers;
	struct kvm_guest_debug debug;	/* as last asked for */
	unsigned int debug_calls;
	uint64_t dr6;
	bool is_halted;
	bool is_blind;			/* no address is mapped */
};

extern struct fake_cpu fake_cpus[FAKE_CPUS];
extern int fake_refusal;		/* what writing special registers returns */

/* A server with FAKE_CPUS vCPUs that stand, in 64-bit mode, and a client that has just come. */
void fake_gdb_init(struct gdb *gdb, struct vm *vm, struct vcpu *vcpus);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM without a kernel behind it: what devices ask of vm.h is recorded.
 */
#ifndef SELFTESTS_FAKE_VM_H
#define SELFTESTS_FAKE_VM_H

#include "userspace/vm.h"

struct fake_record {
	unsigned int messages;		/* vm_send_msi() calls */
	uint64_t last_address;
	uint32_t last_data;
	unsigned int line_changes;
	unsigned int doorbells;		/* set and not cleared */
	bool refuse_doorbells;
	struct vm_rom rom;		/* vm_add_rom() */
};

extern struct fake_record fake_record;

/* A VM with @memory bytes of memory, empty buses, nothing recorded. */
void fake_vm_init(struct vm *vm, uint64_t memory);

/* Is interrupt line @gsi high? */
bool fake_line(struct vm *vm, unsigned int gsi);

#endif

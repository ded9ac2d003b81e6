/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's place at the gate, where its thread waits outside the guest: vm_wait_gate().
 */
#ifndef KEEL_GATE_H
#define KEEL_GATE_H

#include <stdbool.h>

struct gate_place {
	/* Guarded by vm->gate_lock: */
	bool is_kept;		/* held alone, while others may run */
	bool is_waiting;	/* it is at the gate, whoever holds it */
	bool has_waited;	/* its thread's own: since it last entered the guest */
};

#endif

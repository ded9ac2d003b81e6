/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM of interrupt controllers and bare vCPUs, for the unit tests of irqchip/. */
#ifndef UNIT_MODEL_H
#define UNIT_MODEL_H

#include "shim.h"
#include "irqchip.h"
#include "test.h"

struct model {
	struct vm vm;
	unsigned int nr;
	struct vcpu vcpu[65];
};

extern unsigned int model_pit_acks, model_pit_forgets, model_gsi_acks[64];
extern bool model_pit_listens;

/* A VM with @nr vCPUs of ids 0, 1, ..; local APICs enabled in software. */
struct model *model_create(enum irqchip_mode mode, unsigned int nr);
void model_destroy(struct model *m);
struct vcpu *model_add_vcpu(struct model *m, u32 id);
u32 lapic_get(struct vcpu *vcpu, u32 offset);
void lapic_put(struct vcpu *vcpu, u32 offset, u32 val);
u8 port_in(struct model *m, u16 port);
void port_out(struct model *m, u16 port, u8 val);
u32 ioapic_in(struct model *m, u8 reg);
void ioapic_out(struct model *m, u8 reg, u32 val);
u64 model_random(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What core/emulator_access.c needs of the kernel and of the rooms around it, for its unit test in user space: the members of struct vcpu and
 * struct vm that it uses, and no others. Included before anything else, so that the guards keep the real headers out.
 */
#ifndef CORE_ACCESS_SHIM_H
#define CORE_ACCESS_SHIM_H

#define KEEL_ACCESS_H
#define KEEL_BUS_H
#define KEEL_DEBUG_H
#define KEEL_IRQ_H
#define KEEL_MEMORY_H
#define KEEL_SHADOW_H
#define KEEL_VCPU_H
#define KEEL_VM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/kvm.h>
#include <linux/types.h>
#include <keel/emulate_types.h>

#define BIT(n)			(1ULL << (n))
#define PAGE_SHIFT		12
#define PAGE_SIZE		4096UL
#define offset_in_page(a)	((unsigned long)(a) & (PAGE_SIZE - 1))
#define min_t(t, a, b)		({ t a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define min3(a, b, c)		min_t(unsigned int, a, min_t(unsigned int, b, c))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define X86_TRAP_PF		14

#include <keel/types.h>
#include <keel/emulate.h>
#include <keel/guest_access.h>
#include <keel/user_io.h>

struct bus { int unused; };
struct shadow_vcpu;

struct vm {
	struct bus mmio, pio;
};

struct vcpu {
	struct vm *vm;
	struct shadow_vcpu *shadow;
	struct kvm_run *run;
	void *pio_data;
	struct { u64 rip; } regs;
	struct { u64 io_exits, mmio_exits; } stats;
	struct emu emu;
	struct vcpu_user_io io;
};

bool keel_memory_is_writable(struct vcpu *vcpu, gpa_t gpa);
bool keel_memory_has_slot(struct vcpu *vcpu, gpa_t gpa);
void keel_shadow_stored(struct vcpu *vcpu, gpa_t gpa, unsigned int len);

bool keel_lapic_claims(const struct vcpu *vcpu, gpa_t gpa);
bool keel_lapic_hole(const struct vcpu *vcpu, gpa_t gpa);
int keel_lapic_mmio_read(struct vcpu *vcpu, u32 offset, unsigned int len, void *data);
int keel_lapic_mmio_write(struct vcpu *vcpu, u32 offset, unsigned int len, const void *data);
int keel_bus_read(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, void *data);
int keel_bus_write(struct vcpu *vcpu, struct bus *bus, gpa_t addr, unsigned int len, const void *data);
bool keel_bus_has(struct bus *bus, gpa_t addr);

static inline bool vcpu_watches(const struct vcpu *vcpu)
{
	return false;
}

static inline u64 vcpu_rip(struct vcpu *vcpu)
{
	return vcpu->regs.rip;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to irqchip/: the objects of this room and the calls between its files.
 *
 * An interrupt travels one way: source (line, MSI, IPI, timer) -> controller -> lapic_accept() ->
 * IRR bit, REQ_EVENT, kick. No step sleeps, and no lock is held while a vCPU is kicked but that
 * of the controller the interrupt came from. Acknowledgements travel back after all locks are
 * dropped: lapic EOI or 8259 EOI -> irq_acked() -> PIT, resamplers. Lock order: see
 * Documentation/locking.rst.
 */
#ifndef KEEL_IRQCHIP_IRQCHIP_H
#define KEEL_IRQCHIP_IRQCHIP_H

#include <linux/hrtimer.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <asm/apicdef.h>
#include <asm/processor.h>
#include <uapi/linux/kvm.h>
#include <keel/bus.h>
#include <keel/irq.h>
#include <keel/types.h>
#include <keel/vcpu.h>
#include <keel/vm.h>

struct ioapic;
struct pic;
struct pit;
struct route_table;

/* Who drives a line; a pin is high while any of them holds it. */
enum irq_source {
	IRQ_SOURCE_USER,	/* KVM_IRQ_LINE and plain irqfds */
	IRQ_SOURCE_RESAMPLE,	/* irqfds with resampling */
	IRQ_SOURCE_PIT,
	IRQ_SOURCE_RESTORED,	/* whoever did when the state was saved, until a source of the pin speaks */
};

/* The lines of another VM. Its irqfds are not here: who takes over from one lets go of what it held. */
static inline void lines_copy(u8 *to, const u8 *from, unsigned int n)
{
	while (n--) {
		to[n] = from[n] & ~BIT(IRQ_SOURCE_RESAMPLE);
		if (to[n] != from[n])
			to[n] |= BIT(IRQ_SOURCE_RESTORED);
	}
}

/* What comes of a line that is driven: the guest could not see it, and will not. KVM_IRQ_LINE_STATUS tells so. */
#define IRQ_IGNORED	(-1)

/* Delivery modes as in ICR, redirection entries and MSI data, bits 10:8. */
enum delivery_mode {
	DELIVER_FIXED,
	DELIVER_LOWEST,
	DELIVER_SMI,
	DELIVER_RESERVED,
	DELIVER_NMI,
	DELIVER_INIT,
	DELIVER_SIPI,
	DELIVER_EXTINT,
};

enum shorthand { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

/**
 * struct irq_msg - an interrupt message on the APIC bus
 * @dest: APIC ID or logical destination
 * @logical: how to read @dest
 * @level: level triggered (sets the TMR bit); for INIT: level triggered
 * @assert: false only for the INIT level de-assert message
 * @lowest: only one of the matching vCPUs gets it
 * @count_new: a vCPU that has it pending already does not count as one that took it
 */
struct irq_msg {
	u32 dest;
	u8 vector;
	u8 mode;		/* enum delivery_mode */
	u8 shorthand;		/* enum shorthand */
	bool logical;
	bool level;
	bool assert;
	bool lowest;
	bool count_new;
};

/* ---- local APIC ---- */

#define LAPIC_REG(offset)	((offset) >> 4)
#define LAPIC_NR_REGS		64
#define LAPIC_LVT_ENTRIES	6
#define LAPIC_VERSION		(0x14 | ((LAPIC_LVT_ENTRIES - 1) << 16))
#define LAPIC_TIMER_MODE	(APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_TSCDEADLINE)
#define LAPIC_SPIV_ENABLED	BIT(8)
#define LAPIC_ESR_SEND_VECTOR	BIT(5)
#define LAPIC_ESR_RECV_VECTOR	BIT(6)
#define LAPIC_ESR_ADDRESS	BIT(7)
#define APIC_BASE_MODE		(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)

/* Bits of lapic.events. */
#define LAPIC_EVENT_INIT	0
#define LAPIC_EVENT_SIPI	1

/**
 * struct lapic_timer - the timer of a local APIC
 * @hrtimer: expiry; its callback delivers LVTT by itself
 * @period: of one-shot and periodic mode, ns
 * @divisor: of the count that runs: TDCR may have been written by the CPU already
 * @lvtt: LVTT whose mode is in force: the register may have been written by the CPU already
 * @cpu: where @hrtimer was started
 * @paused: it ran, and is to go on: keel_lapic_resume()
 */
struct lapic_timer {
	struct hrtimer hrtimer;
	u64 period;
	u32 divisor;
	u32 lvtt;
	int cpu;
	bool paused;
};

/**
 * struct lapic - one local APIC
 * @page: the registers as the architecture lays them out, one word every sixteen bytes; a whole page
 *   where a CPU may be given it (keel_lapic_page()). Trigger
 *   mode (TMR) is atomic, senders write it; the rest of it belongs to the vCPU's thread, and to the
 *   CPU while that accelerates the APIC (lapic_accel.c). IRR is empty unless it does.
 * @irr: requested; atomic, senders write
 * @isr_top: highest vector in service or -1. Senders read it to spare a kick; pairs with the
 *   barrier in lapic_eoi(). Always -1 while accelerated: no kick may be spared then.
 * @accepting: enabled in hardware and software: fixed interrupts are taken
 * @enabled: enabled in IA32_APIC_BASE
 * @x2apic: in x2APIC mode
 * @published: other vCPUs may find it
 * @accelerated: the CPU works on @page by itself
 * @pv_eoi_set: the guest's PV EOI flag was set for @isr_top
 * @pv_eoi_at: where that flag is; MSR_KVM_PV_EOI_EN may name another one by now
 * @esr_pending: errors not yet latched into ESR; atomic
 * @events: LAPIC_EVENT_*; atomic
 * @map_stale: ipi_map_update() waits for keel_ipi_flush()
 * @msg_waits: and so does the delivery of @msg
 *
 * Registers belong to the vCPU's thread; senders only read single words of them.
 */
struct lapic {
	u8 *page;
	unsigned long irr[4];
	int isr_top;
	bool accepting;
	bool enabled;
	bool x2apic;
	bool accelerated;
	bool published;
	bool pv_eoi_set;
	bool map_stale;
	bool msg_waits;
	u8 sipi_vector;
	unsigned long esr_pending;
	unsigned long events;
	gpa_t pv_eoi_at;
	struct vcpu *vcpu;
	struct irqchip *irq;
	struct lapic_timer timer;
	struct irq_msg msg;
};

static inline u32 lapic_reg(const struct lapic *apic, u32 offset)
{
	return READ_ONCE(*(u32 *)(apic->page + offset));
}

static inline void lapic_set_reg(struct lapic *apic, u32 offset, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->page + offset), val);
}

static inline u32 lapic_xapic_id(const struct lapic *apic)
{
	return lapic_reg(apic, APIC_ID) >> 24;
}

/*
 * LDR of x2APIC mode: cluster in 31:16, one bit in 15:0 (SDM "Logical Destination Mode in x2APIC
 * Mode").
 */
static inline u32 lapic_x2apic_ldr(u32 id)
{
	return ((id >> 4) << 16) | (1u << (id & 0xf));
}

static inline bool lapic_in_deadline_mode(const struct lapic *apic)
{
	return (lapic_reg(apic, APIC_LVTT) & LAPIC_TIMER_MODE) == APIC_LVT_TIMER_TSCDEADLINE;
}

int lapic_accept(struct lapic *apic, u8 vector, bool level);
int lapic_deliver(struct lapic *apic, const struct irq_msg *msg);
int lapic_deliver_local(struct lapic *apic, u32 lvt);
void lapic_lint0(struct lapic *apic);
void lapic_error(struct lapic *apic, u32 error);
void lapic_write_reg(struct lapic *apic, u32 offset, u32 val);
u32 lapic_read_reg(struct lapic *apic, u32 offset);
bool lapic_sync_pv_eoi(struct lapic *apic);
void lapic_load_state(struct lapic *apic, const struct kvm_lapic_state *state);

void lapic_timer_init(struct lapic *apic);
void lapic_timer_stop(struct lapic *apic);
void lapic_timer_set_count(struct lapic *apic, u32 count);
void lapic_timer_set_divide(struct lapic *apic, u32 tdcr);
u32 lapic_timer_current(struct lapic *apic);
void lapic_timer_restore(struct lapic *apic, u32 count);
void lapic_timer_mode_changed(struct lapic *apic);
void lapic_timer_copy(struct lapic *to, struct lapic *from);

/* ---- destinations (ipi.c) ---- */

/* vCPUs by vcpu_id, which is the x2APIC ID; replaced when it must grow */
struct apic_ids {
	struct rcu_head rcu;
	u32 size;
	struct lapic *lapic[];
};

enum logical_mode {
	LOGICAL_SCAN,		/* modes mixed or destinations shared: ask every vCPU */
	LOGICAL_FLAT,		/* logical[bit] */
	LOGICAL_CLUSTER,	/* logical[cluster * 4 + bit] */
	LOGICAL_X2APIC,		/* ids[cluster * 16 + bit] */
};

#define NR_LOGICAL 64

int ipi_ids_reserve(struct irqchip *irq, u32 vcpu_id);
void ipi_publish(struct lapic *apic);
void ipi_unpublish(struct lapic *apic);
void ipi_map_update(struct lapic *apic);
#define IPI_WAITS (-2)
int ipi_deliver(struct irqchip *irq, struct lapic *source, const struct irq_msg *msg);
bool ipi_is_wide(struct irqchip *irq, const struct irq_msg *msg);
void ipi_send(struct lapic *apic, u32 icr, u32 dest);

/* ---- the VM's part ---- */

/**
 * struct irqchip - interrupt state of one VM; allocated at first use, freed with the VM
 * @ids: see struct apic_ids; written under vm->lock
 * @map_lock: @logical, @logical_mode, @odd_ids; taken with interrupts on; readers take none
 * @apic_bus_ns: of a count of the local APICs' timers, undivided; 0 for 1
 * @logical: xAPIC logical destinations
 * @odd_ids: some guest gave a vCPU an APIC ID that is not its vcpu_id
 * @extint: output of the 8259 pair; written under the 8259's lock
 * @eoi_vectors: vectors whose EOI is of interest outside the local APIC: to the I/O APIC, or to
 *   user space (split mode)
 * @routes: RCU; replaced under @lock
 * @wide_work: delivers what had to wait (IPI_WAITS): the MSIs of @wide_gsis, and pins of the I/O APIC
 * @wide_gsis: bitmap of KEEL_MAX_ROUTES, there before an APIC ID is that makes a delivery wait; atomic
 * @lock: routing, eventfds, which pins want acknowledgements; may be held while sleeping
 * @irqfd_lock: membership in @irqfds and @irqfds_ended; taken with interrupts off
 * @irqfd_work: releases @irqfds_ended
 * @nr_irqfds: those that are not released yet; @lock
 * @nr_resampled: and of these those with a resamplefd
 */
struct irqchip {
	struct vm *vm;
	struct apic_ids __rcu *ids;
	struct pic *pic;
	struct ioapic *ioapic;
	struct pit *pit;
	bool extint;
	bool odd_ids;
	bool lint0_waits;
	u8 logical_mode;
	u32 nr_split_pins;
	u32 apic_bus_ns;
	spinlock_t map_lock;
	struct lapic *logical[NR_LOGICAL];
	unsigned long eoi_vectors[4];	/* irq_set_eoi_vectors() */
	struct route_table __rcu *routes;
	struct work_struct wide_work;
	unsigned long *wide_gsis;
	struct mutex lock;
	spinlock_t irqfd_lock;
	bool irqfd_used;
	u32 nr_irqfds;
	u32 nr_resampled;
	struct list_head irqfds;
	struct list_head irqfds_ended;
	struct work_struct irqfd_work;
	struct list_head resamplers;
	struct list_head ioeventfds;
};

/*
 * With interrupts off at most so many vCPUs are asked, or told (Documentation/locking.rst,
 * "Interrupts off").
 */
#define IPI_MAX_AT_ONCE		64

struct irqchip *irqchip_get(struct vm *vm);
/* Context: any. */
void irq_deliver_later(struct irqchip *irq);
/* Before state is saved. Context: may sleep. */
static inline void irq_deliver_now(struct irqchip *irq)
{
	flush_work(&irq->wide_work);
}

static inline bool irq_wants_eoi(const struct irqchip *irq, u8 vector)
{
	return test_bit(vector, irq->eoi_vectors);
}

void irq_set_eoi_vectors(struct irqchip *irq, const unsigned long vectors[4]);

/* ---- controllers ---- */

/* kvm_irqchip.chip_id */
#define NR_IOAPIC_PINS	KVM_IOAPIC_NUM_PINS
#define NR_PIC_PINS	8

int pic_create(struct irqchip *irq);
int pic_register(struct irqchip *irq);
void pic_unregister(struct irqchip *irq);
void pic_destroy(struct irqchip *irq);
int pic_set_pin(struct irqchip *irq, unsigned int chip, unsigned int pin, enum irq_source source,
		int level);
void pic_repeat_edge(struct irqchip *irq, unsigned int pin);
int pic_ack(struct irqchip *irq);
int pic_peek(struct irqchip *irq);
/* Tell LINT0 of every vCPU what irqchip.lint0_waits put off. Interrupts on. */
void pic_deliver_wide(struct irqchip *irq);
void pic_get(struct irqchip *irq, unsigned int chip, struct kvm_pic_state *state);
void pic_set(struct irqchip *irq, unsigned int chip, const struct kvm_pic_state *state);
/* All of another VM's; nobody else knows one of the two. So do ioapic_copy() and pit_copy(). */
void pic_copy(struct irqchip *to, struct irqchip *from);

int ioapic_create(struct irqchip *irq);
int ioapic_register(struct irqchip *irq);
void ioapic_destroy(struct irqchip *irq);
int ioapic_set_pin(struct irqchip *irq, unsigned int pin, enum irq_source source, int level);
void ioapic_eoi(struct irqchip *irq, u8 vector);
void ioapic_update_notify(struct irqchip *irq);
/* Deliver what waits at pins. Interrupts on. */
void ioapic_deliver_wide(struct irqchip *irq);
void ioapic_get(struct irqchip *irq, struct kvm_ioapic_state *state);
void ioapic_set(struct irqchip *irq, const struct kvm_ioapic_state *state);
void ioapic_copy(struct irqchip *to, struct irqchip *from);

void pit_destroy(struct irqchip *irq);
void pit_stop(struct irqchip *irq);
void pit_acked(struct pit *pit);
void pit_forget(struct pit *pit);
bool pit_wants_ack(const struct pit *pit);
/* An 8254 where the other VM has one. 0 or -ENOMEM; vm->lock of both held. */
int pit_make_like(struct vm *to, struct vm *from);
/* Between these two channel 0 does not tick; what was due ticks afterwards. */
void pit_pause(struct irqchip *irq);
void pit_resume(struct irqchip *irq);
/* Between them, too: of the ticks that are due by now only the last is left. */
void pit_skip_missed(struct irqchip *irq);
/* Both are paused, and @to is afterwards as @from is. */
void pit_copy(struct irqchip *to, struct irqchip *from);
#define PIT_GSI 0

/* ---- routing (route.c) ---- */

int route_module_init(void);
void route_module_exit(void);
void route_set_default(struct irqchip *irq);
void route_share(struct irqchip *to, struct irqchip *from);
void route_destroy(struct irqchip *irq);
int route_set_line(struct irqchip *irq, u32 gsi, enum irq_source source, int level);
/* Deliver the MSIs of irqchip.wide_gsis. Interrupts on. */
void route_deliver_wide(struct irqchip *irq);
/* An edge-triggered signal: line up and down again, or one MSI. */
int route_pulse(struct irqchip *irq, u32 gsi, enum irq_source source);
int route_chip_to_gsi(struct irqchip *irq, unsigned int chip, unsigned int pin);
/* Pin @pin of @chip was acknowledged. No locks held. */
void irq_acked(struct irqchip *irq, unsigned int chip, unsigned int pin);
/* Pin @pin of @chip was unmasked. No locks held. */
void irq_unmasked(struct irqchip *irq, unsigned int chip, unsigned int pin);
/* Does anyone want to hear of acknowledgements of this pin? Under RCU. */
bool irq_wants_ack(struct irqchip *irq, unsigned int chip, unsigned int pin);

/* ---- eventfds ---- */

void irqfd_release_ended(struct work_struct *work);
void irqfd_acked(struct irqchip *irq, u32 gsi);
bool irqfd_wants_ack(struct irqchip *irq, u32 gsi);
void ioeventfd_destroy(struct irqchip *irq);

#endif

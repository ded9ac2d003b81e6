// SPDX-License-Identifier: GPL-2.0-only
/* The parts of irqchip/ and core/ that its unit tests replace: the bus, timers, eventfds, reset. */
#include "unit_model.h"

u8 shim_flag;
bool shim_page_gone, shim_page_away, shim_page_shared;
int shim_irqs_off;
long shim_allocated;
void (*shim_published)(void);
struct vendor_caps keel_caps;
unsigned int model_pit_acks, model_pit_forgets, model_gsi_acks[64];
bool model_pit_listens;

/* ---- replaced ---- */

static struct bus_device *devices[16];
static unsigned int nr_devices, nr_models;
static long allocated;	/* before the first model */

int keel_bus_register(struct bus *bus, struct bus_device *dev)
{
	ASSERT(nr_devices < ARRAY_SIZE(devices), "too many devices");
	devices[nr_devices++] = dev;
	return 0;
}

int keel_bus_register_all(struct bus *bus, struct bus_device *const *devs, unsigned int n)
{
	while (n--)
		keel_bus_register(bus, *devs++);
	return 0;
}

void keel_bus_remove(struct bus *bus, struct bus_device *dev) { }
void keel_bus_unregister(struct bus *bus, struct bus_device *dev) { }

void lapic_timer_init(struct lapic *apic) { }
void lapic_timer_stop(struct lapic *apic) { }
void lapic_timer_set_count(struct lapic *apic, u32 count) { }
void lapic_timer_set_divide(struct lapic *apic, u32 tdcr) { lapic_set_reg(apic, APIC_TDCR, tdcr); }
u32 lapic_timer_current(struct lapic *apic) { return 0; }
void lapic_timer_restore(struct lapic *apic, u32 current_count) { }
void lapic_timer_mode_changed(struct lapic *apic) { }

void pit_destroy(struct irqchip *irq) { }
void pit_stop(struct irqchip *irq) { }
void pit_acked(struct pit *pit) { model_pit_acks++; }
void pit_forget(struct pit *pit) { model_pit_forgets++; }
bool pit_wants_ack(const struct pit *pit) { return model_pit_listens; }

void irqfd_release_ended(struct work_struct *work) { }
void irqfd_acked(struct irqchip *irq, u32 gsi) { model_gsi_acks[gsi % 64]++; }
bool irqfd_wants_ack(struct irqchip *irq, u32 gsi) { return gsi == 11; }
void ioeventfd_destroy(struct irqchip *irq) { }

void keel_vcpu_reset(struct vcpu *vcpu, enum vcpu_reset_kind kind)
{
	vcpu->inits++;
	keel_lapic_reset(vcpu, kind == VCPU_INIT);
}

/* ---- the VM ---- */

struct vcpu *model_add_vcpu(struct model *m, u32 id)
{
	struct vcpu *vcpu = &m->vcpu[m->nr];

	vcpu->vm = &m->vm;
	vcpu->id = id;
	vcpu->cpuid.flags = GUEST_HAS_X2APIC | GUEST_HAS_TSC_DEADLINE;
	vcpu->cpuid.reserved_gpa = ~0ull << 40;
	ASSERT_EQ(keel_lapic_create(vcpu), 0);
	keel_lapic_reset(vcpu, false);
	m->vm.vcpus[m->nr++] = vcpu;
	m->vm.nr_vcpus = m->nr;
	keel_lapic_publish(vcpu);
	lapic_put(vcpu, APIC_SPIV, 0x1ff);
	return vcpu;
}

struct model *model_create(enum irqchip_mode mode, unsigned int nr)
{
	struct model *m = calloc(1, sizeof(*m));
	static bool has_routes;
	unsigned int i;

	if (!has_routes)
		ASSERT_EQ(route_module_init(), 0);
	has_routes = true;
	if (!nr_models++)
		allocated = shim_allocated;
	nr_devices = 0;
	if (mode == IRQCHIP_KERNEL)
		ASSERT_EQ(keel_irqchip_create(&m->vm), 0);
	else
		ASSERT_EQ(keel_irqchip_split(&m->vm, 24), 0);
	for (i = 0; i < nr; i++)
		model_add_vcpu(m, i);
	return m;
}

void model_destroy(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		keel_lapic_destroy(&m->vcpu[i]);
	keel_irq_vm_destroy(&m->vm);
	if (!--nr_models)
		CHECK_EQ("nothing is left in memory", allocated, shim_allocated);
	free(m);
}

u32 lapic_get(struct vcpu *vcpu, u32 offset)
{
	u32 val;

	ASSERT_EQ(keel_lapic_mmio_read(vcpu, offset, 4, &val), 0);
	return val;
}

void lapic_put(struct vcpu *vcpu, u32 offset, u32 val)
{
	ASSERT_EQ(keel_lapic_mmio_write(vcpu, offset, 4, &val), 0);
}

static struct bus_device *find_device(gpa_t addr)
{
	unsigned int i;

	for (i = 0; i < nr_devices; i++) {
		if (addr >= devices[i]->base && addr - devices[i]->base < devices[i]->len)
			return devices[i];
	}
	FAIL("no device at 0x%llx", (unsigned long long)addr);
}

u8 port_in(struct model *m, u16 port)
{
	struct bus_device *dev = find_device(port);
	u8 val;

	ASSERT_EQ(dev->ops->read(NULL, dev, port, 1, &val), 0);
	return val;
}

void port_out(struct model *m, u16 port, u8 val)
{
	struct bus_device *dev = find_device(port);

	ASSERT_EQ(dev->ops->write(NULL, dev, port, 1, &val), 0);
}

u32 ioapic_in(struct model *m, u8 reg)
{
	struct bus_device *dev = find_device(0xfec00000);
	u32 val = reg;

	dev->ops->write(NULL, dev, 0xfec00000, 4, &val);
	ASSERT_EQ(dev->ops->read(NULL, dev, 0xfec00010, 4, &val), 0);
	return val;
}

void ioapic_out(struct model *m, u8 reg, u32 val)
{
	struct bus_device *dev = find_device(0xfec00000);
	u32 select = reg;

	dev->ops->write(NULL, dev, 0xfec00000, 4, &select);
	ASSERT_EQ(dev->ops->write(NULL, dev, 0xfec00010, 4, &val), 0);
}

u64 model_random(void)
{
	static u64 x = 0x9e3779b97f4a7c15ull;

	return xorshift(&x);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GSI_ROUTING replaces the whole table, so that all of it is kept
 * here. Lines 0 to 23 are as after KVM_CREATE_IRQCHIP; messages follow.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "route.h"
#include "vm.h"

#define PIC_PINS	8
#define LINE_ROUTES	(VM_GSI_COUNT + 2 * PIC_PINS)

static void add_line(struct kvm_irq_routing *table, unsigned int gsi, unsigned int chip,
		     unsigned int pin)
{
	struct kvm_irq_routing_entry *entry = &table->entries[table->nr++];

	entry->gsi = gsi;
	entry->type = KVM_IRQ_ROUTING_IRQCHIP;
	entry->u.irqchip.irqchip = chip;
	entry->u.irqchip.pin = pin;
}

int route_init(struct route_table *table, struct vm *vm, unsigned int messages)
{
	*table = (struct route_table){ .vm = vm, .room = LINE_ROUTES + messages,
				       .first_message = VM_GSI_COUNT };
	table->kernel = calloc(1, sizeof(*table->kernel) +
				  table->room * sizeof(table->kernel->entries[0]));
	if (!table->kernel)
		return -ENOMEM;
	pthread_mutex_init(&table->lock, NULL);
	for (unsigned int gsi = 0; gsi < VM_GSI_COUNT; gsi++) {
		if (gsi < 2 * PIC_PINS)
			add_line(table->kernel, gsi,
				 gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				 gsi % PIC_PINS);
		add_line(table->kernel, gsi, KVM_IRQCHIP_IOAPIC, gsi);
	}
	return 0;
}

void route_free(struct route_table *table)
{
	if (!table->kernel)
		return;
	free(table->kernel);
	pthread_mutex_destroy(&table->lock);
	table->kernel = NULL;
}

/* The entry of @gsi, made if there is none. Room is there for each message. */
static struct kvm_irq_routing_entry *find_message(struct kvm_irq_routing *table, unsigned int gsi)
{
	for (unsigned int i = LINE_ROUTES; i < table->nr; i++)
		if (table->entries[i].gsi == gsi)
			return &table->entries[i];
	return &table->entries[table->nr++];
}

int route_set_message(struct route_table *table, unsigned int index, uint64_t address, uint32_t data)
{
	unsigned int gsi = table->first_message + index;
	int ret = 0;

	pthread_mutex_lock(&table->lock);
	struct kvm_irq_routing_entry *entry = find_message(table->kernel, gsi);
	struct kvm_irq_routing_entry wanted = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { (uint32_t)address, (uint32_t)(address >> 32), data, { 0 } },
	};

	if (memcmp(entry, &wanted, sizeof(wanted))) {
		struct kvm_irq_routing_entry before = *entry;

		*entry = wanted;
		if (ioctl(table->vm->fd, KVM_SET_GSI_ROUTING, table->kernel) < 0) {
			ret = -errno;
			*entry = before;
			/* a new one, which would be refused with every other again */
			if (!before.type)
				table->kernel->nr--;
		}
	}
	pthread_mutex_unlock(&table->lock);
	return ret;
}

static int set_event(struct vm *vm, const struct route_event *route, uint32_t flags)
{
	struct kvm_irqfd request = {
		.fd = (uint32_t)route->event,
		.gsi = route->gsi,
		.flags = flags,
	};

	if (route->resample >= 0 && !(flags & KVM_IRQFD_FLAG_DEASSIGN)) {
		request.flags |= KVM_IRQFD_FLAG_RESAMPLE;
		request.resamplefd = (uint32_t)route->resample;
	}
	return ioctl(vm->fd, KVM_IRQFD, &request) < 0 ? -errno : 0;
}

int route_attach(struct vm *vm, const struct route_event *route)
{
	return set_event(vm, route, 0);
}

void route_detach(struct vm *vm, const struct route_event *route)
{
	set_event(vm, route, KVM_IRQFD_FLAG_DEASSIGN);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI fixed hardware as in the ACPI specification, "Power Management Event
 * Grouping", "PM1 Control Grouping", "Power Management Timer", "General-Purpose
 * Event Register Blocks". There is no SMI command port: the machine is always in
 * ACPI mode, so SCI_EN always reads 1.
 *
 * Ways out: SLP_EN with the S5 type powers off; the reset control register
 * (0xcf9) and the keyboard controller's pulse command (0xfe to 0x64) reset.
 */
#include <stddef.h>

#include "power.h"
#include "thread.h"
#include "vm.h"

#define PM1_TIMER		(1u << 0)
#define PM1_POWER_BUTTON	(1u << 8)
#define PM1_ENABLE_BITS		0x4721u
#define PM1_SCI_ENABLE		(1u << 0)
#define GPE_GENERATION		(1u << 0)
#define PM1_SLEEP_ENABLE	(1u << 13)
#define PM1_SLEEP_TYPE(control)	((control) >> 10 & 7)
#define PM_TIMER_HZ		3579545u
#define PM_TIMER_HALF		(1ULL << 31)	/* the highest bit changes that often */
#define SECOND_NS		1000000000u

#define KEYBOARD_DATA_PORT	0x60
#define KEYBOARD_COMMAND_PORT	0x64
#define KEYBOARD_PULSE_RESET	0xfe
#define KEYBOARD_ABSENT		0xc0u	/* status: time-out and parity error */

/* Of the timer as if it had 64 bits. */
static uint64_t timer_ticks(const struct power *power)
{
	uint64_t now = power->now() + power->shift;

	return now / SECOND_NS * PM_TIMER_HZ + now % SECOND_NS * PM_TIMER_HZ / SECOND_NS;
}

static void update_line(struct power *power)
{
	vm_set_line(power->vm, POWER_SCI_GSI, IRQ_SOURCE_BOARD, power->status & power->enable || power->gpe_status & power->gpe_enable);
}

/* "PM1 Status Registers": TMR_STS is set any time the timer's highest bit changes. Return: ticks to the next time. */
static uint64_t carry(struct power *power)
{
	uint64_t ticks = timer_ticks(power);

	if (ticks / PM_TIMER_HALF != power->halves) {
		power->halves = ticks / PM_TIMER_HALF;
		power->status |= PM1_TIMER;
		update_line(power);
	}
	return PM_TIMER_HALF - ticks % PM_TIMER_HALF;
}

int power_tick(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	uint64_t left = carry(power);

	pthread_mutex_unlock(&power->lock);
	return (int)(left * 1000 / PM_TIMER_HZ + 1);
}

static uint32_t read_aligned(struct power *power, uint64_t offset)
{
	switch (offset) {
	case 0:
		carry(power);
		return power->status | (uint32_t)power->enable << 16;
	case POWER_CONTROL_PORT - POWER_EVENT_PORT:
		return power->control | PM1_SCI_ENABLE;
	case POWER_TIMER_PORT - POWER_EVENT_PORT:
		return (uint32_t)timer_ticks(power);
	case POWER_GPE_PORT - POWER_EVENT_PORT:
		return power->gpe_status | (uint32_t)power->gpe_enable << 8;
	default:
		return 0;
	}
}

static uint64_t power_read(void *owner, uint64_t offset, unsigned int len)
{
	struct power *power = owner;

	(void)len;
	pthread_mutex_lock(&power->lock);
	uint32_t value = read_aligned(power, offset & ~3ULL);

	pthread_mutex_unlock(&power->lock);
	return value >> (8 * (offset & 3));
}

static void write_control(struct power *power, uint16_t control)
{
	power->control = control & ~PM1_SLEEP_ENABLE;
	if (!(control & PM1_SLEEP_ENABLE))
		return;
	if (PM1_SLEEP_TYPE(control) == POWER_S5_TYPE)
		vm_stop(power->vm, STATUS_OK, "the guest powered off");
}

static void power_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct power *power = owner;
	unsigned int shift = 8 * (offset & 3);
	uint32_t mask = (uint32_t)(bus_mask(len) << shift);
	uint32_t bits = (uint32_t)(value << shift) & mask;

	pthread_mutex_lock(&power->lock);
	switch (offset & ~3ULL) {
	case 0:
		carry(power);
		power->status &= (uint16_t)~bits;	/* write one to clear */
		power->enable = (uint16_t)((power->enable & ~(mask >> 16)) | bits >> 16) &
				PM1_ENABLE_BITS;
		update_line(power);
		break;
	case POWER_CONTROL_PORT - POWER_EVENT_PORT:
		write_control(power, (uint16_t)((power->control & ~mask) | bits));
		break;
	case POWER_GPE_PORT - POWER_EVENT_PORT:
		power->gpe_status &= (uint8_t)~bits;
		power->gpe_enable = (uint8_t)((power->gpe_enable & ~(mask >> 8)) | bits >> 8) & GPE_GENERATION;
		update_line(power);
		break;
	default:
		break;
	}
	pthread_mutex_unlock(&power->lock);
}

void power_tell_generation(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->gpe_status |= GPE_GENERATION;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}

bool power_press_button(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	bool is_heard = power->enable & PM1_POWER_BUTTON;

	power->status |= PM1_POWER_BUTTON;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
	return is_heard;
}

void power_reset(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->status = 0;
	power->enable = 0;
	power->control = 0;
	power->gpe_status = 0;
	power->gpe_enable = 0;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}

/* The keyboard controller has nothing attached: no data, never busy. */
static uint64_t read_zero(void *owner, uint64_t offset, unsigned int len)
{
	(void)owner;
	(void)offset;
	(void)len;
	return 0;
}

/* UEFI firmware, which would wait seconds for a keyboard, takes it from this that there is none. */
static uint64_t keyboard_status(void *owner, uint64_t offset, unsigned int len)
{
	(void)owner;
	(void)offset;
	(void)len;
	return KEYBOARD_ABSENT;
}

static void keyboard_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct power *power = owner;

	(void)offset;
	(void)len;
	if ((value & 0xff) == KEYBOARD_PULSE_RESET)
		vm_ask_reset(power->vm, STATUS_RESET, "the guest asked for a reset (port 0x64)");
}

static void reset_write(void *owner, uint64_t offset, unsigned int len, uint64_t value)
{
	struct power *power = owner;

	(void)offset;
	(void)len;
	if (value & 4)		/* RST_CPU */
		vm_ask_reset(power->vm, STATUS_RESET, "the guest asked for a reset (port 0xcf9)");
}

static const struct bus_ops power_ops = { power_read, power_write };
static const struct bus_ops keyboard_data_ops = { read_zero, NULL };
static const struct bus_ops keyboard_command_ops = { keyboard_status, keyboard_write };
static const struct bus_ops reset_ops = { read_zero, reset_write };

int power_init(struct power *power, struct vm *vm)
{
	*power = (struct power){ .vm = vm, .now = thread_now };
	power->halves = timer_ticks(power) / PM_TIMER_HALF;
	pthread_mutex_init(&power->lock, NULL);

	int ret = bus_add(&vm->ports, POWER_EVENT_PORT, POWER_PORTS, &power_ops, power);

	if (!ret)
		ret = bus_add(&vm->ports, KEYBOARD_DATA_PORT, 1, &keyboard_data_ops, power);
	if (!ret)
		ret = bus_add(&vm->ports, KEYBOARD_COMMAND_PORT, 1, &keyboard_command_ops, power);
	if (!ret)
		ret = bus_add(&vm->ports, POWER_RESET_PORT, 1, &reset_ops, power);
	return ret;
}

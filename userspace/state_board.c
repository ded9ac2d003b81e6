// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sections "serial", "rtc", "power", "pci" and "lines".
 *
 * Not in them: keys that the guest has not taken yet and output on its way to
 * the terminal, which are the terminal's, not the machine's.
 */
#include <string.h>

#include "state_devices.h"
#include "state_fields.h"

#define SERIAL(member)	STATE_ROW_UINT(#member, struct serial, member)

static const struct state_row serial_rows[] = {
	SERIAL(ier), SERIAL(fcr), SERIAL(lcr), SERIAL(mcr), SERIAL(scr), SERIAL(overrun), SERIAL(modem_deltas),
	STATE_ROW_BYTES("divisor", struct serial, divisor), SERIAL(is_thre_pending), SERIAL(is_line_high),
	STATE_ROW_BYTES("fifo", struct serial, fifo), STATE_ROW_BYTES("errors", struct serial, errors),
	SERIAL(head), SERIAL(used),
};

#define TIME(member)	STATE_ROW_INT("frozen." #member, struct rtc, frozen.tm_##member)

static const struct state_row rtc_rows[] = {
	STATE_ROW_UINT("index", struct rtc, index), STATE_ROW_BYTES("bytes", struct rtc, bytes),
	STATE_ROW_INT("offset_s", struct rtc, offset), STATE_ROW_UINT("ticked_ns", struct rtc, ticked),
	TIME(sec), TIME(min), TIME(hour), TIME(mday), TIME(mon), TIME(year),
};

static const struct state_row power_rows[] = {
	STATE_ROW_UINT("status", struct power, status), STATE_ROW_UINT("enable", struct power, enable),
	STATE_ROW_UINT("control", struct power, control), STATE_ROW_UINT("timer_ns", struct power, shift),
	STATE_ROW_UINT("timer_halves", struct power, halves),
	{ .name = "gpe_status", .kind = STATE_UINT, .since = 2, .offset = offsetof(struct power, gpe_status), .size = sizeof(uint8_t) },
	{ .name = "gpe_enable", .kind = STATE_UINT, .since = 2, .offset = offsetof(struct power, gpe_enable), .size = sizeof(uint8_t) },
};

static const struct state_row pci_rows[] = {
	STATE_ROW_UINT("address", struct pci, address), STATE_ROW_BYTES("bridge_config", struct pci, bridge.config),
};

static const struct state_column sources[] = { { 0, sizeof(uint32_t) } };

static const struct state_row lines_rows[] = {
	STATE_ROW_TABLE("lines(sources)", struct state_board, lines, sources, STATE_FIXED),
};

static bool check_serial(const void *object, struct state_error *error)
{
	const struct serial *serial = object;

	if (serial->head >= SERIAL_FIFO || serial->used > SERIAL_FIFO)
		return state_refuse(error, "has a FIFO with 'head' %u and 'used' %u", serial->head, serial->used);
	return true;
}

/* What a guest can set by bytes, the year by two, with room to spare: more would only be odd. */
static bool check_rtc(const void *object, struct state_error *error)
{
	const struct rtc *rtc = object;
	const int parts[] = { rtc->frozen.tm_sec, rtc->frozen.tm_min, rtc->frozen.tm_hour, rtc->frozen.tm_mday,
			      rtc->frozen.tm_mon, rtc->frozen.tm_year };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i] < -2000 || parts[i] > 30000)
			return state_refuse(error, "has a time that stands at no possible time");
	if (rtc->offset < -RTC_OFFSET_MAX || rtc->offset > RTC_OFFSET_MAX)
		return state_refuse(error, "has an 'offset_s' of %lld", (long long)rtc->offset);
	if (rtc->index >= RTC_BYTES)
		return state_refuse(error, "has an 'index' of %u", rtc->index);
	return true;
}

#define LAYOUT(symbol, label, latest, type, table, checker) \
	const struct state_layout symbol = { .name = label, .version = latest, .rows = table, .check = checker, \
					     .row_count = ARRAY_SIZE(table), .size = sizeof(type) }

LAYOUT(state_serial_layout, "serial", 1, struct serial, serial_rows, check_serial);
LAYOUT(state_rtc_layout, "rtc", 1, struct rtc, rtc_rows, check_rtc);
LAYOUT(state_power_layout, "power", 2, struct power, power_rows, NULL);
LAYOUT(state_pci_layout, "pci", 1, struct pci, pci_rows, NULL);
LAYOUT(state_lines_layout, "lines", 1, struct state_board, lines_rows, NULL);

void state_board_hold(const struct state_board_devices *devices)
{
	pthread_mutex_lock(&devices->serial->lock);
	pthread_mutex_lock(&devices->rtc->lock);
	pthread_mutex_lock(&devices->power->lock);
}

void state_board_release(const struct state_board_devices *devices)
{
	pthread_mutex_unlock(&devices->power->lock);
	pthread_mutex_unlock(&devices->rtc->lock);
	pthread_mutex_unlock(&devices->serial->lock);
}

void state_board_take(const struct state_board_devices *from, struct state_board *board)
{
	memset(board, 0, sizeof(*board));
	state_fields_copy(&state_serial_layout, &board->serial, from->serial);
	state_fields_copy(&state_rtc_layout, &board->rtc, from->rtc);
	state_fields_copy(&state_power_layout, &board->power, from->power);
	/* In the stream it is where the timer stands. */
	board->power.shift += from->power->now();
	state_fields_copy(&state_pci_layout, &board->pci, from->pci);
	pthread_mutex_lock(&from->vm->line_lock);
	memcpy(board->lines, from->vm->line_sources, sizeof(board->lines));
	pthread_mutex_unlock(&from->vm->line_lock);
}

bool state_board_put(const struct state_board_devices *to, const struct state_board *board, struct state_error *error)
{
	state_fields_copy(&state_serial_layout, to->serial, &board->serial);
	state_fields_copy(&state_rtc_layout, to->rtc, &board->rtc);
	state_fields_copy(&state_power_layout, to->power, &board->power);
	to->power->shift -= to->power->now();
	if (!pci_restore(to->pci, &to->pci->bridge, board->pci.bridge.config))
		return state_refuse(error, "the saved host bridge is another than this program's");
	pci_set_address(to->pci, board->pci.address);
	return true;
}

bool state_board_give(const struct state_board_devices *to, const struct state_board *board, struct state_error *error)
{
	state_board_hold(to);

	bool is_given = state_board_put(to, board, error);

	state_board_release(to);
	return is_given;
}

void state_lines_give(struct vm *vm, const struct state_board *board)
{
	for (unsigned int gsi = 0; gsi < VM_GSI_COUNT; gsi++)
		for (unsigned int source = 0; source < 32; source++)
			if (board->lines[gsi] & 1u << source)
				vm_set_line(vm, gsi, source, true);
}

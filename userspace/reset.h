/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine's reset in place: --reset reboot.
 */
#ifndef KEEL_RESET_H
#define KEEL_RESET_H

struct machine;

/**
 * reset_prepare() - remember what the machine is at power-on, and let its resets be answered by reset_serve()
 *
 * When it is whole, before its first vCPU runs.
 * Return: 0, or STATUS_CREATE after a line on stderr.
 */
int reset_prepare(struct machine *machine);

/**
 * reset_serve() - if somebody has asked for a reset (vm_ask_reset()), make the machine what it was at power-on
 *
 * By the main thread, after vm->reset_event is readable. Waits for the vCPUs to leave the guest, and for devices to
 * finish what they do; where that takes too long, the vCPUs stay held and it is to be called again, as the event stays
 * readable. A machine that cannot be reset ends, and one that has been asked to power off.
 */
void reset_serve(struct machine *machine);

/**
 * reset_free() - release what reset_prepare() remembers; harmless without it
 */
void reset_free(struct machine *machine);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a migration does with its guest. All by the control thread; what goes wrong is in machine->migration.error.
 */
#ifndef KEEL_MIGRATE_GUEST_H
#define KEEL_MIGRATE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

struct machine;
struct state_error;

/**
 * migrate_hold() - have vCPUs and virtio devices stand
 * Return: false if they do not, or, though they do, a debugger may change them.
 */
bool migrate_hold(struct machine *machine);

/**
 * migrate_release() - the end of migrate_hold(); harmless if they do not stand
 */
void migrate_release(struct machine *machine);

/**
 * migrate_watch() - know of all that is written from now on; the guest stands
 */
bool migrate_watch(struct machine *machine);

/**
 * migrate_forget() - the end of migrate_watch(), if that was; the guest stands in the end, unless somebody cannot
 */
void migrate_forget(struct machine *machine);

/**
 * migrate_gather() - take the pages that were written since the last time into migration.pages
 * @count: gets how many there are
 *
 * The guest stands then.
 */
bool migrate_gather(struct machine *machine, uint64_t *count);

/**
 * migrate_slow() - to be called again and again: keep vCPUs from running for as much of the time as migration.pace says
 */
void migrate_slow(struct machine *machine);

/**
 * migrate_stop_slowing() - the end of migrate_slow()
 */
void migrate_stop_slowing(struct machine *machine);

/**
 * migrate_check_disks() - can the other side have them?
 * Return: false with migration->error.
 */
bool migrate_check_disks(struct machine *machine);

/**
 * migrate_give_disks_up() - write disks out and unlock them, for the other side to have
 */
bool migrate_give_disks_up(struct machine *machine);

/**
 * migrate_take_disks_back() - lock them again, if they are not
 * Return: false with @error if another process has one; none is locked then.
 */
bool migrate_take_disks_back(struct machine *machine, struct state_error *error);

#endif

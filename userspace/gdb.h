/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A debugger's way into the guest: GDB's remote serial protocol on a socket.
 *
 * One thread serves one client at a time. While a client has stopped the machine all vCPUs stand in
 * user space, outside KVM_RUN, and it is this thread that reads and writes their registers.
 */
#ifndef KEEL_GDB_H
#define KEEL_GDB_H

#include <stdbool.h>

struct gdb;
struct vcpu;
struct vm;

struct gdb_request {
	const char *address;	/* as gdb_listen() takes it; NULL: no debugger */
	bool is_waiting;	/* the vCPUs stand until a client lets them go */
};

/**
 * gdb_open() - listen for a client, if @request wants one; vm->gdb is set then
 * @vcpus: all @count of them, created.
 *
 * Return: 0, or STATUS_CREATE or STATUS_HOST after a line on stderr.
 */
int gdb_open(struct vm *vm, struct vcpu *vcpus, unsigned int count, const struct gdb_request *request);

/**
 * gdb_listener() - the socket on which clients are accepted; -1 with NULL
 */
int gdb_listener(const struct gdb *gdb);

/**
 * gdb_start() - start the thread
 *
 * The vCPUs' threads must be there. Return: 0, or STATUS_HOST after a line on stderr. Harmless with NULL.
 */
int gdb_start(struct gdb *gdb);

/**
 * gdb_end() - end the thread; vm_is_stopping() must hold, which lets vCPUs go that stand
 *
 * Return: false if the thread is still there. Harmless with NULL.
 */
bool gdb_end(struct gdb *gdb);

/**
 * gdb_close() - release everything; harmless with NULL
 */
void gdb_close(struct gdb *gdb);

/**
 * gdb_debug_exit() - serve KVM_EXIT_DEBUG: stand and tell the debugger, or give the guest what is its own
 */
void gdb_debug_exit(struct vcpu *vcpu);

#endif

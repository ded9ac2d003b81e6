/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files behind gdb.h share: the server, its one client, and what it knows of each vCPU.
 */
#ifndef KEEL_GDB_SERVER_H
#define KEEL_GDB_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "gdb.h"
#include "gdb_break.h"
#include "gdb_packet.h"
#include "gdb_regs.h"

enum gdb_why {
	GDB_WHY_NOTHING,
	GDB_WHY_INTERRUPT,	/* the client asked, or has just come */
	GDB_WHY_SOFT,
	GDB_WHY_HARD,
	GDB_WHY_WATCH,
	GDB_WHY_STEP,
};

struct gdb_stop {
	enum gdb_why why;
	enum gdb_break type;	/* of a watchpoint */
	uint64_t address;	/* that it watches */
};

enum gdb_action { GDB_REST, GDB_CONTINUE, GDB_STEP };

/* A vCPU. Its thread identifier is its index plus one. */
struct gdb_slot {
	struct vcpu *vcpu;
	/* Under vm->gate_lock: */
	struct gdb_stop stop;	/* that the client has not been told of; GDB_WHY_NOTHING: none */
	/* Written by the server while the vCPU stands: */
	enum gdb_action action;
};

struct gdb_client {
	int fd;				/* -1: none */
	bool is_acked;			/* packets are acknowledged */
	bool is_running;		/* it waits for a stop */
	bool wants_soft, wants_hard;	/* to be told which kind of breakpoint it was */
	unsigned int general;		/* index of the vCPU whose registers and memory are meant */
	int resumed;			/* the one that c and s mean; -1: all */
	unsigned int stopped;		/* the one that stopped last, and why */
	struct gdb_stop stop;
	unsigned int resent;		/* times that the last reply was wanted again */
	const struct gdb_layout *layout;
	struct gdb_input input;
	struct gdb_reply reply;
	char xml[GDB_XML_MAX];
	size_t xml_length;
};

struct gdb {
	struct vm *vm;
	struct gdb_slot *slots;
	unsigned int count;
	unsigned int step_control;	/* KVM_GUESTDBG_SINGLESTEP, with KVM_GUESTDBG_BLOCKIRQ where that is known */
	int listener;
	int wake;			/* eventfd: a vCPU has stopped */
	pthread_t thread;
	bool has_thread;
	struct gdb_breaks breaks;
	struct gdb_client client;
};

/* gdb_stop.c */

/**
 * gdb_world_stop() - let all vCPUs stand; those that others hold do so already
 *
 * Return: false if the machine ends meanwhile.
 */
bool gdb_world_stop(struct gdb *gdb);

/**
 * gdb_world_go() - let the vCPUs do what their slot's action is; all stand
 *
 * In a paused machine they do it once it is resumed.
 *
 * Return: 0; 1 if one of them has already done so and stopped, as gdb_world_event() tells; or a negative errno.
 * Nothing has run in the last two cases.
 */
int gdb_world_go(struct gdb *gdb);

/**
 * gdb_world_free() - breakpoints are gone, all vCPUs run undebugged; all stand
 */
void gdb_world_free(struct gdb *gdb);

/**
 * gdb_world_event() - take the stop of a vCPU that has not been told, if there is one
 */
bool gdb_world_event(struct gdb *gdb, unsigned int *index, struct gdb_stop *stop);

/* gdb_memory.c */

/**
 * gdb_memory_read() - read guest memory at linear @address, as the client's vCPU sees it
 * Return: how many bytes could be read.
 */
size_t gdb_memory_read(struct gdb *gdb, uint64_t address, uint8_t *bytes, size_t count);

/**
 * gdb_memory_write() - write guest memory, all of it or nothing; @bytes is changed
 */
bool gdb_memory_write(struct gdb *gdb, uint64_t address, uint8_t *bytes, size_t count);

/**
 * gdb_memory_find() - guest-physical address of linear @address, as any vCPU sees it, the client's first
 */
bool gdb_memory_find(struct gdb *gdb, uint64_t address, uint64_t *gpa);

/* gdb_client.c */

/**
 * gdb_client_begin() - a client has come; all vCPUs stand
 */
void gdb_client_begin(struct gdb *gdb, int fd);

/**
 * gdb_tell_stop() - put into the reply why the machine stands
 */
void gdb_tell_stop(struct gdb *gdb);

/**
 * gdb_thread() - read a thread identifier
 * @index: gets the vCPU's; -1 for all, -2 for any.
 *
 * Return: false if it is none, or there is no such vCPU.
 */
bool gdb_thread(const struct gdb *gdb, const char **at, int *index);

/* gdb_command.c */

enum gdb_verdict {
	GDB_SILENT,	/* nothing is to be sent now */
	GDB_ANSWER,	/* client.reply is */
	GDB_LEAVE,	/* it is, and then the client is let go, and the machine runs */
	GDB_KILL,	/* the machine is to end */
};

/**
 * gdb_command() - do what the packet in client.input says
 */
enum gdb_verdict gdb_command(struct gdb *gdb);

/* gdb_query.c */

/**
 * gdb_query() - answer a packet that begins with q or Q; what is unknown has an empty answer
 */
void gdb_query(struct gdb *gdb, const char *at);

/* gdb_resume.c */

/**
 * gdb_resume() - c, s, C, S
 */
enum gdb_verdict gdb_resume(struct gdb *gdb, const char *at);

/**
 * gdb_vcont() - what follows "vCont"
 */
enum gdb_verdict gdb_vcont(struct gdb *gdb, const char *at);

/* gdb_serve.c */

/**
 * gdb_serve() - the thread
 * @argument: struct gdb
 */
void *gdb_serve(void *argument);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine without a kernel behind it, its control socket, and clients, for the tests of the control socket.
 */
#ifndef SELFTESTS_FAKE_CONTROL_H
#define SELFTESTS_FAKE_CONTROL_H

#include <stdatomic.h>

#include "fake_vm.h"
#include "userspace/control.h"
#include "userspace/pause.h"
#include "userspace/power.h"
#include "userspace/stats.h"
#include "userspace/vcpu.h"

extern struct vm vm;
extern struct power power;
extern struct stats stats;
extern struct vcpu vcpus[2];
extern struct control control;
extern char directory[];		/* a template until set_up() */
extern char path[64];			/* of the socket */

extern bool is_stuck;			/* a vCPU cannot leave the guest */
extern enum pause_nmi nmi_result;	/* what an NMI comes to */
extern atomic_uint nmis;		/* so many were asked for */
extern bool is_paced;			/* each takes 10 ms */

extern atomic_bool is_hung;		/* a device, */
extern atomic_uint looks;		/* so often looked at, */
extern atomic_uint given_up;		/* until nobody wanted it any more */

/** set_up() - the machine runs, and listens */
void set_up(void);

/** finish() - it ends, and its files go */
void finish(void);

/** join() - one more client */
int join(void);

/** say() - @size bytes of a client's, all of them */
void say(int fd, const char *text, size_t size);

/** hear() - a line of its answers; "" at the end, or if none comes within @seconds; until the next call */
const char *hear(int fd, int seconds);

/** ask() - one request, and its answer as of hear() */
const char *ask(int fd, const char *request);

/** check_answer() - one row: the answer to @request, a line without its end, has @wanted in it */
void check_answer(int fd, const char *name, const char *request, const char *wanted);

/** is_ok() - is it the whole answer to what was done? */
bool is_ok(const char *answer);

/** pass_along() - @count descriptors along with @text: of @passed, or those of standard error */
void pass_along(int fd, const char *text, const int *passed, unsigned int count);

#endif

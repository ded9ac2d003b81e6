/* SPDX-License-Identifier: GPL-2.0-only */
/* vCPUs on threads, and signals to them. */
#ifndef SELFTESTS_THREAD_H
#define SELFTESTS_THREAD_H

#include <pthread.h>

#include "guest.h"

/* Run the vCPU to DONE on a thread of its own; join waits for that. */
pthread_t vcpu_thread(struct vcpu *vcpu);
/* Run any function of the test on a thread. */
pthread_t host_thread(void *(*fn)(void *), void *arg);
void host_join(pthread_t thread);
/* SIGUSR1 to a thread interrupts KVM_RUN and does nothing else, once this was called. */
void ignore_kick(void);
void host_kick(pthread_t thread);
void host_sleep_ms(unsigned int ms);
u64 host_now_us(void);		/* monotonic */
/* Guest code adds to *@count: it comes to add @n within 5 s, a row named @name. */
void expect_progress(const char *name, volatile u64 *count, u64 n);

/*
 * The CPUs that this program was started on, in their order; -1 if there are not so many. Not always from 0: selftests/lab/run. One
 * that is offline at the first call is not counted, also when it comes later.
 */
int host_cpu(unsigned int n);
/* Keep a thread (0: the caller) on one of them; -1: on none in particular. 0 or -errno. */
int host_pin(pid_t tid, int cpu);

/* Wait for a child: the signal that ended it, or 0. */
int child_signal(pid_t pid);

/* Raise and lower a line with KVM_IRQ_LINE. */
void vm_irq_line(struct vm *vm, u32 gsi, int level);
/* KVM_SIGNAL_MSI: what it returns, or -errno. KVM_SET_GSI_ROUTING: @gsi sends this message, and no other is routed. */
int vm_signal_msi(struct vm *vm, u64 address, u32 data);
void vm_route_msi(struct vm *vm, u32 gsi, u64 address, u32 data);

#endif

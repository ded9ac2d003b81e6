// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads for vCPUs. A failed assertion on any of them ends the whole case
 * (test_fail() leaves the process), so joining needs no verdict.
 */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "thread.h"

static void *run_done(void *vcpu)
{
	vcpu_run_done(vcpu);
	return NULL;
}

pthread_t host_thread(void *(*fn)(void *), void *arg)
{
	pthread_t t;
	int ret = pthread_create(&t, NULL, fn, arg);

	ASSERT(!ret, "pthread_create: %s", strerror(ret));
	return t;
}

pthread_t vcpu_thread(struct vcpu *vcpu)
{
	return host_thread(run_done, vcpu);
}

void host_join(pthread_t thread)
{
	int ret = pthread_join(thread, NULL);

	ASSERT(!ret, "pthread_join: %s", strerror(ret));
}

static void on_kick(int sig)
{
}

void ignore_kick(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(SIGUSR1, &sa, NULL);
}

void host_kick(pthread_t thread)
{
	pthread_kill(thread, SIGUSR1);
}

void host_sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

u64 host_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

void expect_progress(const char *name, volatile u64 *count, u64 n)
{
	u64 start = *count;
	int i;

	for (i = 0; i < 1000 && *count < start + n; i++)
		host_sleep_ms(5);
	CHECK_EQ(name, 1, *count >= start + n);
}

/* Read once, before anything is pinned: without the CPUs that are offline then. */
static const cpu_set_t *host_cpus(void)
{
	static cpu_set_t cpus;

	if (!CPU_COUNT(&cpus))
		ASSERT_EQ(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	return &cpus;
}

int host_cpu(unsigned int n)
{
	const cpu_set_t *cpus = host_cpus();
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, cpus) && !n--)
			return cpu;
	}
	return -1;
}

int host_pin(pid_t tid, int cpu)
{
	cpu_set_t set = *host_cpus();

	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
	}
	return sched_setaffinity(tid, sizeof(set), &set) ? -errno : 0;
}

int child_signal(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		ASSERT_EQ(errno, EINTR);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void vm_irq_line(struct vm *vm, u32 gsi, int level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	vm_ioctl(vm, KVM_IRQ_LINE, &l);
}

int vm_signal_msi(struct vm *vm, u64 address, u32 data)
{
	struct kvm_msi msi = { .address_lo = address, .address_hi = address >> 32, .data = data };

	return __vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);
}

void vm_route_msi(struct vm *vm, u32 gsi, u64 address, u32 data)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} r = {
		.head.nr = 1,
		.entry = { .gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
			   .u.msi = { .address_lo = address, .address_hi = address >> 32, .data = data } },
	};

	vm_ioctl(vm, KVM_SET_GSI_ROUTING, &r);
}

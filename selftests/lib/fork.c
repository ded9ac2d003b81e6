// SPDX-License-Identifier: GPL-2.0-only
/* Child processes that go on with a copy of a VM. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uapi/linux/keel.h>

#include "fork.h"

int host_loses_interrupts(void)
{
	FILE *f = host_is_bochs() ? fopen("/sys/module/keel/parameters/apicv", "r") : NULL;
	int apicv = 0;

	if (f) {
		ASSERT(fscanf(f, "%d", &apicv) == 1, "the parameter apicv is no number");
		fclose(f);
	}
	return apicv == 1;
}

struct vm *vm_create_forkable(unsigned int flags)
{
	REQUIRE_CAP(KEEL_CAP_FORK_VM);
	REQUIRE(!host_loses_interrupts(), "Bochs with apicv=1");
	return vm_create(flags);
}

int __vm_fork(struct vm *vm)
{
	struct keel_fork_vm how = { 0 };

	return __vm_ioctl(vm, KEEL_FORK_VM, &how);
}

struct vm *vm_fork(struct vm *vm)
{
	struct vm *forked = malloc(sizeof(*forked));

	ASSERT(forked, "out of memory");
	*forked = *vm;
	forked->fd = __vm_fork(vm);
	ASSERT(forked->fd >= 0, "KEEL_FORK_VM: %s", strerror(-forked->fd));
	return forked;
}

pid_t vm_fork_child(struct vm *vm, void (*fn)(struct vm *forked), unsigned int vcpus)
{
	struct vm *forked;
	unsigned int i;
	int done[2];
	pid_t pid;
	char c;

	ASSERT_EQ(pipe2(done, O_CLOEXEC), 0);
	pid = fork();
	ASSERT(pid >= 0, "fork: %s", strerror(errno));
	if (pid) {
		/* until then the guest must not go on: its memory is that of now */
		close(done[1]);
		ASSERT(read(done[0], &c, 1) >= 0, "pipe: %s", strerror(errno));
		close(done[0]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	forked = vm_fork(vm);
	close(done[0]);
	close(done[1]);
	if (fn)
		fn(forked);
	else
		for (i = 0; i < vcpus; i++)
			vcpu_run_done(vcpu_create(forked, i));
	fflush(NULL);
	_exit(test_has_failed() ? KSFT_FAIL : KSFT_PASS);
}

void fork_join(const char *name, pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		ASSERT_EQ(errno, EINTR);
	CHECK_EQ(name, 0, status);
}

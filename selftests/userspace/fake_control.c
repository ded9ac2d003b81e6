// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_control.h"
#include "test.h"
#include "userspace/state_format.h"
#include "userspace/state_memory.h"

struct vm vm;
struct power power;
struct stats stats;
struct vcpu vcpus[2];
struct control control;
char directory[] = "/tmp/keel-control.XXXXXX";
char path[64];

/* ---- in place of pause.c ---- */

bool is_stuck;
enum pause_nmi nmi_result;
atomic_uint nmis;
bool is_paced;

bool pause_vcpus(struct vm *of, const struct vcpu *those, unsigned int count, unsigned int why)
{
	ASSERT(of == &vm && those == vcpus && count == ARRAY_SIZE(vcpus), "another machine");
	if (!is_stuck)
		vm_hold(of, why);
	return !is_stuck;
}

enum pause_nmi pause_nmi(struct vm *of, const struct vcpu *those, unsigned int count)
{
	ASSERT(of == &vm && those == vcpus && count == ARRAY_SIZE(vcpus), "another machine");
	nmis++;
	if (is_paced)
		usleep(10000);
	errno = EIO;
	return nmi_result;
}

/* ---- in place of hold.c ---- */

atomic_bool is_hung;
atomic_uint looks;
atomic_uint given_up;

static bool hold(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error)
{
	ASSERT(!machine && ms, "another machine");
	while (is_hung) {
		looks++;
		if (!watch->progress(watch->argument, 0, 0)) {
			given_up++;
			return state_refuse(error, "given up");
		}
		usleep(1000);
	}
	if (is_stuck)
		return state_refuse(error, "a vCPU that cannot leave");
	vm_hold(&vm, why);
	return true;
}

static void let_go(struct machine *machine, unsigned int why)
{
	ASSERT(!machine, "another machine");
	vm_release(&vm, why);
}

/* ---- a machine and its clients ---- */

void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);	/* as the launcher does */
	fake_vm_init(&vm, 0);
	ASSERT_EQ(power_init(&power, &vm), 0);
	ASSERT(mkdtemp(directory), "a directory");
	snprintf(path, sizeof(path), "%s/socket", directory);
	control = (struct control){
		.vm = &vm, .vcpus = vcpus, .vcpu_count = ARRAY_SIZE(vcpus), .power = &power, .stats = &stats,
		.name = "test", .memory = 64 << 20, .hold = hold, .let_go = let_go, .listener = control_open(path),
	};
	ASSERT_GE(control.listener, 0);
	ASSERT_EQ(control_start(&control), 0);
}

void finish(void)
{
	char command[64];

	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = (struct timespec){ 0 };
	CHECK_EQ("the thread ends", 1, control_stop(&control));
	stats_close(&stats);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	ASSERT_EQ(system(command), 0);
}

int join(void)
{
	int fd = control_connect(path, 5);

	ASSERT_GE(fd, 0);
	return fd;
}

void say(int fd, const char *text, size_t size)
{
	ASSERT_EQ(send(fd, text, size, MSG_NOSIGNAL), (s64)size);
}

const char *hear(int fd, int seconds)
{
	static char line[65536];
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	while (used < sizeof(line) - 1 && poll(&wait, 1, seconds * 1000) == 1) {
		if (read(fd, line + used, 1) != 1)
			break;
		if (line[used++] == '\n')
			break;
	}
	line[used] = 0;
	return line;
}

const char *ask(int fd, const char *request)
{
	say(fd, request, strlen(request));
	return hear(fd, 20);
}

void check_answer(int fd, const char *name, const char *request, const char *wanted)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", request);
	const char *got = ask(fd, line);

	if (!strstr(got, wanted))
		test_note("wanted %s, got %s", wanted, got);
	CHECK_EQ(name, 1, !!strstr(got, wanted));
}

bool is_ok(const char *answer)
{
	return !strncmp(answer, "{\"ok\":true", 10) && answer[strlen(answer) - 1] == '\n';
}

void pass_along(int fd, const char *text, const int *passed, unsigned int count)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} files = { .head = { .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec bytes = { (char *)text, strlen(text) };
	struct msghdr message = {
		.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &files, .msg_controllen = count ? CMSG_SPACE(count * sizeof(int)) : 0,
	};
	int *at = (int *)CMSG_DATA(&files.head);

	for (unsigned int i = 0; i < count; i++)
		at[i] = passed ? passed[i] : STDERR_FILENO;
	ASSERT_EQ(sendmsg(fd, &message, MSG_NOSIGNAL), (s64)bytes.iov_len);
}

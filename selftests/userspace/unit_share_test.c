// SPDX-License-Identifier: GPL-2.0-only
/*
 * A share with Debian 12's virtiofsd behind it, started by root and by another user, and spoken to as a guest would:
 * it is asked for a file, to make one, and what lies outside; it is killed.
 *
 * <linux/fuse.h>
 */
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fake_driver.h"
#include "fake_share.h"
#include "stopping.h"
#include "userspace/share.h"
#include "userspace/share_child.h"
#include "userspace/status.h"

#define REQUEST		0x400000ULL
#define ANSWER		0x500000ULL
#define ANSWER_MAX	0x4000

static struct vm vm;
static struct pci pci;
static struct share share;
static struct route_table routes;
static struct fake_ring ring;
static u64 unique;
static u32 guest_user;		/* who asks */

static int open_share(const char *name, bool is_readonly)
{
	struct share_options options = { .path = (char *)(uintptr_t)share_path(name), .is_readonly = is_readonly, .tag = "t" };
	struct vhost_place place = { &routes, 0 };

	fake_vm_init(&vm, 16 << 20);
	ASSERT_EQ(memory_back(&vm.memory, MEMORY_SHARED), 0);
	vm.fd = -1;
	ASSERT_EQ(route_init(&routes, &vm, SHARE_ROUTES), 0);
	memset(&share, 0, sizeof(share));
	return share_open(&share, &options, &vm, &place);
}

static void plug(void)
{
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	ASSERT_EQ(virtio_add(&share.fs.device, &vm, &pci), 0);
}

static void start_driver(void)
{
	ASSERT(fake_negotiate(&vm, &share.fs.device, share.fs.device.features & ~BIT(VIRTIO_RING_F_EVENT_IDX)), "features");
	for (u32 i = 0; i < 2; i++) {
		struct fake_ring urgent;

		fake_ring_init(i ? &ring : &urgent, &vm, i);
		fake_enable_queue(&vm, &share.fs.device, i);
	}
	fake_driver_ok(&vm, &share.fs.device);
}

/* Return: the error of the answer; what is behind its header stays at ANSWER + 16. */
static int ask(u32 opcode, u64 node, const void *argument, size_t size, const char *name)
{
	struct fuse_in_header in = { .opcode = opcode, .unique = ++unique, .nodeid = node, .uid = guest_user, .gid = guest_user };
	u8 *request = memory_at(&vm.memory, REQUEST, 0x1000);
	struct fuse_out_header *out = memory_at(&vm.memory, ANSWER, ANSWER_MAX);
	u16 head = ring.next, seen = ring.used->idx;
	size_t tail = name ? strlen(name) + 1 : 0;

	in.len = (u32)(sizeof(in) + size + tail);
	memcpy(request, &in, sizeof(in));
	if (size)
		memcpy(request + sizeof(in), argument, size);
	if (tail)
		memcpy(request + sizeof(in) + size, name, tail);
	memset(out, 0, ANSWER_MAX);
	/* The header apart from the rest, as Linux has it. */
	fake_add(&ring, REQUEST, sizeof(in), false, false);
	if (size + tail)
		fake_add(&ring, REQUEST + sizeof(in), (u32)(size + tail), false, false);
	fake_add(&ring, ANSWER, sizeof(*out), true, false);
	fake_add(&ring, ANSWER + sizeof(*out), ANSWER_MAX - sizeof(*out), true, true);
	fake_offer(&ring, head);
	fake_device_put(&vm, &share.fs.device, 0x3000 + 4, 2, 1);
	for (u32 i = 0; i < 5000 && __atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE) == seen; i++)
		usleep(1000);
	ASSERT_EQ((u16)(seen + 1), ring.used->idx);
	ASSERT_EQ(unique, out->unique);
	return out->error;
}

static void *answer(void) { return memory_at(&vm.memory, ANSWER + sizeof(struct fuse_out_header), 0x1000); }

static void start_session(void)
{
	struct fuse_init_in in = { .major = 7, .minor = 31, .max_readahead = 0x20000 };

	CHECK_EQ("INIT", 0, ask(FUSE_INIT, 0, &in, sizeof(in), NULL));
	CHECK_EQ("of this protocol", 7, ((struct fuse_init_out *)answer())->major);
}

/* Read a file, make one, as the guest's root does. Return: the error of the latter. */
static int use_files(void)
{
	struct fuse_open_in open_in = { .flags = O_RDONLY };
	struct fuse_create_in create_in = { .flags = O_WRONLY, .mode = S_IFREG | 0640, .umask = 022 };
	struct fuse_read_in read_in = { .size = 100 };

	CHECK_EQ("LOOKUP", 0, ask(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "greeting"));
	u64 node = ((struct fuse_entry_out *)answer())->nodeid;

	CHECK_EQ("its size", 5, ((struct fuse_entry_out *)answer())->attr.size);
	CHECK_EQ("OPEN", 0, ask(FUSE_OPEN, node, &open_in, sizeof(open_in), NULL));
	read_in.fh = ((struct fuse_open_out *)answer())->fh;
	CHECK_EQ("READ", 0, ask(FUSE_READ, node, &read_in, sizeof(read_in), NULL));
	CHECK_EQ("what it says", 0, memcmp(answer(), "hello", 6));
	CHECK_EQ("no way out of it", (u64)-ENOENT, (u64)ask(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "program"));
	return ask(FUSE_CREATE, FUSE_ROOT_ID, &create_in, sizeof(create_in), "made");
}

/* Return: the error of a directory that @user of the guest makes. */
static int make_as(u32 user, const char *name)
{
	struct fuse_mkdir_in in = { .mode = 0755 };

	guest_user = user;
	int error = ask(FUSE_MKDIR, FUSE_ROOT_ID, &in, sizeof(in), name);

	guest_user = 0;
	return error;
}

static void serve(bool is_readonly)
{
	struct stat made;

	share_write("shared/greeting", "hello", 0644);
	ASSERT_EQ(open_share("shared", is_readonly), 0);
	plug();
	start_driver();
	for (u32 round = 0; round < 2; round++) {	/* the second after a reset in the midst of it */
		start_session();
		CHECK_EQ("CREATE", (u64)(is_readonly ? -EROFS : 0), (u64)use_files());
		fake_device_put(&vm, &share.fs.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		start_driver();
	}
	if (!is_readonly) {
		start_session();
		CHECK_EQ("a directory of another user's", (u64)(geteuid() ? -EINVAL : 0), (u64)make_as(SHARE_USER + 9, "other"));
		if (!geteuid()) {
			ASSERT_EQ(stat(share_path("shared/other"), &made), 0);
			CHECK_EQ("owner", SHARE_USER + 9, made.st_uid);
		}
		ASSERT_EQ(stat(share_path("shared/made"), &made), 0);
		CHECK_EQ("owner", geteuid(), made.st_uid);
	} else {
		CHECK_EQ("nothing was made", -1, access(share_path("shared/made"), F_OK));
	}
	share_close(&share);
	alarm(10);
	CHECK_EQ("it ends with the connection", 1, wait(NULL) > 0);
	share_remove_directory();
}

/* Is it there, and may it lock itself up here? As the user that this process is. */
static void require_virtiofsd(void)
{
	int status;

	REQUIRE(!access(SHARE_CHILD_PROGRAM, X_OK), "no virtiofsd");
	pid_t pid = fork();

	if (!pid)
		_exit(!!unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWPID));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	REQUIRE(!status, "no namespaces here");
}

static void test_root(void)
{
	REQUIRE(!geteuid(), "not root");
	require_virtiofsd();
	share_make_directory();
	serve(false);
}

static void test_root_readonly(void)
{
	REQUIRE(!geteuid(), "not root");
	require_virtiofsd();
	share_make_directory();
	serve(true);
}

static void test_user(void)
{
	share_become_user(0);
	require_virtiofsd();
	share_make_directory();
	serve(false);
}

static void test_user_groups(void)
{
	share_become_user(3);
	require_virtiofsd();
	share_make_directory();
	serve(false);
}

static void test_user_readonly(void)
{
	share_become_user(3);
	require_virtiofsd();
	share_make_directory();
	serve(true);
}

/* A batch of four requests. Return: where the first stood among them that was not answered in its turn; 4 for none. */
static u32 ask_four(void)
{
	struct fuse_in_header in = { .len = sizeof(in) + sizeof(struct fuse_getattr_in), .opcode = FUSE_GETATTR, .nodeid = FUSE_ROOT_ID };
	u16 seen = ring.used->idx, heads[4];
	u32 same = 0;

	in.unique = ++unique;
	memset(memory_at(&vm.memory, REQUEST, 0x100), 0, 0x100);
	memcpy(memory_at(&vm.memory, REQUEST, sizeof(in)), &in, sizeof(in));
	for (u32 i = 0; i < 4; i++) {
		heads[i] = ring.next % FAKE_RING_SIZE;
		fake_add(&ring, REQUEST, in.len, false, false);
		fake_add(&ring, ANSWER + i * 0x1000, sizeof(struct fuse_out_header), true, false);
		fake_add(&ring, ANSWER + i * 0x1000 + 0x100, 0x400, true, true);
		ring.avail->ring[(ring.avail->idx + i) % FAKE_RING_SIZE] = heads[i];
	}
	__atomic_store_n(&ring.avail->idx, (u16)(ring.avail->idx + 4), __ATOMIC_RELEASE);
	fake_device_put(&vm, &share.fs.device, 0x3000 + 4, 2, 1);
	for (u32 i = 0; i < 5000 && __atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE) != (u16)(seen + 4); i++)
		usleep(1000);
	ASSERT_EQ((u16)(seen + 4), ring.used->idx);
	while (same < 4 && ring.used->ring[(u16)(seen + same) % FAKE_RING_SIZE].id == heads[same])
		same++;
	return same;
}

/* What is said of it to virtq_take_over(): it answers in order. */
static void test_order(void)
{
	require_virtiofsd();
	share_make_directory();
	ASSERT_EQ(open_share("shared", false), 0);
	plug();
	start_driver();
	start_session();
	for (u32 round = 0; round < 50; round++)
		CHECK_EQ("all in their turn", 4, ask_four());
	CHECK_EQ("as it is said to", VIRTQ_IN_ORDER, share.fs.order);
	share_close(&share);
	share_remove_directory();
}

/* Killed, it is missed; the device's thread answers. */
static void test_killed(void)
{
	require_virtiofsd();
	share_make_directory();
	share_write("shared/greeting", "hello", 0644);
	ASSERT_EQ(open_share("shared", false), 0);
	plug();
	start_driver();
	ASSERT_EQ(virtio_start(&share.fs.device), 0);
	start_session();
	CHECK_EQ("CREATE", 0, use_files());
	/* The first of two, whose end is the other's. */
	char command[64];

	snprintf(command, sizeof(command), "kill -9 $(cat /proc/%d/task/*/children)", getpid());
	ASSERT_EQ(system(command) >= 0, 1);
	for (u32 i = 0; i < 5000 && !__atomic_load_n(&share.fs.is_gone, __ATOMIC_RELAXED); i++)
		usleep(1000);
	CHECK_EQ("it is missed", 1, share.fs.is_gone);
	CHECK_EQ("LOOKUP", (u64)-ENOTCONN, (u64)ask(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "greeting"));
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(&share.fs.device));
	share_close(&share);
	share_remove_directory();
}

/*
 * It is stopped, both of its processes, with a request that it has not seen. When it is let go again, after its device was reset, it must not answer
 * that into memory that is another driver's by then.
 */
static void test_stopped(void)
{
	struct children both = { .count = 0 };
	struct fuse_in_header in = { .len = sizeof(in), .opcode = FUSE_GETATTR, .nodeid = FUSE_ROOT_ID, .unique = 4711 };
	u8 *to;
	u16 head, seen;

	require_virtiofsd();
	share_make_directory();
	share_write("shared/greeting", "hello", 0644);
	ASSERT_EQ(open_share("shared", false), 0);
	plug();
	ASSERT_EQ(virtio_start(&share.fs.device), 0);
	start_driver();
	start_session();
	children_find(&both, share.child);
	CHECK_EQ("one that serves, and one that waits for it", 2, both.count);
	CHECK_EQ("both are known", both.count, share.fs.user.children.count);
	stopping_stop(&both);
	to = memory_at(&vm.memory, ANSWER, ANSWER_MAX);
	memcpy(memory_at(&vm.memory, REQUEST, 0x1000), &in, sizeof(in));
	memset(to, 0, ANSWER_MAX);
	head = ring.next;
	seen = ring.used->idx;

	fake_add(&ring, REQUEST, sizeof(in), false, false);
	fake_add(&ring, ANSWER, ANSWER_MAX, true, true);
	fake_offer(&ring, head);
	fake_device_put(&vm, &share.fs.device, 0x3000 + 4, 2, 1);
	fake_device_put(&vm, &share.fs.device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	for (u32 i = 0; i < both.count; i++) {
		struct pollfd wait = { .fd = both.fds[i], .events = POLLIN };

		CHECK_EQ("it is no more", 1, poll(&wait, 1, 0));
		syscall(SYS_pidfd_send_signal, both.fds[i], SIGCONT, NULL, 0);
	}
	usleep(100000);
	for (u32 i = 0; i < ANSWER_MAX; i++)
		if (to[i])
			FAIL("byte %u was written", i);
	CHECK_EQ("nor is the ring", seen, ring.used->idx);
	start_driver();
	CHECK_EQ("the next driver hears that it is gone", (u64)-ENOTCONN, (u64)ask(FUSE_GETATTR, FUSE_ROOT_ID, NULL, 0, NULL));
	vm_stop(&vm, STATUS_OK, "done");
	CHECK_EQ("the thread ends", 1, virtio_stop(&share.fs.device));
	share_close(&share);
	children_forget(&both);
	share_remove_directory();
}

static const struct test_case cases[] = {
	{ "root", test_root },
	{ "root_readonly", test_root_readonly },
	{ "user", test_user },
	{ "user_groups", test_user_groups },
	{ "user_readonly", test_user_readonly },
	{ "order", test_order },
	{ "killed", test_killed },
	{ "stopped", test_stopped },
};

TEST_MAIN(cases)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A launcher that is killed at random moments while its guest writes and flushes: what the guest was told is on the disk is there
 * afterwards, and nothing that it never wrote. On a raw file, an export of qemu-nbd's and of nbdkit's, and a qcow2 image, whose
 * qemu-nbd goes on by itself or is killed in the same moment.
 *
 * The guest's part is this test's: it hands the disk's device requests as a queue would. KILLS=N has each disk killed N times.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "test.h"
#include "userspace/disk_remote.h"
#include "userspace/thread.h"
#include "userspace/virtio_blk.h"

#define BLOCK		4096u
#define BLOCKS		1024u
#define WORDS		(BLOCK / sizeof(u32))
#define ROUND_US	100000	/* that a launcher lives at most, once it writes */
#define FLUSH_EVERY	6
#define END_MS		20000	/* for qemu-nbd to end by itself */

/* What the guest knows; it outlives the launcher. */
static struct known {
	u32 issued[BLOCKS];		/* the number of the last write that was begun, */
	u32 written[BLOCKS];		/* that was done, */
	u32 flushed[BLOCKS];		/* and that was done before a flush began which was done */
	u32 sequence, flushes;
	pid_t server;			/* of the launcher's own; 0: none */
	bool is_writing;
} *known;

struct kind {
	const char *name, *needs;
	const char *create, *serve;	/* commands, %1$s is the directory */
	const char *disk;
	bool is_all_killed;		/* the launcher's qemu-nbd too */
};

static char directory[] = "/tmp/keel-power-cut.XXXXXX";
static char name[256];
static struct vm vm;
static struct virtio_blk blk;
static struct virtio_blk_outhdr header;
static u8 status;
static struct virtq_chain chain;
static u32 block[WORDS];

static bool run(const char *format, const char *argument)
{
	char command[1024];

	snprintf(command, sizeof(command), format, argument, argument);
	return !system(command);
}

static void request(u32 type, u64 sector)
{
	bool is_read = type == VIRTIO_BLK_T_IN;
	u32 data = type != VIRTIO_BLK_T_FLUSH;

	memset(&chain, 0, sizeof(chain));
	header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	chain.segments[0] = (struct iovec){ &header, sizeof(header) };
	chain.segments[1] = (struct iovec){ block, BLOCK };
	chain.segments[1 + data] = (struct iovec){ &status, 1 };
	chain.read_count = 1 + (data && !is_read);
	chain.read_bytes = sizeof(header) + (data && !is_read ? BLOCK : 0);
	chain.write_count = 1 + (data && is_read);
	chain.write_bytes = 1 + (data && is_read ? BLOCK : 0);
	status = 0xee;
	blk.device.class->serve(&blk.device, &chain);
}

static bool open_disk(enum virtio_blk_use use)
{
	fake_vm_init(&vm, 0);
	memset(&blk, 0, sizeof(blk));
	if (virtio_blk_open(&blk, name, use, 0))
		return false;
	blk.device.vm = &vm;
	blk.device.accepted = blk.device.features;
	return true;
}

/* The launcher, until it is killed. A write that fails is none that was done. */
static void __attribute__((noreturn)) write_on(u64 seed)
{
	signal(SIGPIPE, SIG_IGN);
	if (!open_disk(VIRTIO_BLK_WRITTEN))
		_exit(1);
	known->server = blk.remote && blk.remote->pid ? blk.remote->pid : 0;
	for (;;) {
		u32 at = (u32)(xorshift(&seed) % BLOCKS);

		known->issued[at] = ++known->sequence;
		for (u32 i = 0; i < WORDS; i++)
			block[i] = known->sequence;
		request(VIRTIO_BLK_T_OUT, at * (BLOCK / 512));
		if (status != VIRTIO_BLK_S_OK)
			_exit(2);
		known->written[at] = known->sequence;
		known->is_writing = true;
		if (xorshift(&seed) % FLUSH_EVERY)
			continue;
		request(VIRTIO_BLK_T_FLUSH, 0);
		if (status != VIRTIO_BLK_S_OK)
			_exit(3);
		memcpy(known->flushed, known->written, sizeof(known->flushed));
		known->flushes++;
	}
}

/* All of its threads, with what they had open. */
static bool is_gone(int process)
{
	struct pollfd wait = { .fd = process, .events = POLLIN };

	return process < 0 || poll(&wait, 1, END_MS) == 1;
}

/* Return: how many words are not what they may be. */
static u32 look(const struct kind *kind)
{
	u32 wrong = 0;

	ASSERT_EQ(open_disk(VIRTIO_BLK_READ), 1);
	for (u32 at = 0; at < BLOCKS; at++) {
		u32 least = kind->is_all_killed ? known->flushed[at] : known->written[at], oldest = ~0u;

		request(VIRTIO_BLK_T_IN, at * (BLOCK / 512));
		ASSERT_EQ(status, VIRTIO_BLK_S_OK);
		for (u32 i = 0; i < WORDS; i++) {
			oldest = block[i] < oldest ? block[i] : oldest;
			if (block[i] >= least && block[i] <= known->issued[at])
				continue;
			if (!wrong++)
				test_note("%s: block %u, word %u: %u, wanted %u to %u", kind->name, at, i, block[i], least, known->issued[at]);
		}
		/* What is lost by right no later flush brings back. */
		known->written[at] = oldest;
	}
	virtio_blk_close(&blk);
	return wrong;
}

static void kill_once(const struct kind *kind, u64 *seed)
{
	const struct timespec until = thread_time_in(END_MS);
	int end, server;
	pid_t pid;

	known->is_writing = false;
	known->server = 0;
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		write_on(xorshift(seed));
	while (!known->is_writing && !waitpid(pid, &end, WNOHANG) && !thread_is_past(&until))
		usleep(500);
	ASSERT_EQ(known->is_writing, 1);
	usleep((useconds_t)(xorshift(seed) % ROUND_US));
	server = known->server ? (int)syscall(SYS_pidfd_open, known->server, 0) : -1;
	if (known->server && kind->is_all_killed)
		kill(known->server, SIGKILL);
	ASSERT_EQ(kill(pid, SIGKILL), 0);
	ASSERT_EQ(waitpid(pid, &end, 0), pid);
	CHECK_EQ("it was killed, or has seen that its server was", 1, WIFSIGNALED(end) || kind->is_all_killed);
	CHECK_EQ("its qemu-nbd has ended", 1, is_gone(server));
	if (server >= 0)
		close(server);
}

static void cut(const struct kind *kind)
{
	const char *kills = getenv("KILLS");
	u32 count = kills ? (u32)atoi(kills) : 10;
	u64 seed = 0x1234567;

	if (kind->needs && !run("command -v %s >/dev/null", kind->needs))
		SKIP("no %s", kind->needs);
	ASSERT_EQ(!mkdtemp(directory), 0);
	snprintf(name, sizeof(name), kind->disk, directory);
	ASSERT_EQ(run(kind->create, directory), 1);
	if (kind->serve)
		ASSERT_EQ(run(kind->serve, directory), 1);
	known = mmap(NULL, sizeof(*known), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(known == MAP_FAILED, 0);
	for (u32 i = 0; i < count && !test_has_failed(); i++) {
		kill_once(kind, &seed);
		CHECK_EQ("words that are not what they may be", 0, look(kind));
	}
	test_note("%s: %u kills, %u writes, %u flushes", kind->name, count, known->sequence, known->flushes);
	CHECK_EQ("there were flushes", 1, known->flushes > 0);
	run("kill $(cat %s/pid 2>/dev/null) 2>/dev/null", directory);
	run("rm -r %s", directory);
}

static void test_raw(void)
{
	cut(&(struct kind){ "raw", NULL, "truncate -s 4M %s/disk", NULL, "%s/disk", false });
}

static void test_qemu_nbd(void)
{
	cut(&(struct kind){ "qemu-nbd", "qemu-nbd", "truncate -s 4M %s/disk",
			    "qemu-nbd --fork --persistent --shared=4 --format=raw --pid-file=%1$s/pid --socket=%1$s/socket %1$s/disk",
			    "nbd+unix:///?socket=%s/socket", false });
}

static void test_nbdkit(void)
{
	cut(&(struct kind){ "nbdkit", "nbdkit", "truncate -s 4M %s/disk",
			    "nbdkit --pidfile %1$s/pid --unix %1$s/socket file %1$s/disk", "nbd:unix:%s/socket", false });
}

static void test_qcow2(void)
{
	cut(&(struct kind){ "qcow2", "qemu-nbd", "qemu-img create -q -f qcow2 %s/disk 4M", NULL, "%s/disk", false });
}

static void test_qcow2_all(void)
{
	cut(&(struct kind){ "qcow2, qemu-nbd killed too", "qemu-nbd", "qemu-img create -q -f qcow2 %s/disk 4M", NULL, "%s/disk", true });
}

static const struct test_case cases[] = {
	{ "raw", test_raw, 600 },
	{ "qemu_nbd", test_qemu_nbd, 600 },
	{ "nbdkit", test_nbdkit, 600 },
	{ "qcow2", test_qcow2, 600 },
	{ "qcow2_all_killed", test_qcow2_all, 600 },
};

TEST_MAIN(cases)

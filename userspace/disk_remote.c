// SPDX-License-Identifier: GPL-2.0-only
/*
 * qemu-nbd takes a socket that listens as systemd gives one (LISTEN_FDS), serves one connection, and ends with it, however we end: it
 * writes out then what it has in memory of the image's tables. So it is waited for, and never killed.
 *
 * The image names no other file that qemu-nbd would open: its header has been looked at (qcow2_read_header()). Its path begins with
 * a slash, and its format is told, so that neither is guessed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "children_start.h"
#include "disk_remote.h"
#include "nbd_address.h"
#include "socket_connect.h"
#include "status.h"

#define PROGRAM		"qemu-nbd"
#define CONNECT_S	10
#define ACTIVATED	3	/* sd_listen_fds(3): the first file */
#define WHY_MAX		256

static int open_export(struct disk_remote *remote, int socket, const char *export, const char *path)
{
	char why[WHY_MAX], words[WHY_MAX] = "";

	if (nbd_agree(&remote->nbd, socket, export, why, sizeof(why)))
		return 0;
	if (remote->words < 0)
		return status_fail(STATUS_DISK, "--disk %s: %s", path, why);
	child_words(remote->words, words, sizeof(words));
	return status_fail(STATUS_DISK, "--disk %s: %s cannot serve it: %s", path, PROGRAM, *words ? words : why);
}

static void begin(struct disk_remote *remote)
{
	remote->nbd.socket = -1;
	remote->words = -1;
}

int disk_remote_connect(struct disk_remote *remote, const char *path, bool is_written)
{
	struct nbd_address *address = malloc(sizeof(*address));
	const char *wrong = address ? nbd_address_parse(path, address) : "out of memory";
	int ret = wrong ? status_fail(STATUS_USAGE, "--disk %s: %s", path, wrong) : 0;

	begin(remote);
	if (!ret) {
		int fd = socket_connect(&address->storage, address->length, CONNECT_S);

		ret = fd < 0 ? status_fail(STATUS_DISK, "--disk %s: cannot connect to the server: %s", path, strerror(errno)) :
			       open_export(remote, fd, address->export, path);
	}
	free(address);
	if (ret || !is_written)
		return ret;
	if (remote->nbd.flags & NBD_READ_ONLY)
		return status_fail(STATUS_DISK, "--disk %s: the server lets nobody write it: ,ro or ,snapshot behind the name", path);
	if (!(remote->nbd.flags & (NBD_CAN_FLUSH | NBD_CAN_FUA)))
		status_warn("--disk %s: the server cannot be asked to have on its disk what it was written (no FLUSH): if its host fails, "
			    "what the guest takes for safe may be lost", path);
	return 0;
}

/* ---- qemu-nbd ---- */

static void give_listener(int listener, const void *argument)
{
	char number[16];

	(void)argument;
	if (listener != ACTIVATED && (dup2(listener, ACTIVATED) < 0 || fcntl(listener, F_SETFD, FD_CLOEXEC)))
		child_die("cannot pass the socket on", "");
	snprintf(number, sizeof(number), "%d", (int)getpid());
	if (setenv("LISTEN_PID", number, 1) || setenv("LISTEN_FDS", "1", 1) || unsetenv("LISTEN_FDNAMES"))
		child_die("cannot pass the socket on", "");
}

/* Return: 0 or an errno. */
static int start(struct child *child, const char *program, char *image)
{
	/* What the guest flushes is written out, and nothing before; what it gives back is given back to the host. */
	char *const arguments[] = { PROGRAM, "--format=qcow2", "--cache=writeback", "--discard=unmap", image, NULL };
	struct child_request request = { .program = program, .arguments = arguments, .prepare = give_listener };
	int ours, error = child_sockets(&ours, &request.listener);

	return error ? error : child_start(child, &request, ours);
}

int disk_remote_start(struct disk_remote *remote, const char *path)
{
	char program[PATH_MAX], *image;
	struct child child;
	int error;

	begin(remote);
	if (!child_find(PROGRAM, program, sizeof(program)))
		return status_fail(STATUS_DISK, "--disk %s: a qcow2 image, which %s writes, and that is not installed (apt-get install qemu-utils); "
				   "to read it is possible: ,ro or ,snapshot behind the name", path, PROGRAM);
	image = realpath(path, NULL);
	error = image ? start(&child, program, image) : errno;
	free(image);
	if (error)
		return status_fail(STATUS_DISK, "--disk %s: cannot start %s: %s", path, PROGRAM, strerror(error));
	/* One that cannot begin ends, and its end is seen at once. */
	remote->nbd.agree_ms = DISK_REMOTE_START_MS;
	remote->words = child.words;
	remote->pid = child.pid;
	children_find(&remote->children, child.pid);
	return open_export(remote, child.socket, "", path);
}

void disk_remote_close(struct disk_remote *remote, const char *path)
{
	bool is_written = !remote->nbd.is_lost && !(remote->nbd.flags & NBD_READ_ONLY);
	const char *wrong = nbd_close(&remote->nbd, is_written);

	if (wrong)
		status_warn("--disk %s: not all of it may be written: %s", path, wrong);
	if (remote->words < 0)
		return;
	if (remote->children.count && !children_are_gone(&remote->children, DISK_REMOTE_END_MS))
		status_warn("--disk %s: %s (process %d) is left, as it has not written all out in %d seconds; it ends when it has", path, PROGRAM,
			    (int)remote->pid, DISK_REMOTE_END_MS / 1000);
	children_forget(&remote->children);
	close(remote->words);
	remote->words = -1;
}

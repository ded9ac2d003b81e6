// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk is made of: a raw file or block device, an image of qcow2, or a server's export. What it is is told by its name and
 * its first bytes, and locked where others could have it too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_lock.h"
#include "disk_remote.h"
#include "nbd_address.h"
#include "qcow2.h"
#include "qcow2_header.h"
#include "status.h"
#include "virtio_blk.h"

static int measure(struct virtio_blk *blk, const char *path)
{
	struct stat stat;

	if (!blk->remote && (fstat(blk->fd, &stat) || (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))))
		return status_fail(STATUS_DISK, "--disk %s: not a file or block device", path);

	off_t end = blk->remote ? (off_t)blk->remote->nbd.size : blk->image ? (off_t)qcow2_size(blk->image) : lseek(blk->fd, 0, SEEK_END);

	if (end < (off_t)VIRTIO_BLK_SECTOR)
		return status_fail(STATUS_DISK, "--disk %s: smaller than one sector, 512 bytes",
				   path);
	blk->size = (uint64_t)end & ~(VIRTIO_BLK_SECTOR - 1);
	uint64_t hidden = blk->remote ? blk->remote->nbd.hidden : (uint64_t)end - blk->size;

	if (hidden)
		status_warn("%s: the last %llu bytes are no whole %s and stay hidden", path, (unsigned long long)hidden,
			    blk->remote ? "block of the server's" : "sector");
	return 0;
}

/* Images of other launchers, whose inside is not the disk. */
static int check_raw(const struct virtio_blk *blk, const char *path)
{
	static const struct {
		const char *magic, *name;
		off_t at;
	} formats[] = {
		{ "KDMV", "VMDK", 0 },
		{ "vhdxfile", "VHDX", 0 },
		{ "\x7f\x10\xda\xbe", "VDI", 64 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t length = strlen(formats[i].magic);
		char head[8] = "";

		if (pread(blk->fd, head, length, formats[i].at) == (ssize_t)length &&
		    !memcmp(head, formats[i].magic, length))
			return status_fail(STATUS_DISK,
					   "--disk %s: a %s image, and only raw ones can be "
					   "used: qemu-img convert -O raw %s NEW",
					   path, formats[i].name, path);
	}
	return 0;
}

static int make_remote(struct virtio_blk *blk)
{
	blk->remote = calloc(1, sizeof(*blk->remote));
	return blk->remote ? 0 : status_fail(STATUS_HOST, "out of memory");
}

/* A qcow2 image that is written. What locks it for others than us, qemu-nbd takes. */
static int serve_image(struct virtio_blk *blk, const char *path)
{
	struct qcow2_header header;
	const char *wrong = qcow2_read_header(blk->fd, &header);

	if (wrong)
		return status_fail(STATUS_DISK, "--disk %s: %s; qemu-img convert -O raw %s NEW makes a raw one of what can be read", path, wrong, path);
	if (blk->is_arriving)
		return status_fail(STATUS_DISK, "--disk %s: a qcow2 image that is written does not move with its machine: export it by qemu-nbd "
				   "--shared=2 --persistent, and name that (nbd:...) at both ends", path);
	/* It would be root's, with the host's files. */
	if (blk->is_jailed)
		return status_fail(STATUS_DISK, "--jail: not together with --disk %s, whose qemu-nbd would not be in the jail: start one as another user, "
				   "and name its socket: --disk nbd:unix:PATH", path);
	int ret = make_remote(blk);

	if (ret)
		return ret;
	disk_leave_to_qemu(blk->fd);
	return disk_remote_start(blk->remote, path);
}

/*
 * Once it is locked. A guest could write such an image into its raw disk; who reads that later gets what the file holds and
 * nothing else, as no other file is named by one that is taken.
 */
static int open_image(struct virtio_blk *blk, const char *path)
{
	const char *wrong;

	if (!qcow2_is_one(blk->fd))
		return 0;
	if (blk->use == VIRTIO_BLK_WRITTEN)
		return serve_image(blk, path);
	blk->image = qcow2_open(blk->fd, &wrong);
	return blk->image ? 0 : status_fail(STATUS_DISK, "--disk %s: %s; qemu-img convert -O raw %s NEW makes a raw one of what can be "
					    "read", path, wrong, path);
}

/* O_EXCL asks whether the host itself uses a block device; of a file it has no meaning. */
static int open_flags(const char *path, enum virtio_blk_use use)
{
	struct stat stat_buffer;

	if (use != VIRTIO_BLK_WRITTEN)
		return O_RDONLY;
	return O_RDWR | (!stat(path, &stat_buffer) && S_ISBLK(stat_buffer.st_mode) ? O_EXCL : 0);
}

static int refuse_open(const struct virtio_blk *blk, int error)
{
	bool is_readonly = blk->use != VIRTIO_BLK_WRITTEN;
	const char *path = blk->path;
	char longer[PATH_MAX];
	const char *remedy = "";

	snprintf(longer, sizeof(longer), "%s,%s", path, blk->use == VIRTIO_BLK_SNAPSHOT ? "snapshot" : "ro");
	if (error == EBUSY && blk->is_arriving)
		remedy = " (the host itself uses it, or the launcher that the machine comes from: a block device that is written to comes from another host alone)";
	else if (error == EBUSY)
		remedy = " (the host itself uses it, mounted or otherwise; ,ro or ,snapshot would do)";
	else if (error == ENOENT && is_readonly && !access(longer, F_OK))
		remedy = " (a name that ends in ,ro or ,snapshot is given with ,rw, ,ro or ,snapshot behind it)";
	else if (error == ENOENT && strchr(path, ','))
		remedy = " (behind the name there can be ,ro, ,rw or ,snapshot, nothing else but limits behind that)";
	else if ((error == EACCES || error == EROFS) && !is_readonly && !access(path, R_OK))
		remedy = " (to read alone is allowed: ,ro or ,snapshot behind the name)";
	return status_fail(STATUS_DISK, "--disk %s: cannot open it: %s%s", path, strerror(error),
			   remedy);
}

/* A guest's memory may run out as well; so does the host's in the end, if it is short of it. */
static int lay_over(struct virtio_blk *blk, const char *path)
{
	int ret = blk->use == VIRTIO_BLK_SNAPSHOT ? overlay_create(&blk->overlay, blk->size) : 0;

	return ret ? status_fail(STATUS_DISK, "--disk %s,snapshot: the host gives no such mapping: %s (ulimit -v, vm.overcommit_memory)", path,
				 strerror(-ret)) : 0;
}

/* Those who only read do not mind others who do. */
static bool is_locked_later(const struct virtio_blk *blk)
{
	return blk->is_arriving && blk->use == VIRTIO_BLK_WRITTEN;
}

int virtio_blk_lock(struct virtio_blk *blk)
{
	/* A server has no locks: who is to be served is its own affair. */
	int ret = is_locked_later(blk) && !blk->remote ? disk_lock(blk->fd, false, blk->path) : 0;

	if (blk->remote)
		blk->is_arriving = false;
	if (ret || !is_locked_later(blk))
		return ret;
	/* What was read of it before is of no use: another host may have written it since. */
	posix_fadvise(blk->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (((uint64_t)lseek(blk->fd, 0, SEEK_END) & ~(VIRTIO_BLK_SECTOR - 1)) != blk->size)
		return status_fail(STATUS_DISK, "--disk %s: has another size than a moment ago", blk->path);
	blk->is_arriving = false;
	return 0;
}

bool virtio_blk_has_own_process(const struct virtio_blk *blk)
{
	return blk->remote && blk->is_open;
}

void virtio_blk_give_up(struct virtio_blk *blk)
{
	if (blk->use == VIRTIO_BLK_WRITTEN && !blk->remote)
		disk_unlock(blk->fd);
}

int virtio_blk_take_back(struct virtio_blk *blk)
{
	return blk->use == VIRTIO_BLK_WRITTEN && !blk->remote ? disk_lock(blk->fd, false, blk->path) : 0;
}

static int open_file(struct virtio_blk *blk, const char *path)
{
	/* O_NONBLOCK: opening a FIFO, to be refused below, must not wait. */
	blk->fd = open(path, open_flags(path, blk->use) | O_CLOEXEC | O_NONBLOCK);
	if (blk->fd < 0)
		return refuse_open(blk, errno);
	blk->is_open = true;
	int ret = check_raw(blk, path);

	if (!ret && !is_locked_later(blk))
		ret = disk_lock(blk->fd, blk->use != VIRTIO_BLK_WRITTEN, path);
	return ret ? ret : open_image(blk, path);
}

/* Of a machine on its way two connections are there at once. */
static int open_server(struct virtio_blk *blk, const char *path)
{
	int ret = make_remote(blk);

	blk->fd = -1;
	if (!ret)
		ret = disk_remote_connect(blk->remote, path, blk->use == VIRTIO_BLK_WRITTEN);
	if (!ret && is_locked_later(blk) && !(blk->remote->nbd.flags & NBD_CAN_MULTI_CONN))
		return status_fail(STATUS_DISK, "--disk %s: the server does not say that what is written on one connection is seen on another "
				   "(CAN_MULTI_CONN; qemu-nbd --shared=2), so a machine that comes from another launcher cannot have it", path);
	return ret;
}

int virtio_blk_open(struct virtio_blk *blk, const char *path, enum virtio_blk_use use, unsigned int index)
{
	blk->use = use;
	blk->is_readonly = use == VIRTIO_BLK_READ;
	blk->path = path;
	int ret = nbd_address_is_one(path) ? open_server(blk, path) : open_file(blk, path);

	if (!ret)
		ret = measure(blk, path);
	if (!ret)
		ret = lay_over(blk, path);
	if (!ret)
		virtio_blk_describe(blk, index);
	return ret;
}

void virtio_blk_close(struct virtio_blk *blk)
{
	if (blk->remote)
		disk_remote_close(blk->remote, blk->path);
	free(blk->remote);
	blk->remote = NULL;
	qcow2_close(blk->image);
	blk->image = NULL;
	if (blk->is_open)
		close(blk->fd);
	blk->is_open = false;
	overlay_destroy(&blk->overlay);
}

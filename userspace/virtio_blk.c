// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block device: VIRTIO 1.0, "Block Device".
 *
 * A request is a 16-byte header to read, data, and a status byte to write,
 * which is the very last byte. Data goes between guest memory and the file by
 * preadv() and pwritev() with no copy of ours, but for images of qcow2. A request that makes no sense
 * gets an error status where it has room for one; the host's errors become the
 * guest's I/O errors. A driver that asks for flushes has a write-back cache, the
 * host's; one that does not gets each write onto the disk before it is done.
 * The image of a snapshot is only read, and what is written is kept in memory (overlay.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_blk.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk_lock.h"
#include "qcow2.h"
#include "status.h"
#include "virtio_blk.h"

#define SECTOR		512ULL
#define HEADER_SIZE	sizeof(struct virtio_blk_outhdr)

static struct virtio_blk *to_blk(struct virtio_device *device)
{
	return (struct virtio_blk *)((char *)device - offsetof(struct virtio_blk, device));
}

/* Drop the first @count bytes of @parts; they must hold that many. */
static void skip_front(struct iovec **parts, unsigned int *number, uint64_t count)
{
	while (*number && count >= (*parts)->iov_len) {
		count -= (*parts)->iov_len;
		(*parts)++;
		(*number)--;
	}
	if (*number) {
		(*parts)->iov_base = (char *)(*parts)->iov_base + count;
		(*parts)->iov_len -= count;
	}
}

/* The guest learns of each error; whoever started it, of the first of a disk. */
static void tell_error(struct virtio_blk *blk, const char *what, const char *error)
{
	if (!blk->is_error_told)
		status_warn("--disk %s: %s failed: %s; the guest gets an I/O error", blk->path,
			    what, error);
	blk->is_error_told = true;
}

/*
 * Move all of @parts from or to the file at @at, adding up the bytes in @moved.
 * Return: false on any error.
 */
static bool transfer(struct virtio_blk *blk, struct iovec *parts, unsigned int number,
		     uint64_t at, bool is_write, uint64_t *moved)
{
	while (number) {
		ssize_t done = is_write ? pwritev(blk->fd, parts, (int)number, (off_t)at) :
					  preadv(blk->fd, parts, (int)number, (off_t)at);

		if (done < 0 && errno == EINTR && !vm_is_stopping(blk->device.vm))
			continue;
		if (done <= 0) {
			tell_error(blk, is_write ? "writing" : "reading",
				   done ? strerror(errno) : "the file has become shorter");
			return false;
		}
		at += (uint64_t)done;
		*moved += (uint64_t)done;
		skip_front(&parts, &number, (uint64_t)done);
	}
	return true;
}

static bool read_image(struct virtio_blk *blk, struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved)
{
	const char *wrong;

	if (!blk->image)
		return transfer(blk, parts, number, at, false, moved);
	if (qcow2_read(blk->image, parts, number, at, moved, &wrong))
		return true;
	tell_error(blk, "reading", wrong);
	return false;
}

/* The first @last parts, and the one behind but for its last @cut bytes. They are as before in the end. */
static bool read_run(struct virtio_blk *blk, const struct iovec *parts, unsigned int last, uint64_t cut, uint64_t at, uint64_t *moved)
{
	memcpy(blk->run, parts, (last + 1) * sizeof(*parts));
	blk->run[last].iov_len -= cut;
	return read_image(blk, blk->run, last + 1, at, moved);
}

/*
 * Of a snapshot: what is in memory from there, what is in the image from the image, run by run.
 * Return: false on any error; @moved has what was read before.
 */
static bool read_snapshot(struct virtio_blk *blk, struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved)
{
	uint64_t left = 0;

	for (unsigned int i = 0; i < number; i++)
		left += parts[i].iov_len;
	while (left) {
		bool is_written, is_read = true;
		uint64_t run = overlay_run(&blk->overlay, at, left, &is_written), cut = 0, room = 0;
		unsigned int last = 0;

		if (is_written) {
			overlay_read(&blk->overlay, parts, at, run);
			*moved += run;
		} else {
			/* The parts that are as long as the run, the last of them cut to fit. */
			while (room + parts[last].iov_len < run)
				room += parts[last++].iov_len;
			cut = room + parts[last].iov_len - run;
			is_read = read_run(blk, parts, last, cut, at, moved);
		}
		if (!is_read)
			return false;
		skip_front(&parts, &number, run);
		at += run;
		left -= run;
	}
	return true;
}

static bool is_in_range(const struct virtio_blk *blk, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = blk->size / SECTOR;

	return !(bytes % SECTOR) && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

/*
 * Take the status byte off the writable end.
 * Return: where it goes, or NULL if the request has no room for it.
 */
static uint8_t *take_status(struct virtq_chain *chain)
{
	if (!chain->write_count)
		return NULL;
	struct iovec *last = &chain->segments[chain->read_count + chain->write_count - 1];

	last->iov_len--;
	chain->write_bytes--;
	uint8_t *status = (uint8_t *)last->iov_base + last->iov_len;

	if (!last->iov_len)
		chain->write_count--;
	return status;
}

/* Return: bytes copied. */
static uint32_t give_id(struct virtio_blk *blk, const struct virtq_chain *chain)
{
	const struct iovec *parts = &chain->segments[chain->read_count];
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->write_count && done < VIRTIO_BLK_ID_SIZE; i++) {
		size_t part = VIRTIO_BLK_ID_SIZE - done;

		if (part > parts[i].iov_len)
			part = parts[i].iov_len;
		memcpy(parts[i].iov_base, blk->id + done, part);
		done += (uint32_t)part;
	}
	return done;
}

static uint8_t read_data(struct virtio_blk *blk, struct virtq_chain *chain, uint64_t sector,
			 uint64_t *written)
{
	if (!is_in_range(blk, sector, chain->write_bytes))
		return VIRTIO_BLK_S_IOERR;
	struct iovec *parts = chain->segments + chain->read_count;
	bool is_read = blk->overlay.size ? read_snapshot(blk, parts, chain->write_count, sector * SECTOR, written) :
		       read_image(blk, parts, chain->write_count, sector * SECTOR, written);

	return is_read ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t flush(struct virtio_blk *blk)
{
	if (blk->overlay.size || !fdatasync(blk->fd))
		return VIRTIO_BLK_S_OK;
	tell_error(blk, "flushing", strerror(errno));
	return VIRTIO_BLK_S_IOERR;
}

static uint8_t write_data(struct virtio_blk *blk, struct virtq_chain *chain, uint64_t sector)
{
	struct iovec *parts = chain->segments;
	unsigned int number = chain->read_count;
	uint64_t moved = 0;

	if (blk->is_readonly || !is_in_range(blk, sector, chain->read_bytes - HEADER_SIZE))
		return VIRTIO_BLK_S_IOERR;
	skip_front(&parts, &number, HEADER_SIZE);
	if (blk->overlay.size) {
		overlay_write(&blk->overlay, parts, number, sector * SECTOR);
		return VIRTIO_BLK_S_OK;
	}
	if (!transfer(blk, parts, number, sector * SECTOR, true, &moved))
		return VIRTIO_BLK_S_IOERR;
	return blk->device.accepted & 1ULL << VIRTIO_BLK_F_FLUSH ? VIRTIO_BLK_S_OK : flush(blk);
}

/*
 * "The Virtqueue Used Ring": the count is of bytes from the first writable one
 * on, so the status byte, the last, counts only if no gap lies before it. Of
 * more than 4 GB at once the count wraps.
 */
static uint32_t written_from_start(const struct virtq_chain *chain, uint64_t data)
{
	return (uint32_t)(data + (data == chain->write_bytes));
}

static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	struct virtio_blk *blk = to_blk(device);
	struct virtio_blk_outhdr header;
	uint8_t *status = take_status(chain);
	uint64_t written = 0;
	uint8_t result;

	if (!status)
		return 0;
	if (!virtio_copy_from(chain, &header, HEADER_SIZE)) {
		*status = VIRTIO_BLK_S_IOERR;
		return written_from_start(chain, 0);
	}
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		result = read_data(blk, chain, header.sector, &written);
		break;
	case VIRTIO_BLK_T_OUT:
		result = write_data(blk, chain, header.sector);
		break;
	case VIRTIO_BLK_T_FLUSH:
		result = flush(blk);
		break;
	case VIRTIO_BLK_T_GET_ID:
		written = give_id(blk, chain);
		result = VIRTIO_BLK_S_OK;
		break;
	default:
		result = VIRTIO_BLK_S_UNSUPP;
		break;
	}
	*status = result;
	return written_from_start(chain, written);
}

static const struct virtio_class blk_class = {
	.id = 2,
	.class_code = 0x010000,		/* mass storage, SCSI: what virtio disks use */
	.queue_count = 1,
	.thread = SANDBOX_DEVICE,
	.serve = serve,
};

static int measure(struct virtio_blk *blk, const char *path)
{
	struct stat stat;

	if (fstat(blk->fd, &stat) || (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode)))
		return status_fail(STATUS_DISK, "--disk %s: not a file or block device", path);

	off_t end = blk->image ? (off_t)qcow2_size(blk->image) : lseek(blk->fd, 0, SEEK_END);

	if (end < (off_t)SECTOR)
		return status_fail(STATUS_DISK, "--disk %s: smaller than one sector, 512 bytes",
				   path);
	blk->size = (uint64_t)end & ~(SECTOR - 1);
	if (blk->size != (uint64_t)end)
		status_warn("%s: the last %llu bytes are no whole sector and stay hidden", path,
			    (unsigned long long)((uint64_t)end - blk->size));
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
		return status_fail(STATUS_DISK, "--disk %s: a qcow2 image, which can only be read: ,ro or ,snapshot behind the name (or qemu-img "
				   "convert -O raw %s NEW)", path, path);
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
		remedy = " (behind the name there can be ,ro, ,rw or ,snapshot, nothing else)";
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
	int ret = is_locked_later(blk) ? disk_lock(blk->fd, false, blk->path) : 0;

	if (ret || !is_locked_later(blk))
		return ret;
	/* What was read of it before is of no use: another host may have written it since. */
	posix_fadvise(blk->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (((uint64_t)lseek(blk->fd, 0, SEEK_END) & ~(SECTOR - 1)) != blk->size)
		return status_fail(STATUS_DISK, "--disk %s: has another size than a moment ago", blk->path);
	blk->is_arriving = false;
	return 0;
}

int virtio_blk_open(struct virtio_blk *blk, const char *path, enum virtio_blk_use use, unsigned int index)
{
	struct virtio_blk_config config;

	blk->use = use;
	blk->is_readonly = use == VIRTIO_BLK_READ;
	/* O_NONBLOCK: opening a FIFO, to be refused below, must not wait. */
	blk->path = path;
	blk->fd = open(path, open_flags(path, use) | O_CLOEXEC | O_NONBLOCK);
	if (blk->fd < 0)
		return refuse_open(blk, errno);
	blk->is_open = true;
	int ret = check_raw(blk, path);

	if (!ret && !is_locked_later(blk))
		ret = disk_lock(blk->fd, blk->use != VIRTIO_BLK_WRITTEN, path);
	if (!ret)
		ret = open_image(blk, path);
	if (!ret)
		ret = measure(blk, path);
	if (!ret)
		ret = lay_over(blk, path);
	if (ret)
		return ret;

	snprintf(blk->id, sizeof(blk->id), "keel-disk-%u", index);
	memset(&config, 0, sizeof(config));
	config.capacity = blk->size / SECTOR;
	config.seg_max = VIRTQ_SEGMENTS_MAX - 2;	/* header and status */
	config.blk_size = (uint32_t)SECTOR;
	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "the configuration fits");
	memcpy(blk->device.config, &config, sizeof(config));
	blk->device.config_size = sizeof(config);
	blk->device.class = &blk_class;
	blk->device.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			       1ULL << VIRTIO_BLK_F_FLUSH |
			       (blk->is_readonly ? 1ULL << VIRTIO_BLK_F_RO : 0);
	return 0;
}

void virtio_blk_close(struct virtio_blk *blk)
{
	qcow2_close(blk->image);
	blk->image = NULL;
	if (blk->is_open)
		close(blk->fd);
	blk->is_open = false;
	overlay_destroy(&blk->overlay);
}

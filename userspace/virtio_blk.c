// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block device: VIRTIO 1.0, "Block Device".
 *
 * A request is a 16-byte header to read, data, and a status byte to write,
 * which is the very last byte. Data goes between guest memory and the file by
 * preadv() and pwritev() with no copy of ours. A request that makes no sense
 * gets an error status where it has room for one; the host's errors become the
 * guest's I/O errors. A driver that asks for flushes has a write-back cache, the
 * host's; one that does not gets each write onto the disk before it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Move all of @parts from or to the file at @at. Return: false on any error. */
static bool transfer(struct virtio_blk *blk, struct iovec *parts, unsigned int number,
		     uint64_t at, bool is_write)
{
	while (number) {
		ssize_t done = is_write ? pwritev(blk->fd, parts, (int)number, (off_t)at) :
					  preadv(blk->fd, parts, (int)number, (off_t)at);

		if (done < 0 && errno == EINTR && !vm_is_stopping(blk->device.vm))
			continue;
		if (done <= 0)		/* an error, or the file has shrunk */
			return false;
		at += (uint64_t)done;
		skip_front(&parts, &number, (uint64_t)done);
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
			 uint32_t *written)
{
	if (!is_in_range(blk, sector, chain->write_bytes))
		return VIRTIO_BLK_S_IOERR;
	/* A driver that wants more than 4 GB at once gets it, the count wraps. */
	*written += (uint32_t)chain->write_bytes;
	return transfer(blk, chain->segments + chain->read_count, chain->write_count,
			sector * SECTOR, false) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t flush(const struct virtio_blk *blk)
{
	return fdatasync(blk->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t write_data(struct virtio_blk *blk, struct virtq_chain *chain, uint64_t sector)
{
	struct iovec *parts = chain->segments;
	unsigned int number = chain->read_count;

	if (blk->is_readonly || !is_in_range(blk, sector, chain->read_bytes - HEADER_SIZE))
		return VIRTIO_BLK_S_IOERR;
	skip_front(&parts, &number, HEADER_SIZE);
	if (!transfer(blk, parts, number, sector * SECTOR, true))
		return VIRTIO_BLK_S_IOERR;
	return blk->device.accepted & 1ULL << VIRTIO_BLK_F_FLUSH ? VIRTIO_BLK_S_OK : flush(blk);
}

static uint32_t serve(struct virtio_device *device, struct virtq_chain *chain)
{
	struct virtio_blk *blk = to_blk(device);
	struct virtio_blk_outhdr header;
	uint8_t *status = take_status(chain);
	uint32_t written = 0;
	uint8_t result;

	if (!status)
		return 0;
	if (!virtio_copy_from(chain, &header, HEADER_SIZE)) {
		*status = VIRTIO_BLK_S_IOERR;
		return 1;
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
	return written + 1;
}

static const struct virtio_class blk_class = {
	.id = 2,
	.class_code = 0x010000,		/* mass storage, SCSI: what virtio disks use */
	.queue_count = 1,
	.serve = serve,
};

/* One writer or many readers, so that two guests cannot ruin an image. */
static int lock_image(const struct virtio_blk *blk, const char *path)
{
	if (!flock(blk->fd, (blk->is_readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return status_fail(STATUS_DISK, "%s: in use by another process", path);
	status_warn("%s: cannot be locked: %s", path, strerror(errno));
	return 0;
}

static int measure(struct virtio_blk *blk, const char *path)
{
	struct stat stat;

	if (fstat(blk->fd, &stat) || (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode)))
		return status_fail(STATUS_DISK, "%s: not a file or block device", path);

	off_t end = lseek(blk->fd, 0, SEEK_END);

	if (end < (off_t)SECTOR)
		return status_fail(STATUS_DISK, "%s: smaller than one sector", path);
	blk->size = (uint64_t)end & ~(SECTOR - 1);
	if (blk->size != (uint64_t)end)
		status_warn("%s: the last %llu bytes are no whole sector and stay hidden", path,
			    (unsigned long long)((uint64_t)end - blk->size));
	return 0;
}

int virtio_blk_open(struct virtio_blk *blk, const char *path, bool is_readonly, unsigned int index)
{
	struct virtio_blk_config config;

	blk->is_readonly = is_readonly;
	/* O_NONBLOCK: opening a FIFO, to be refused below, must not wait. */
	blk->fd = open(path, (is_readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (blk->fd < 0)
		return status_fail(STATUS_DISK, "cannot open %s: %s", path, strerror(errno));
	blk->is_open = true;
	int ret = measure(blk, path);

	if (!ret)
		ret = lock_image(blk, path);
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
			       (is_readonly ? 1ULL << VIRTIO_BLK_F_RO : 0);
	return 0;
}

void virtio_blk_close(struct virtio_blk *blk)
{
	if (blk->is_open)
		close(blk->fd);
	blk->is_open = false;
}

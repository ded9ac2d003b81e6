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
 * A disk that another process serves (disk_remote.h) is asked for one request after the other; of such a one the guest may
 * give sectors back, and have them zeroed.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "disk_remote.h"
#include "iovec.h"
#include "qcow2.h"
#include "status.h"
#include "virtio_blk.h"

#define HEADER_SIZE	sizeof(struct virtio_blk_outhdr)
#define RANGES_MAX	16u	/* of a request that gives back, or zeroes */

static struct virtio_blk *to_blk(struct virtio_device *device)
{
	return (struct virtio_blk *)((char *)device - offsetof(struct virtio_blk, device));
}

/* The guest learns of each error; whoever started it, of the first of a disk. */
static void tell_error(struct virtio_blk *blk, const char *what, const char *error)
{
	if (blk->device.vm && vm_is_stopping(blk->device.vm))
		return;
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
		iovec_skip(&parts, &number, (uint64_t)done);
	}
	return true;
}

static bool read_image(struct virtio_blk *blk, struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved)
{
	const char *wrong;

	if (!blk->image && !blk->remote)
		return transfer(blk, parts, number, at, false, moved);
	if (blk->remote)
		wrong = nbd_read(&blk->remote->nbd, parts, number, at, moved);
	else if (qcow2_read(blk->image, parts, number, at, moved, &wrong))
		wrong = NULL;
	if (!wrong)
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
		iovec_skip(&parts, &number, run);
		at += run;
		left -= run;
	}
	return true;
}

static bool is_in_range(const struct virtio_blk *blk, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = blk->size / VIRTIO_BLK_SECTOR;

	return !(bytes % VIRTIO_BLK_SECTOR) && sector <= sectors && bytes / VIRTIO_BLK_SECTOR <= sectors - sector;
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

static uint8_t read_data(struct virtio_blk *blk, struct virtq_chain *chain, uint64_t sector,
			 uint64_t *written)
{
	if (!is_in_range(blk, sector, chain->write_bytes))
		return VIRTIO_BLK_S_IOERR;
	struct iovec *parts = chain->segments + chain->read_count;
	bool is_read = blk->overlay.size ? read_snapshot(blk, parts, chain->write_count, sector * VIRTIO_BLK_SECTOR, written) :
		       read_image(blk, parts, chain->write_count, sector * VIRTIO_BLK_SECTOR, written);

	return is_read ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

const char *virtio_blk_write_out(struct virtio_blk *blk)
{
	if (blk->remote)
		return blk->use == VIRTIO_BLK_WRITTEN ? nbd_flush(&blk->remote->nbd) : NULL;
	return blk->overlay.size || !fdatasync(blk->fd) ? NULL : strerror(errno);
}

/* Return: what the guest gets. */
static uint8_t result_of(struct virtio_blk *blk, const char *what, const char *wrong)
{
	if (!wrong)
		return VIRTIO_BLK_S_OK;
	tell_error(blk, what, wrong);
	return VIRTIO_BLK_S_IOERR;
}

static uint8_t flush(struct virtio_blk *blk)
{
	return result_of(blk, "flushing", virtio_blk_write_out(blk));
}

/* Is each write to be on the disk before it is done? */
static bool is_through(const struct virtio_blk *blk)
{
	return !(blk->device.accepted & 1ULL << VIRTIO_BLK_F_FLUSH);
}

static uint8_t write_data(struct virtio_blk *blk, struct virtq_chain *chain, uint64_t sector)
{
	struct iovec *parts = chain->segments;
	unsigned int number = chain->read_count;
	uint64_t moved = 0;

	if (blk->is_readonly || !is_in_range(blk, sector, chain->read_bytes - HEADER_SIZE))
		return VIRTIO_BLK_S_IOERR;
	iovec_skip(&parts, &number, HEADER_SIZE);
	if (blk->overlay.size) {
		overlay_write(&blk->overlay, parts, number, sector * VIRTIO_BLK_SECTOR);
		return VIRTIO_BLK_S_OK;
	}
	if (blk->remote)
		return result_of(blk, "writing", nbd_write(&blk->remote->nbd, parts, number, sector * VIRTIO_BLK_SECTOR, is_through(blk)));
	if (!transfer(blk, parts, number, sector * VIRTIO_BLK_SECTOR, true, &moved))
		return VIRTIO_BLK_S_IOERR;
	return is_through(blk) ? flush(blk) : VIRTIO_BLK_S_OK;
}

/* One range. The disk is remote. */
static uint8_t clear(struct virtio_blk *blk, uint32_t type, const struct virtio_blk_discard_write_zeroes *range)
{
	const uint32_t known = type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	uint64_t at = range->sector * VIRTIO_BLK_SECTOR, count = range->num_sectors * VIRTIO_BLK_SECTOR;
	struct nbd *nbd = &blk->remote->nbd;

	if (range->flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	/* A machine that was saved beside another server may have been told of more than this one does at once. */
	if (!is_in_range(blk, range->sector, count) || count > NBD_CLEAR_MAX)
		return VIRTIO_BLK_S_IOERR;
	if (type == VIRTIO_BLK_T_DISCARD)
		return result_of(blk, "discarding", nbd_trim(nbd, at, count));
	return result_of(blk, "zeroing", nbd_write_zeroes(nbd, at, count, range->flags, is_through(blk)));
}

static uint8_t clear_all(struct virtio_blk *blk, const struct virtq_chain *chain, uint32_t type)
{
	struct {
		struct virtio_blk_outhdr header;
		struct virtio_blk_discard_write_zeroes ranges[RANGES_MAX];
	} request;
	uint64_t bytes = chain->read_bytes - HEADER_SIZE, count = bytes / sizeof(*request.ranges);
	unsigned int feature = type == VIRTIO_BLK_T_DISCARD ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES;
	uint8_t result = VIRTIO_BLK_S_OK;

	if (!(blk->device.features & 1ULL << feature))
		return VIRTIO_BLK_S_UNSUPP;
	if (bytes % sizeof(*request.ranges) || count > RANGES_MAX || !virtio_copy_from(chain, &request, HEADER_SIZE + bytes))
		return VIRTIO_BLK_S_IOERR;
	for (uint64_t i = 0; i < count && result == VIRTIO_BLK_S_OK; i++)
		result = clear(blk, type, &request.ranges[i]);
	return result;
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
	if (blk->remote)
		blk->remote->nbd.vm = device->vm;
	if (!virtio_copy_from(chain, &header, HEADER_SIZE)) {
		*status = VIRTIO_BLK_S_IOERR;
		return written_from_start(chain, 0);
	}
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		result = read_data(blk, chain, header.sector, &written);
		rate_limit_take(&device->limit, 0, written);
		break;
	case VIRTIO_BLK_T_OUT:
		result = write_data(blk, chain, header.sector);
		if (result == VIRTIO_BLK_S_OK)
			rate_limit_take(&device->limit, 0, chain->read_bytes - HEADER_SIZE);
		break;
	case VIRTIO_BLK_T_FLUSH:
		result = flush(blk);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		result = clear_all(blk, chain, header.type);
		break;
	case VIRTIO_BLK_T_GET_ID:
		written = virtio_copy_to(chain, blk->id, VIRTIO_BLK_ID_SIZE);
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

static const struct virtio_class remote_class = {
	.id = 2,
	.class_code = 0x010000,
	.queue_count = 1,
	.thread = SANDBOX_NBD,
	.serve = serve,
};

/* What the guest may ask of a server beyond reading and writing. */
static void describe_remote(struct virtio_blk *blk, struct virtio_blk_config *config)
{
	const struct nbd *nbd = &blk->remote->nbd;
	uint32_t sectors = nbd->most_cleared / (uint32_t)VIRTIO_BLK_SECTOR, alignment = nbd->block / (uint32_t)VIRTIO_BLK_SECTOR;

	config->blk_size = nbd->block;
	blk->device.class = &remote_class;
	if (blk->use != VIRTIO_BLK_WRITTEN)
		return;
	if (!(nbd->flags & NBD_CAN_FLUSH))
		blk->device.features &= ~(1ULL << VIRTIO_BLK_F_FLUSH);
	if (nbd->flags & NBD_CAN_TRIM) {
		config->max_discard_sectors = sectors;
		config->max_discard_seg = RANGES_MAX;
		config->discard_sector_alignment = alignment;
		blk->device.features |= 1ULL << VIRTIO_BLK_F_DISCARD;
	}
	if (nbd->flags & NBD_CAN_WRITE_ZEROES) {
		config->max_write_zeroes_sectors = sectors;
		config->max_write_zeroes_seg = RANGES_MAX;
		config->write_zeroes_may_unmap = 1;
		blk->device.features |= 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	}
}

void virtio_blk_describe(struct virtio_blk *blk, unsigned int index)
{
	struct virtio_blk_config config;

	snprintf(blk->id, sizeof(blk->id), "keel-disk-%u", index);
	memset(&config, 0, sizeof(config));
	config.capacity = blk->size / VIRTIO_BLK_SECTOR;
	config.seg_max = VIRTQ_SEGMENTS_MAX - 2;	/* header and status */
	config.blk_size = (uint32_t)VIRTIO_BLK_SECTOR;
	blk->device.class = &blk_class;
	blk->device.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			       1ULL << VIRTIO_BLK_F_FLUSH |
			       (blk->is_readonly ? 1ULL << VIRTIO_BLK_F_RO : 0);
	if (blk->remote)
		describe_remote(blk, &config);
	_Static_assert(sizeof(config) <= VIRTIO_CONFIG_MAX, "the configuration fits");
	memcpy(blk->device.config, &config, sizeof(config));
	blk->device.config_size = sizeof(config);
}

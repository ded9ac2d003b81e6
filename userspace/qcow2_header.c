// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header of a qcow2 image: what is said there must be possible, and known.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "qcow2.h"
#include "qcow2_header.h"

#define MAGIC			0x514649fbu	/* "QFI", 0xfb */
#define CLUSTER_BITS_MIN	9
#define CLUSTER_BITS_MAX	21
#define TABLE_MAX		(16u << 20)	/* bytes of the first level */
#define SECTOR			512u
#define V2_HEADER		72u
#define V3_HEADER		104u

#define INCOMPATIBLE_DIRTY	(1ULL << 0)	/* of its reference counts, which nobody needs to read */
#define INCOMPATIBLE_CORRUPT	(1ULL << 1)
#define INCOMPATIBLE_DATA_FILE	(1ULL << 2)
#define INCOMPATIBLE_COMPRESSION	(1ULL << 3)

int64_t qcow2_pread(int fd, void *to, size_t count, uint64_t at)
{
	size_t done = 0;

	if (at > INT64_MAX - count)
		return 0;
	while (done < count) {
		struct iovec part = { (uint8_t *)to + done, count - done };
		ssize_t got = preadv(fd, &part, 1, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (!got)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

bool qcow2_is_one(int fd)
{
	uint32_t magic;

	return qcow2_pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && be32toh(magic) == MAGIC;
}

static void swap_header(struct qcow2_header *header)
{
	header->version = be32toh(header->version);
	header->backing_offset = be64toh(header->backing_offset);
	header->cluster_bits = be32toh(header->cluster_bits);
	header->size = be64toh(header->size);
	header->crypt_method = be32toh(header->crypt_method);
	header->table_entries = be32toh(header->table_entries);
	header->table_offset = be64toh(header->table_offset);
	header->incompatible = be64toh(header->incompatible);
	header->length = be32toh(header->length);
}

static const char *check_features(const struct qcow2_header *header)
{
	uint64_t known = INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION;

	if (header->backing_offset)
		return "a qcow2 image on top of another one (a backing file)";
	if (header->crypt_method)
		return "an encrypted qcow2 image";
	if (header->incompatible & INCOMPATIBLE_CORRUPT)
		return "a qcow2 image that is marked as corrupt (qemu-img check looks at it)";
	if (header->incompatible & INCOMPATIBLE_DATA_FILE)
		return "a qcow2 image whose data is in another file";
	if (header->incompatible & ~known)
		return "a qcow2 image with features that are not known";
	if (header->compression && !(header->incompatible & INCOMPATIBLE_COMPRESSION))
		return "a qcow2 image with a damaged header";
	if (header->compression > 1)
		return "a qcow2 image that is compressed in a way that is not known";
	return NULL;
}

uint64_t qcow2_needed_entries(const struct qcow2_header *header)
{
	unsigned int bits = 2 * header->cluster_bits - 3;

	return (header->size >> bits) + !!(header->size & ((1ULL << bits) - 1));
}

static const char *check_header(const struct qcow2_header *header)
{
	if (header->version != 2 && header->version != 3)
		return "a qcow2 image of a version that is neither 2 nor 3";
	if (header->version == 3 && header->length < V3_HEADER)
		return "a qcow2 image with a damaged header";
	if (header->cluster_bits < CLUSTER_BITS_MIN || header->cluster_bits > CLUSTER_BITS_MAX)
		return "a qcow2 image with clusters that are smaller than 512 bytes or larger than 2 MB";
	if (header->size < SECTOR || header->size > INT64_MAX)
		return "a qcow2 image of a disk that is smaller than one sector, 512 bytes, or impossibly large";
	if (qcow2_needed_entries(header) > TABLE_MAX / sizeof(uint64_t))
		return "a qcow2 image of too large a disk";
	if (header->table_entries < qcow2_needed_entries(header))
		return "a qcow2 image with too few tables for its disk";
	return check_features(header);
}

const char *qcow2_read_header(int fd, struct qcow2_header *header)
{
	_Static_assert(offsetof(struct qcow2_header, incompatible) == V2_HEADER && offsetof(struct qcow2_header, compression) == V3_HEADER,
		       "as in the file");
	memset(header, 0, sizeof(*header));
	int64_t got = qcow2_pread(fd, header, V3_HEADER + 1, 0);

	if (got < (int64_t)V2_HEADER)
		return "a qcow2 image that is cut off";
	swap_header(header);
	if (header->version == 2)
		memset(&header->incompatible, 0, sizeof(*header) - V2_HEADER);
	else if (got < (int64_t)V3_HEADER)
		return "a qcow2 image that is cut off";
	/* What is behind a shorter header is not its own. */
	if (header->length <= V3_HEADER)
		header->compression = 0;
	return check_header(header);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * qcow2 images, versions 2 and 3, for reading: QEMU's docs/interop/qcow2.txt.
 *
 * A disk is cut into clusters. Two levels of tables say where in the file each one is: as it is, compressed, or nowhere,
 * which reads as zeros. The first level is read as a whole at the start, of the second some pieces are kept, and of
 * compressed clusters the last one.
 *
 * The file may be anything. An image that names another file (a backing file, a file for data) is refused, so that nothing but
 * the file itself can be read by it; what its tables say is checked before use, and what it makes us allocate is bounded by
 * the header's limits below.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "qcow2.h"
#include "qcow2_header.h"

#define SECTOR			512u

#define ENTRY_OFFSET		0x00fffffffffffe00ULL	/* of both levels */
#define ENTRY_COMPRESSED	(1ULL << 62)
#define ENTRY_DESCRIPTOR	(ENTRY_COMPRESSED - 1)
#define ENTRY_ZERO		(1ULL << 0)	/* since version 3 */

#define DEFLATE_WINDOW		(-12)		/* as zlib has it: 4 KB, without a header */

#define ZSTD_WINDOW		23		/* 8 MB, more than any cluster */

#define PIECE_ENTRIES		512u		/* of a table of the second level */
#define PIECES			16u

#define SLICE_PARTS		64u

/* A part of a table of the second level. */
struct piece {
	uint64_t offset;		/* in the file; 0: none */
	uint64_t entries[PIECE_ENTRIES];
};

struct qcow2 {
	int fd;
	unsigned int cluster_bits;
	uint32_t version;
	bool is_zstd;
	uint64_t size;
	uint64_t *table;		/* the first level, as the file has it */
	uint64_t unpacked;		/* what is in cluster[]: its entry; 0: nothing */
	uint8_t *cluster;		/* a cluster that was compressed */
	uint8_t *packed;		/* as it was */
	z_stream deflate;
	bool has_deflate;
	ZSTD_DCtx *zstd;
	struct piece pieces[PIECES];
};

static uint64_t cluster_size(const struct qcow2 *image)
{
	return 1ULL << image->cluster_bits;
}

/* ---- opening ---- */

static const char *read_table(struct qcow2 *image, const struct qcow2_header *header)
{
	size_t size = qcow2_needed_entries(header) * sizeof(uint64_t);
	unsigned int bits = image->cluster_bits;

	image->table = malloc(size);
	/* Its length is given in sectors, of which there may be two clusters. */
	image->cluster = malloc(1ULL << bits);
	image->packed = malloc(2ULL << bits);
	image->zstd = image->is_zstd ? ZSTD_createDCtx() : NULL;
	image->has_deflate = !image->is_zstd && inflateInit2(&image->deflate, DEFLATE_WINDOW) == Z_OK;
	if (image->zstd)
		ZSTD_DCtx_setParameter(image->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW);
	if (!image->table || !image->cluster || !image->packed || (!image->zstd && !image->has_deflate))
		return "no memory to read it";
	if (qcow2_pread(image->fd, image->table, size, header->table_offset) != (int64_t)size)
		return "a qcow2 image that is cut off";
	return NULL;
}

struct qcow2 *qcow2_open(int fd, const char **wrong)
{
	struct qcow2_header header;

	*wrong = qcow2_read_header(fd, &header);
	if (*wrong)
		return NULL;
	struct qcow2 *image = calloc(1, sizeof(*image));

	if (!image) {
		*wrong = "no memory to read it";
		return NULL;
	}
	image->fd = fd;
	image->cluster_bits = header.cluster_bits;
	image->version = header.version;
	image->is_zstd = header.compression == 1;
	image->size = header.size;
	*wrong = read_table(image, &header);
	if (!*wrong)
		return image;
	qcow2_close(image);
	return NULL;
}

void qcow2_close(struct qcow2 *image)
{
	if (!image)
		return;
	if (image->has_deflate)
		inflateEnd(&image->deflate);
	ZSTD_freeDCtx(image->zstd);
	free(image->table);
	free(image->cluster);
	free(image->packed);
	free(image);
}

uint64_t qcow2_size(const struct qcow2 *image)
{
	return image->size;
}

/* ---- the tables ---- */

/* The entry of the cluster at @at. Return: false if it cannot be read. */
static bool find_entry(struct qcow2 *image, uint64_t at, uint64_t *entry, const char **wrong)
{
	unsigned int bits = image->cluster_bits;
	uint64_t entries = 1ULL << (bits - 3), index = (at >> bits) & (entries - 1);
	uint64_t table = be64toh(image->table[at >> (2 * bits - 3)]) & ENTRY_OFFSET;

	*entry = 0;
	if (!table)
		return true;
	if (table & (cluster_size(image) - 1)) {
		*wrong = "a table of the image lies at an odd place";
		return false;
	}
	uint32_t count = entries < PIECE_ENTRIES ? (uint32_t)entries : PIECE_ENTRIES;
	uint64_t offset = table + (index & ~(uint64_t)(count - 1)) * sizeof(uint64_t);
	struct piece *piece = &image->pieces[offset / (count * sizeof(uint64_t)) % PIECES];

	if (piece->offset != offset) {
		size_t size = count * sizeof(uint64_t);

		piece->offset = 0;
		if (qcow2_pread(image->fd, piece->entries, size, offset) != (int64_t)size) {
			*wrong = "a table of the image cannot be read";
			return false;
		}
		piece->offset = offset;
	}
	*entry = be64toh(piece->entries[index & (count - 1)]);
	return true;
}

/* ---- clusters ---- */

static bool inflate_cluster(struct qcow2 *image, size_t packed)
{
	z_stream *stream = &image->deflate;

	if (inflateReset(stream) != Z_OK)
		return false;
	stream->next_in = image->packed;
	stream->avail_in = (unsigned int)packed;
	stream->next_out = image->cluster;
	stream->avail_out = (unsigned int)cluster_size(image);

	int ret = inflate(stream, Z_FINISH);

	/* What follows in the last sector is another one's, so that its end may not be seen. */
	return !stream->avail_out && (ret == Z_STREAM_END || ret == Z_BUF_ERROR || ret == Z_OK);
}

static bool unzstd_cluster(struct qcow2 *image, size_t packed)
{
	ZSTD_inBuffer in = { image->packed, packed, 0 };
	ZSTD_outBuffer out = { image->cluster, cluster_size(image), 0 };

	ZSTD_DCtx_reset(image->zstd, ZSTD_reset_session_only);
	while (out.pos < out.size) {
		size_t before = out.pos + in.pos;

		if (ZSTD_isError(ZSTD_decompressStream(image->zstd, &out, &in)) || out.pos + in.pos == before)
			return false;
	}
	return true;
}

/* Have the compressed cluster of @entry in image->cluster. The file may end within its last sector. */
static bool unpack(struct qcow2 *image, uint64_t entry, const char **wrong)
{
	unsigned int offset_bits = 62 - (image->cluster_bits - 8);
	uint64_t descriptor = entry & ENTRY_DESCRIPTOR;
	uint64_t offset = descriptor & ((1ULL << offset_bits) - 1);
	uint64_t size = ((descriptor >> offset_bits) + 1) * SECTOR - (offset & (SECTOR - 1));

	if (image->unpacked == entry)
		return true;
	image->unpacked = 0;
	int64_t got = qcow2_pread(image->fd, image->packed, size, offset);

	if (got <= 0 || !(image->is_zstd ? unzstd_cluster(image, (size_t)got) : inflate_cluster(image, (size_t)got))) {
		*wrong = "a compressed cluster of the image is damaged";
		return false;
	}
	image->unpacked = entry;
	return true;
}

/* A part of a request that lies in one cluster. */
struct slice {
	struct iovec parts[SLICE_PARTS];
	unsigned int number;
	uint64_t count;		/* bytes */
};

static void fill(const struct slice *slice, const uint8_t *from)
{
	for (unsigned int i = 0; i < slice->number; i++) {
		memcpy(slice->parts[i].iov_base, from, slice->parts[i].iov_len);
		from += slice->parts[i].iov_len;
	}
}

/* Zeros behind the first @done bytes. */
static void clear(const struct slice *slice, uint64_t done)
{
	for (unsigned int i = 0; i < slice->number; i++) {
		size_t length = slice->parts[i].iov_len, skip = done < length ? (size_t)done : length;

		memset((uint8_t *)slice->parts[i].iov_base + skip, 0, length - skip);
		done -= skip;
	}
}

/* Read what is there. Return: how many bytes; -1 on an error. */
static int64_t read_slice(int fd, const struct slice *slice, uint64_t at)
{
	ssize_t got;

	if (at > INT64_MAX - slice->count)
		return 0;
	do
		got = preadv(fd, slice->parts, (int)slice->number, (off_t)at);
	while (got < 0 && errno == EINTR);
	if (got < 0 || (uint64_t)got == slice->count)
		return got;
	/* The file's end most likely; else the rest one by one. */
	uint64_t done = 0, missing = (uint64_t)got;

	for (unsigned int i = 0; i < slice->number; i++) {
		const struct iovec *part = &slice->parts[i];
		size_t skip = missing < part->iov_len ? (size_t)missing : part->iov_len;
		int64_t more = skip == part->iov_len ? 0 :
			       qcow2_pread(fd, (uint8_t *)part->iov_base + skip, part->iov_len - skip, at + done + skip);

		missing -= skip;
		if (more < 0)
			return -1;
		done += skip + (uint64_t)more;
		if (skip + (uint64_t)more < part->iov_len)
			break;
	}
	return (int64_t)done;
}

/* The file may end within its last cluster. */
static bool read_plain(struct qcow2 *image, uint64_t entry, uint64_t inside, const struct slice *slice, const char **wrong)
{
	uint64_t offset = entry & ENTRY_OFFSET;
	uint8_t first;
	int64_t got;

	if (offset & (cluster_size(image) - 1)) {
		*wrong = "a cluster of the image lies at an odd place";
		return false;
	}
	got = read_slice(image->fd, slice, offset + inside);
	if (got < 0 || (!got && qcow2_pread(image->fd, &first, 1, offset) != 1)) {
		*wrong = got < 0 ? strerror(errno) : "the image is cut off";
		return false;
	}
	clear(slice, (uint64_t)got);
	return true;
}

static bool read_cluster(struct qcow2 *image, uint64_t at, const struct slice *slice, const char **wrong)
{
	uint64_t inside = at & (cluster_size(image) - 1), entry;

	if (!find_entry(image, at, &entry, wrong))
		return false;
	if (entry & ENTRY_COMPRESSED) {
		if (!unpack(image, entry, wrong))
			return false;
		fill(slice, image->cluster + inside);
		return true;
	}
	if (!(entry & ENTRY_OFFSET) || (image->version >= 3 && entry & ENTRY_ZERO)) {
		clear(slice, 0);
		return true;
	}
	return read_plain(image, entry, inside, slice, wrong);
}

/* Where in a request the next slice begins. */
struct cursor {
	const struct iovec *parts;
	unsigned int number;
	size_t done;		/* bytes of the first part */
};

static void cut(struct cursor *cursor, uint64_t most, struct slice *slice)
{
	slice->number = 0;
	slice->count = 0;
	while (cursor->number && slice->count < most && slice->number < SLICE_PARTS) {
		uint64_t left = cursor->parts->iov_len - cursor->done, room = most - slice->count;
		size_t part = (size_t)(left < room ? left : room);

		if (part)
			slice->parts[slice->number++] = (struct iovec){ (uint8_t *)cursor->parts->iov_base + cursor->done, part };
		slice->count += part;
		cursor->done += part;
		if (cursor->done == cursor->parts->iov_len) {
			cursor->parts++;
			cursor->number--;
			cursor->done = 0;
		}
	}
}

bool qcow2_read(struct qcow2 *image, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved,
		const char **wrong)
{
	struct cursor cursor = { parts, number, 0 };
	struct slice slice;

	while (cursor.number) {
		cut(&cursor, cluster_size(image) - (at & (cluster_size(image) - 1)), &slice);
		if (slice.count && !read_cluster(image, at, &slice, wrong))
			return false;
		at += slice.count;
		*moved += slice.count;
	}
	return true;
}

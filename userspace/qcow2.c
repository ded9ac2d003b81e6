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

#define ENTRY_OFFSET		0x00fffffffffffe00ULL	/* of both levels */
#define ENTRY_COMPRESSED	(1ULL << 62)
#define ENTRY_DESCRIPTOR	(ENTRY_COMPRESSED - 1)
#define ENTRY_ZERO		(1ULL << 0)	/* since version 3 */

#define DEFLATE_WINDOW		(-12)		/* as zlib has it: 4 KB, without a header */

#define ZSTD_WINDOW		23		/* 8 MB, more than any cluster */

#define PIECE_ENTRIES		512u		/* of a table of the second level */
#define PIECES			16u

struct header {
	uint32_t magic, version;
	uint64_t backing_offset;
	uint32_t backing_size, cluster_bits;
	uint64_t size;
	uint32_t crypt_method, table_entries;
	uint64_t table_offset, counts_offset;
	uint32_t counts_clusters, snapshot_count;
	uint64_t snapshots_offset;
	/* Since version 3. */
	uint64_t incompatible, compatible, autoclear;
	uint32_t count_order, length;
	uint8_t compression;
};

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

/* Read what is there of @count bytes. Return: how many; -1 on an error. */
static int64_t read_at(int fd, void *to, size_t count, uint64_t at)
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

	return read_at(fd, &magic, sizeof(magic), 0) == sizeof(magic) && be32toh(magic) == MAGIC;
}

/* ---- the header ---- */

static void swap_header(struct header *header)
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

static const char *check_features(const struct header *header)
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

/* How many entries of the first level the disk's size needs. */
static uint64_t needed_entries(const struct header *header)
{
	unsigned int bits = 2 * header->cluster_bits - 3;

	return (header->size >> bits) + !!(header->size & ((1ULL << bits) - 1));
}

static const char *check_header(const struct header *header)
{
	if (header->version != 2 && header->version != 3)
		return "a qcow2 image of a version that is neither 2 nor 3";
	if (header->version == 3 && header->length < V3_HEADER)
		return "a qcow2 image with a damaged header";
	if (header->cluster_bits < CLUSTER_BITS_MIN || header->cluster_bits > CLUSTER_BITS_MAX)
		return "a qcow2 image with clusters that are smaller than 512 bytes or larger than 2 MB";
	if (header->size < SECTOR || header->size > INT64_MAX)
		return "a qcow2 image of a disk that is smaller than one sector, 512 bytes, or impossibly large";
	if (needed_entries(header) > TABLE_MAX / sizeof(uint64_t))
		return "a qcow2 image of too large a disk";
	if (header->table_entries < needed_entries(header))
		return "a qcow2 image with too few tables for its disk";
	return check_features(header);
}

static const char *read_header(int fd, struct header *header)
{
	_Static_assert(offsetof(struct header, incompatible) == V2_HEADER && offsetof(struct header, compression) == V3_HEADER,
		       "as in the file");
	memset(header, 0, sizeof(*header));
	int64_t got = read_at(fd, header, V3_HEADER + 1, 0);

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

static const char *read_table(struct qcow2 *image, const struct header *header)
{
	size_t size = needed_entries(header) * sizeof(uint64_t);
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
	if (read_at(image->fd, image->table, size, header->table_offset) != (int64_t)size)
		return "a qcow2 image that is cut off";
	return NULL;
}

struct qcow2 *qcow2_open(int fd, const char **wrong)
{
	struct header header;

	*wrong = read_header(fd, &header);
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
		if (read_at(image->fd, piece->entries, size, offset) != (int64_t)size) {
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
	int64_t got = read_at(image->fd, image->packed, size, offset);

	if (got <= 0 || !(image->is_zstd ? unzstd_cluster(image, (size_t)got) : inflate_cluster(image, (size_t)got))) {
		*wrong = "a compressed cluster of the image is damaged";
		return false;
	}
	image->unpacked = entry;
	return true;
}

/* The file may end within its last cluster. */
static bool read_plain(struct qcow2 *image, uint64_t entry, uint64_t inside, void *to, size_t count, const char **wrong)
{
	uint64_t offset = entry & ENTRY_OFFSET;
	uint8_t first;
	int64_t got;

	if (offset & (cluster_size(image) - 1)) {
		*wrong = "a cluster of the image lies at an odd place";
		return false;
	}
	got = read_at(image->fd, to, count, offset + inside);
	if (got < 0 || (!got && read_at(image->fd, &first, 1, offset) != 1)) {
		*wrong = got < 0 ? strerror(errno) : "the image is cut off";
		return false;
	}
	memset((uint8_t *)to + got, 0, count - (size_t)got);
	return true;
}

/* @count bytes at @at, which are of one cluster. */
static bool read_cluster(struct qcow2 *image, uint64_t at, void *to, size_t count, const char **wrong)
{
	uint64_t inside = at & (cluster_size(image) - 1), entry;

	if (!find_entry(image, at, &entry, wrong))
		return false;
	if (entry & ENTRY_COMPRESSED) {
		if (!unpack(image, entry, wrong))
			return false;
		memcpy(to, image->cluster + inside, count);
		return true;
	}
	if (!(entry & ENTRY_OFFSET) || (image->version >= 3 && entry & ENTRY_ZERO)) {
		memset(to, 0, count);
		return true;
	}
	return read_plain(image, entry, inside, to, count, wrong);
}

bool qcow2_read(struct qcow2 *image, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved,
		const char **wrong)
{
	for (unsigned int i = 0; i < number; i++) {
		for (size_t done = 0; done < parts[i].iov_len;) {
			uint64_t left = cluster_size(image) - (at & (cluster_size(image) - 1));
			size_t count = parts[i].iov_len - done;

			if (count > left)
				count = (size_t)left;
			if (!read_cluster(image, at, (uint8_t *)parts[i].iov_base + done, count, wrong))
				return false;
			done += count;
			at += count;
			*moved += count;
		}
	}
	return true;
}

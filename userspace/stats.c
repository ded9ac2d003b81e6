// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the statistics files, after the kernel's Documentation/virt/kvm/api.rst,
 * "KVM_GET_STATS_FD": header, descriptors and values, each at the offset the
 * header or descriptor says. Header and descriptors never change and are read
 * once. Values are read by preadv(), which the sandbox allows for disks.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stats.h"
#include "status.h"

/* More than any kernel has; what is read beyond is no statistics file. */
#define COUNTERS_MAX	4096u
#define NAME_MAX_BYTES	256u
#define VALUES_MAX	(1u << 16)

static const struct kvm_stats_desc *descriptor(const struct stats_file *file, uint32_t index)
{
	return (const void *)(file->descriptors + (size_t)index * file->stride);
}

static bool read_at(int fd, void *to, size_t size, uint32_t offset)
{
	const struct iovec part = { to, size };

	return preadv(fd, &part, 1, offset) == (ssize_t)size;
}

/* A name that can stand in a line and in JSON. */
static bool is_name(const char *name, size_t size)
{
	size_t length = strnlen(name, size);

	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\')
			return false;
	return length && length < size;
}

static bool read_descriptors(struct stats_file *file)
{
	struct kvm_stats_header header;

	if (!read_at(file->fd, &header, sizeof(header), 0) || header.num_desc > COUNTERS_MAX ||
	    header.name_size > NAME_MAX_BYTES || header.name_size % sizeof(uint64_t))
		return false;
	file->count = header.num_desc;
	file->data_offset = header.data_offset;
	file->stride = (uint32_t)sizeof(struct kvm_stats_desc) + header.name_size;
	file->descriptors = calloc(file->count ? file->count : 1, file->stride);
	if (!file->descriptors || !read_at(file->fd, file->descriptors,
					   (size_t)file->count * file->stride, header.desc_offset))
		return false;
	for (uint32_t i = 0; i < file->count; i++) {
		const struct kvm_stats_desc *d = descriptor(file, i);
		uint32_t bytes = d->size * (uint32_t)sizeof(uint64_t);

		if (!is_name(d->name, header.name_size) || d->offset % sizeof(uint64_t) ||
		    d->offset > VALUES_MAX - bytes || bytes > VALUES_MAX)
			return false;
		if (file->data_size < d->offset + bytes)
			file->data_size = d->offset + bytes;
	}
	return true;
}

int stats_add(struct stats *stats, int fd)
{
	struct stats_file file = { .fd = fd };
	struct stats_file *files;

	if (!read_descriptors(&file)) {
		free(file.descriptors);
		close(fd);
		return status_fail(STATUS_HOST, "--stats: the statistics cannot be read");
	}
	files = realloc(stats->files, (stats->count + 1) * sizeof(*files));
	if (!files) {
		free(file.descriptors);
		close(fd);
		return status_fail(STATUS_HOST, "out of memory");
	}
	files[stats->count++] = file;
	stats->files = files;
	return 0;
}

int stats_open(struct stats *stats, int object, const char *name)
{
	int fd = ioctl(object, KVM_GET_STATS_FD, NULL);

	if (fd < 0)
		return status_fail(STATUS_CREATE, "--stats: no statistics of %s: %s", name,
				   errno == ENOTTY || errno == EINVAL ?
				   "this kernel has none" : strerror(errno));
	return stats_add(stats, fd);
}

/* Return: the values, to be freed; NULL if they cannot be had. */
static uint64_t *read_values(const struct stats_file *file)
{
	uint64_t *values = calloc(1, file->data_size + 1);

	if (values && read_at(file->fd, values, file->data_size, file->data_offset))
		return values;
	free(values);
	return NULL;
}

/* What one step of the counter is: " ns", " * 2^10 bytes"; nothing for a plain number. */
static void print_unit(FILE *out, const struct kvm_stats_desc *d)
{
	static const char *const units[] = { "", "bytes", "s", "cycles", "" };
	static const char *const parts[] = { "ns", "us", "ms" };
	uint32_t unit = (d->flags & KVM_STATS_UNIT_MASK) >> KVM_STATS_UNIT_SHIFT;
	bool is_decimal = (d->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW10;
	int exponent = d->exponent;

	if ((d->flags & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_SECONDS && is_decimal &&
	    (exponent == -9 || exponent == -6 || exponent == -3)) {
		fprintf(out, " %s", parts[(exponent + 9) / 3]);
		return;
	}
	if (exponent)
		fprintf(out, " * %d^%d", is_decimal ? 10 : 2, exponent);
	if (unit < ARRAY_SIZE(units) && *units[unit])
		fprintf(out, " %s", units[unit]);
}

/* A histogram goes up to the last of its buckets that holds something. */
static void print_counter(FILE *out, const struct kvm_stats_desc *d, const uint64_t *values,
			  const char *end)
{
	uint32_t used = d->size;

	while (used && !values[used - 1])
		used--;
	if (!used)
		return;
	fprintf(out, "  %-32s", d->name);
	for (uint32_t i = 0; i < used; i++)
		fprintf(out, " %llu", (unsigned long long)values[i]);
	print_unit(out, d);
	fputs(end, out);
}

char *stats_text(const struct stats *stats, const char *end)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (unsigned int i = 0; i < stats->count; i++) {
		const struct stats_file *file = &stats->files[i];
		uint64_t *values = read_values(file);

		if (i)
			fprintf(out, "keel: statistics of vCPU %u:%s", i - 1, end);
		else
			fprintf(out, "keel: statistics of the virtual machine:%s", end);
		for (uint32_t j = 0; values && j < file->count; j++) {
			const struct kvm_stats_desc *d = descriptor(file, j);

			print_counter(out, d, values + d->offset / sizeof(*values), end);
		}
		free(values);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static void write_object(FILE *out, const struct stats_file *file)
{
	uint64_t *values = read_values(file);

	fputc('{', out);
	for (uint32_t i = 0; values && i < file->count; i++) {
		const struct kvm_stats_desc *d = descriptor(file, i);
		const uint64_t *value = values + d->offset / sizeof(*values);

		fprintf(out, "%s\"%s\": ", i ? ", " : "", d->name);
		if (d->size != 1)
			fputc('[', out);
		for (uint32_t j = 0; j < d->size; j++)
			fprintf(out, "%s%llu", j ? ", " : "", (unsigned long long)value[j]);
		if (d->size != 1)
			fputc(']', out);
	}
	fputc('}', out);
	free(values);
}

static void write_files(FILE *out, const struct stats *stats)
{
	fputs("\"vm\": ", out);
	write_object(out, &stats->files[0]);
	fputs(", \"vcpus\": [", out);
	for (unsigned int i = 1; i < stats->count; i++) {
		fputs(i > 1 ? ", " : "", out);
		write_object(out, &stats->files[i]);
	}
	fputc(']', out);
}

char *stats_json(const struct stats *stats, const char *balloon)
{
	char *text = NULL;
	size_t size;
	FILE *out = stats->count || balloon ? open_memstream(&text, &size) : NULL;

	if (!out)
		return NULL;
	fputc('{', out);
	if (stats->count)
		write_files(out, stats);
	if (balloon)
		fprintf(out, "%s\"balloon\": %s", stats->count ? ", " : "", balloon);
	fputc('}', out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

void stats_close(struct stats *stats)
{
	for (unsigned int i = 0; i < stats->count; i++) {
		close(stats->files[i].fd);
		free(stats->files[i].descriptors);
	}
	free(stats->files);
	*stats = (struct stats){ 0 };
}

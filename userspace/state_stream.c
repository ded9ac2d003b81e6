// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing needs no seek, so that a pipe will do. Reading wants a file, which is
 * gone through twice, first to see that all of it is right; or a connection, which
 * gives its bytes once, each within a time.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "state_fields.h"
#include "state_index.h"
#include "state_memory.h"
#include "state_stream.h"
#include "thread.h"

#define ROOM_MS	200	/* until somebody is asked whether to wait on */

static const char end_name[] = "end";

struct end {
	uint32_t sections;	/* before it */
	uint64_t memory_at;	/* of a file with an index; else 0 */
	uint64_t index_at;
};

static const struct state_row end_rows[] = {
	STATE_ROW_UINT("sections", struct end, sections),
	STATE_ROW_OPTIONAL_UINT("memory_at", struct end, memory_at),
	STATE_ROW_OPTIONAL_UINT("index_at", struct end, index_at),
};

/* As this program writes it: 3 numbers, of which one has a name that is longer than 8 bytes. */
#define END_PAYLOAD	(3 * (sizeof(struct state_field_head) + 8 + sizeof(uint64_t)) + 8)
#define END_BYTES	(sizeof(struct state_section) + END_PAYLOAD)

static const struct state_layout end_layout = {
	.name = end_name, .version = 1, .rows = end_rows, .row_count = ARRAY_SIZE(end_rows), .size = sizeof(struct end),
};

/* Not the library's fstat(), which is a system call that takes a path as well. */
static mode_t mode_of(int fd)
{
	struct stat stat;

	return syscall(SYS_fstat, fd, &stat) ? 0 : stat.st_mode;
}

/* A pipe that has room takes PIPE_BUF bytes at once. Return: false if nobody wants them any more. */
static bool wait_for_room(const struct state_writer *writer, struct state_error *error)
{
	struct pollfd wait = { .fd = writer->fd, .events = POLLOUT };
	const struct state_memory_watch *watch = writer->watch;

	while (!writer->is_file && poll(&wait, 1, ROOM_MS) < 1)
		if (watch && watch->progress && !watch->progress(watch->argument, 0, 0))
			return state_refuse(error, "given up");
	return true;
}

/* Into a socket as much as it takes, whether or not it blocks. */
static ssize_t write_some(const struct state_writer *writer, const void *bytes, size_t count)
{
	if (writer->is_socket)
		return send(writer->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(writer->fd, bytes, writer->is_file || count < PIPE_BUF ? count : PIPE_BUF);
}

static bool write_all(struct state_writer *writer, const void *bytes, size_t count, struct state_error *error)
{
	const uint8_t *at = bytes;

	while (count) {
		if (!wait_for_room(writer, error))
			return false;
		ssize_t done = write_some(writer, at, count);

		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (done <= 0)
			return state_refuse(error, "cannot write: %s", done ? strerror(errno) : "nothing is taken");
		at += done;
		count -= (size_t)done;
		writer->written += (uint64_t)done;
	}
	return true;
}

bool state_begin(struct state_writer *writer, int fd, const struct state_memory_watch *watch, struct state_error *error)
{
	struct state_header header;
	mode_t mode = mode_of(fd);

	*writer = (struct state_writer){
		.fd = fd, .watch = watch, .is_file = S_ISREG(mode) || S_ISBLK(mode), .is_socket = S_ISSOCK(mode),
	};
	state_header_make(&header);
	return write_all(writer, &header, sizeof(header), error);
}

/* Not with the head's own checksum: what ends in that has the same checksum, whatever it is. */
static uint32_t sum_on(uint32_t sum, const struct state_section *section)
{
	return state_checksum_on(sum, section, offsetof(struct state_section, checksum));
}

bool state_put(struct state_writer *writer, const char *name, uint32_t instance, uint16_t version, uint16_t flags,
	       const void *payload, size_t length, struct state_error *error)
{
	struct state_section *section = &writer->last;

	if (length > STATE_PAYLOAD_MAX)
		return state_refuse(error, "section '%s' %u would have %zu bytes", name, instance, length);
	state_section_make(section, name, instance, version, flags, payload, length);
	if (strcmp(name, end_name)) {
		writer->sections++;
		writer->sum = sum_on(writer->sum, section);
		if (strcmp(name, STATE_MEMORY))
			writer->small_sum = sum_on(writer->small_sum, section);
	}
	return write_all(writer, section, sizeof(*section), error) && write_all(writer, payload, length, error);
}

bool state_end(struct state_writer *writer, struct state_error *error)
{
	struct end end = { .sections = writer->sections };
	struct state_buffer buffer = { 0 };

	if (writer->index) {
		end.memory_at = writer->index->memory_at;
		end.index_at = writer->index->index_at;
	}

	state_fields_put(&buffer, &end_layout, &end);

	bool is_written = buffer.is_short ? state_refuse(error, "out of memory") :
			  state_put(writer, end_name, 0, end_layout.version, STATE_NEEDED, buffer.bytes, buffer.used,
				    error);

	state_buffer_free(&buffer);
	return is_written;
}

/* Wait for what comes through a connection. Return: false with @error at @until, also if a little comes again and again. */
static bool wait_for_bytes(const struct state_reader *reader, const struct timespec *until, struct state_error *error)
{
	struct pollfd wait = { .fd = reader->fd, .events = POLLIN };

	for (;;) {
		bool is_there = poll(&wait, 1, ROOM_MS) == 1;

		if (thread_is_past(until))
			return state_refuse(error, is_there ? "what comes is too slow: a section has %u seconds" : "nothing more came for %u seconds",
					    STATE_STALL_MS / 1000);
		if (is_there)
			return true;
	}
}

/* Exactly @count bytes; what is there of a file has been looked at. */
static bool read_all(struct state_reader *reader, void *bytes, size_t count, struct state_error *error)
{
	const struct timespec until = thread_time_in(STATE_STALL_MS);
	uint8_t *to = bytes;

	while (count) {
		if (reader->is_connection && !wait_for_bytes(reader, &until, error))
			return false;
		ssize_t done = reader->is_connection ? read(reader->fd, to, count) : pread(reader->fd, to, count, (off_t)reader->at);

		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (done <= 0)
			return state_refuse(error, "cannot read: %s", done && errno != ECONNRESET ? strerror(errno) :
					    reader->is_connection ? "the connection has ended" : "the file has become shorter");
		to += done;
		count -= (size_t)done;
		reader->at += (uint64_t)done;
	}
	return true;
}

static bool open_header(struct state_reader *reader, struct state_error *error)
{
	reader->payload = malloc(STATE_PAYLOAD_MAX);
	if (!reader->payload)
		return state_refuse(error, "out of memory");
	return read_all(reader, &reader->header, sizeof(reader->header), error) &&
	       state_header_check(&reader->header, error);
}

bool state_open(struct state_reader *reader, int fd, struct state_error *error)
{
	struct stat stat;

	*reader = (struct state_reader){ .fd = fd };
	if (fstat(fd, &stat))
		return state_refuse(error, "%s", strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return state_refuse(error, "not a regular file");
	if ((size_t)stat.st_size < sizeof(reader->header))
		return state_refuse(error, "not a saved VM of keel's");
	reader->size = (uint64_t)stat.st_size;
	return open_header(reader, error);
}

bool state_open_connection(struct state_reader *reader, int fd, struct state_error *error)
{
	*reader = (struct state_reader){ .fd = fd, .is_connection = true, .size = UINT64_MAX };
	return open_header(reader, error);
}

void state_rewind(struct state_reader *reader)
{
	reader->at = sizeof(reader->header);
	reader->sections = 0;
	reader->sum = 0;
	reader->small_sum = 0;
	reader->memory_at = 0;
	reader->index_at = 0;
}

bool state_find_places(struct state_reader *reader, struct state_places *places, struct state_error *error)
{
	struct state_error other = { "" };
	struct state_section section;
	struct end end = { 0 };

	if (reader->is_connection || reader->size < sizeof(reader->header) + END_BYTES)
		return false;
	reader->at = reader->size - END_BYTES;
	if (!read_all(reader, &section, sizeof(section), error))
		return false;
	/* The end of a file without an index is shorter; what else it may be is told by whoever reads all of it. */
	if (!state_section_check(&section, END_PAYLOAD, &other) || strcmp(section.name, end_name) || section.length != END_PAYLOAD)
		return false;
	if (!read_all(reader, reader->payload, END_PAYLOAD, error))
		return false;
	if (section.payload_checksum != state_checksum(reader->payload, END_PAYLOAD))
		return state_refuse(error, "the checksum of section 'end' 0 is wrong: the file is damaged");
	if (!state_fields_get(&end_layout, &end, &section, reader->payload, error) || !end.index_at)
		return false;
	*places = (struct state_places){ end.memory_at, end.index_at, reader->size - END_BYTES, end.sections };
	state_rewind(reader);
	if (places->memory_at < sizeof(reader->header) || places->memory_at > places->index_at || places->index_at > places->end_at)
		return state_refuse(error, "the end tells of an index where none can be");
	return true;
}

/* Whoever reads a file by its index relies on it. */
static bool is_index_where(const struct state_reader *reader, const struct end *end, uint64_t end_at)
{
	uint64_t index_at = reader->index_at ? reader->index_at : end_at;
	uint64_t memory_at = reader->memory_at ? reader->memory_at : index_at;

	return !end->index_at || (end->index_at == index_at && end->memory_at == memory_at);
}

static bool check_end(struct state_reader *reader, const struct state_section *section, struct state_error *error)
{
	struct end end = { 0 };

	if (!state_fields_get(&end_layout, &end, section, reader->payload, error))
		return false;
	if (end.sections != reader->sections)
		return state_refuse(error, "there are %u sections, and should be %u", reader->sections, end.sections);
	if (!reader->is_connection && reader->at != reader->size)
		return state_refuse(error, "something follows behind the end");
	if (!is_index_where(reader, &end, reader->at - sizeof(*section) - section->length))
		return state_refuse(error, "the index is not where the end says");
	/* What has been looked at and what is used must be of one file. */
	if (reader->whole_sum && reader->whole_sum != reader->sum)
		return state_refuse(error, "the file has changed since it was first read");
	reader->whole_sum = reader->sum;
	return true;
}

/* Where the first of its kind was that has just been read. */
static void note_place(struct state_reader *reader, const struct state_section *section)
{
	uint64_t at = reader->at - sizeof(*section) - section->length;

	if (!reader->memory_at && !strcmp(section->name, STATE_MEMORY))
		reader->memory_at = at;
	if (!reader->index_at && !strcmp(section->name, STATE_INDEX))
		reader->index_at = at;
}

bool state_next(struct state_reader *reader, struct state_section *section, const uint8_t **payload,
		struct state_error *error)
{
	if (reader->size - reader->at < sizeof(*section))
		return state_refuse(error, "the file ends before its end");
	if (!read_all(reader, section, sizeof(*section), error) ||
	    !state_section_check(section, reader->size - reader->at, error) ||
	    !read_all(reader, reader->payload, section->length, error))
		return false;
	if (section->payload_checksum != state_checksum(reader->payload, section->length))
		return state_refuse(error, "the checksum of section '%s' %u is wrong: the file is damaged",
				    section->name, section->instance);
	if (!strcmp(section->name, end_name)) {
		check_end(reader, section, error);
		return false;
	}
	note_place(reader, section);
	reader->sections++;
	reader->sum = sum_on(reader->sum, section);
	if (strcmp(section->name, STATE_MEMORY))
		reader->small_sum = sum_on(reader->small_sum, section);
	*payload = reader->payload;
	return true;
}

void state_close(struct state_reader *reader)
{
	free(reader->payload);
	reader->payload = NULL;
}

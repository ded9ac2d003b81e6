// SPDX-License-Identifier: GPL-2.0-only
/*
 * While the chip answers with its contents they are a read-only memory slot, so that reads do not leave the guest;
 * writes always do. While it answers with registers there is no slot, and each read leaves too.
 *
 * The contents are this process's own copy: a file that somebody cuts short is no memory that faults. Each program or
 * erase is written to the file before the chip has it, and the file is synchronized when the chip answers with its
 * contents again: what the firmware wrote before is then there after a power cut, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "directory.h"
#include "disk_lock.h"
#include "put_off.h"
#include "variables.h"
#include "vm.h"

#define OPTION	"--firmware-vars"

static int map(const struct variables *variables)
{
	return vm_add_rom(variables->vm, &(struct vm_rom){ VM_SLOT_FLASH, variables->address, variables->bytes, variables->size });
}

static bool store(void *owner, uint32_t at, const uint8_t *bytes, uint32_t count)
{
	struct variables *variables = owner;
	uint32_t done = 0;

	while (variables->path && done < count) {
		ssize_t written = pwrite(variables->file, bytes + done, count - done, (off_t)(at + done));

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			if (!variables->is_failing)
				status_warn(OPTION " %s: cannot be written: %s", variables->path, strerror(errno));
			variables->is_failing = true;
			return false;
		}
		done += (uint32_t)written;
	}
	variables->is_failing = false;
	return true;
}

static void settle(void *owner)
{
	struct variables *variables = owner;

	if (variables->path && fdatasync(variables->file))
		status_warn(OPTION " %s: what was written may not outlive a power cut: %s", variables->path, strerror(errno));
}

static void show(void *owner, bool is_array)
{
	struct variables *variables = owner;

	if (is_array ? map(variables) : vm_remove_rom(variables->vm, VM_SLOT_FLASH))
		vm_stop(variables->vm, STATUS_HOST, "the firmware's flash cannot be %s", is_array ? "mapped" : "taken away");
}

static const struct flash_ops ops = { store, settle, show };

static int __printf(2, 3) refuse(const struct variables_request *request, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return status_fail(STATUS_KERNEL, OPTION " %s: %s", request->path ? request->path : request->template, text);
}

/* Return: @fd's size if it is a chip's, 0 after a line on stderr. */
static uint32_t size_of(const struct variables_request *request, int fd)
{
	struct stat stat;

	if (fstat(fd, &stat) || !S_ISREG(stat.st_mode))
		refuse(request, "not a regular file");
	else if (!stat.st_size || stat.st_size % FLASH_BLOCK)
		refuse(request, "not a whole number of 4 KB: no firmware's variables, or not all of them");
	else if ((uint64_t)stat.st_size > request->room)
		refuse(request, "larger than the %llu KB below the firmware", (unsigned long long)request->room >> 10);
	else
		return (uint32_t)stat.st_size;
	return 0;
}

static int read_all(const struct variables_request *request, int fd, uint8_t *to, uint32_t size)
{
	uint32_t done = 0;

	while (done < size) {
		ssize_t count = pread(fd, to + done, size - done, (off_t)done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return refuse(request, "%s", count ? strerror(errno) : "shrank while being read");
		done += (uint32_t)count;
	}
	return 0;
}

/* Map room for the contents of @fd, and read them. */
static int take(struct variables *variables, const struct variables_request *request, int fd)
{
	uint32_t size = size_of(request, fd);
	void *bytes;

	if (!size)
		return STATUS_KERNEL;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return refuse(request, "no memory to read it");
	variables->bytes = bytes;
	variables->size = size;
	return read_all(request, fd, bytes, size);
}

static int take_template(struct variables *variables, const struct variables_request *request)
{
	int fd = open(request->template, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return refuse(request, "cannot open %s, which it begins as: %s", request->template, strerror(errno));
	int ret = take(variables, request, fd);

	close(fd);
	return ret;
}

/* Nobody who makes such a file at the same time loses his, where the file system has that. */
static bool give_name(const char *from, const char *to)
{
	return !renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) || (errno == EINVAL && !rename(from, to));
}

/* @temporary: what its name is made of at first. Return: 0 once the file has the right one. */
static int make(struct variables *variables, const struct variables_request *request, char *temporary)
{
	uint32_t done = 0;

	variables->file = mkostemp(temporary, O_CLOEXEC);
	if (variables->file < 0)
		return refuse(request, "cannot create it: %s", strerror(errno));
	variables->path = request->path;
	int ret = disk_lock_as(variables->file, false, OPTION, variables->path);

	while (!ret && done < variables->size) {
		ssize_t count = write(variables->file, variables->bytes + done, variables->size - done);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		done += (uint32_t)count;
	}
	if (done == variables->size && !fsync(variables->file) && give_name(temporary, request->path)) {
		directory_sync(request->path);
		return 0;
	}
	int error = errno;

	unlink(temporary);
	return ret ? ret : refuse(request, "cannot create it: %s", strerror(error));
}

/* Write the contents into a new file, which then gets its name: nobody finds half of one, whatever ends this process. */
static int create(struct variables *variables, const struct variables_request *request)
{
	char temporary[PATH_MAX];

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", request->path) >= (int)sizeof(temporary))
		return refuse(request, "too long a name");
	put_off_end();
	int ret = make(variables, request, temporary);

	put_off_no_longer();
	return ret;
}

/* A file that was another build's would be taken for damaged, and made anew. */
static int check_template(const struct variables *variables, const struct variables_request *request)
{
	struct stat wanted;

	if (!request->template || stat(request->template, &wanted) || wanted.st_size == variables->size)
		return 0;
	return refuse(request, "has %u bytes, and %s %lld: it is another firmware's", variables->size, request->template,
		      (long long)wanted.st_size);
}

static int take_file(struct variables *variables, const struct variables_request *request)
{
	variables->file = open(request->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (variables->file < 0 && errno == ENOENT && request->template) {
		int made = take_template(variables, request);

		return made ? made : create(variables, request);
	}
	if (variables->file < 0)
		return refuse(request, "cannot open it: %s%s", strerror(errno),
			      errno == ENOENT ? " (a copy of what comes with the firmware is to be there)" : "");
	variables->path = request->path;
	int ret = disk_lock_as(variables->file, false, OPTION, variables->path);

	if (!ret)
		ret = take(variables, request, variables->file);
	return ret ? ret : check_template(variables, request);
}

int variables_add(struct variables *variables, struct vm *vm, const struct variables_request *request)
{
	int ret = request->path ? take_file(variables, request) : take_template(variables, request);

	variables->vm = vm;
	if (ret)
		return ret;
	variables->address = request->end - variables->size;
	flash_init(&variables->chip, &ops, variables, variables->bytes, variables->size);
	if (bus_add(&vm->mmio, variables->address, variables->size, &flash_bus_ops, &variables->chip))
		return refuse(request, "no place for it");
	return map(variables);
}

void variables_reset(struct variables *variables)
{
	if (variables->address)
		flash_reset(&variables->chip);
}

void variables_free(struct variables *variables)
{
	if (variables->path)
		close(variables->file);
	if (variables->bytes)
		munmap(variables->bytes, variables->size);
	*variables = (struct variables){ .path = NULL };
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory's options, what goes with what, and what a host lacks for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "memory_options.h"
#include "options.h"
#include "size.h"
#include "status.h"

#define LARGE_PAGE	(2ULL << 20)

static const struct {
	const char *name;
	unsigned int backing;
} words[] = {
	{ "thp", MEMORY_THP },
	{ "hugetlb", MEMORY_HUGETLB },
	{ "merge", MEMORY_MERGE },
	{ "shared", MEMORY_SHARED },
};

static bool is_number(const char *value)
{
	return strspn(value, "0123456789") == strlen(value);
}

/* What can be had beyond the first @memory bytes. */
static int set_max(uint64_t *pluggable, uint64_t memory, const char *value, const char *word)
{
	uint64_t max;

	if (strncmp(word, "max=", 4) || !size_parse(word + 4, &max))
		return status_fail(STATUS_USAGE, "--memory %s: behind the size there can be max=SIZE", value);
	if (max <= memory || max > OPTIONS_MEMORY_MAX || (max - memory) % MEMORY_BLOCK)
		return status_fail(STATUS_USAGE, "--memory %s: max must be more than the size by a multiple of 2M, and 1T at most", value);
	*pluggable = max - memory;
	return 0;
}

int memory_options_size(struct options *options, const char *value)
{
	size_t length = strcspn(value, ",");
	char word[32];
	uint64_t size;

	snprintf(word, sizeof(word), "%.*s", (int)length, value);
	if (length >= sizeof(word) || !size_parse(word, &size))
		return status_fail(STATUS_USAGE, "--memory %s: not a size (a number with K, M, G or T)", value);
	/* A number alone is bytes; other launchers take it for megabytes. */
	if (size < OPTIONS_MEMORY_MIN && is_number(word))
		return status_fail(STATUS_USAGE, "--memory %s: that is bytes, and 16M is the least; for megabytes write %sM", value, word);
	if (size < OPTIONS_MEMORY_MIN || size > OPTIONS_MEMORY_MAX || size & 0xfff)
		return status_fail(STATUS_USAGE, "--memory %s: must be 16M to 1T and a multiple of 4K", value);
	options->memory = size;
	options->pluggable = 0;
	return value[length] ? set_max(&options->pluggable, size, value, value + length + 1) : 0;
}

const char *memory_options_check_size(uint64_t memory, uint64_t pluggable, uint64_t size, uint64_t *wanted)
{
	if (size < memory)
		return "the size is less than the machine has from the start: keel ctl NAME balloon";
	if (size - memory > pluggable)
		return "the size is more than --memory SIZE,max=SIZE allows";
	if ((size - memory) % MEMORY_BLOCK)
		return "the size must be more than the machine has from the start by a multiple of 2M";
	*wanted = size - memory;
	return NULL;
}

static unsigned int find_word(const char *word, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].name) == length && !memcmp(words[i].name, word, length))
			return words[i].backing;
	return 0;
}

int memory_options_backing(unsigned int *backing, const char *value)
{
	unsigned int kind;

	*backing = 0;
	for (const char *at = value;; at++) {
		size_t length = strcspn(at, ",");
		unsigned int word = find_word(at, length);

		if (!word)
			return status_fail(STATUS_USAGE, "--memory-backing %s: '%.*s' is none of thp, hugetlb, shared and merge", value,
					   (int)length, at);
		if (*backing & word)
			return status_fail(STATUS_USAGE, "--memory-backing %s: '%.*s' is there twice", value, (int)length, at);
		*backing |= word;
		at += length;
		if (!*at)
			break;
	}
	kind = *backing & ~MEMORY_SHARED;
	if (kind & (kind - 1))
		return status_fail(STATUS_USAGE, "--memory-backing %s: pages are one of thp, hugetlb and merge", value);
	if (kind == MEMORY_MERGE && *backing & MEMORY_SHARED)
		return status_fail(STATUS_USAGE, "--memory-backing %s: the host does not merge memory that is shared with other processes",
				   value);
	return 0;
}

static bool set_switch(bool *to, const char *value)
{
	*to = !strcmp(value, "on");
	return *to || !strcmp(value, "off");
}

/* Return: what is wrong with it, or NULL. */
static const char *set_balloon_word(struct balloon_options *balloon, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = 0;
	if (value && !strcmp(word, "size"))
		return size_parse(value, &balloon->size) ? NULL : "size is a number with K, M, G or T";
	if (value && !strcmp(word, "deflate_on_oom"))
		return set_switch(&balloon->deflate_on_oom, value) ? NULL : "deflate_on_oom is on or off";
	if (value && !strcmp(word, "free_page_reporting"))
		return set_switch(&balloon->free_page_reporting, value) ? NULL : "free_page_reporting is on or off";
	return "must be size=SIZE, deflate_on_oom=on|off and free_page_reporting=on|off, with commas";
}

int memory_options_balloon(struct balloon_options *balloon, const char *value)
{
	char words_of_it[128];
	char *rest = words_of_it, *word;
	const char *wrong = NULL;

	*balloon = (struct balloon_options){ .is_wanted = true, .deflate_on_oom = true, .free_page_reporting = true };
	if (strlen(value) >= sizeof(words_of_it))
		return status_fail(STATUS_USAGE, "--balloon %s: too long", value);
	strcpy(words_of_it, value);
	while (!wrong && (word = strsep(&rest, ",")))
		wrong = set_balloon_word(balloon, word);
	return wrong ? status_fail(STATUS_USAGE, "--balloon %s: %s", value, wrong) : 0;
}

const char *memory_options_check_balloon(uint64_t memory, uint64_t size)
{
	_Static_assert(OPTIONS_MEMORY_MIN == 16 << 20, "as the message says");
	if (size % 4096)
		return "the size must be a multiple of 4K";
	if (size > memory || memory - size < OPTIONS_MEMORY_MIN)
		return "the guest must keep 16M of its memory";
	return NULL;
}

static int check_balloon(const struct options *options)
{
	const char *wrong = memory_options_check_balloon(options->memory, options->balloon.size);

	if (wrong)
		return status_fail(STATUS_USAGE, "--balloon size=%lluK: %s", (unsigned long long)(options->balloon.size >> 10), wrong);
	if (options->vfio_count)
		return status_fail(STATUS_USAGE, "--balloon: --vfio %s pins all of the guest's memory, so that none of it can be given "
				   "back: leave one of them out", options->vfio[0]);
	if (options->memory_backing & MEMORY_HUGETLB)
		return status_fail(STATUS_USAGE, "--balloon: the huge pages of --memory-backing hugetlb are the guest's for good: "
				   "take thp, whose pages can be given back");
	return 0;
}

static int check_pluggable(const struct options *options)
{
	if (options->vfio_count)
		return status_fail(STATUS_USAGE, "--memory %lluM,max=...: --vfio %s pins all of the guest's memory, what it has not plugged "
				   "as well: leave one of them out", (unsigned long long)(options->memory >> 20), options->vfio[0]);
	if (options->memory_backing & MEMORY_HUGETLB)
		return status_fail(STATUS_USAGE, "--memory %lluM,max=...: the huge pages of --memory-backing hugetlb are the guest's for good: "
				   "take thp, which takes memory as it is plugged", (unsigned long long)(options->memory >> 20));
	return 0;
}

/* Whose other end maps the guest's memory. Return: the option; NULL: none. */
static const char *find_vhost_user(const struct options *options)
{
	for (unsigned int i = 0; i < options->net_count; i++)
		if (options->nets[i].kind == NET_VHOST_USER)
			return "--net vhost-user";
	return options->share_count ? "--share" : NULL;
}

int memory_options_check(const struct options *options)
{
	if (options->memory_backing & MEMORY_HUGETLB && options->memory % LARGE_PAGE)
		return status_fail(STATUS_USAGE, "--memory-backing hugetlb: --memory must be a multiple of 2M");
	if (options->balloon.is_wanted && check_balloon(options))
		return STATUS_USAGE;
	if (options->pluggable && check_pluggable(options))
		return STATUS_USAGE;
	if (!(options->memory_backing & MEMORY_MERGE))
		return 0;
	if (options->vfio_count)
		return status_fail(STATUS_USAGE, "--memory-backing merge: --vfio %s pins all of the guest's memory, "
				   "and what is pinned is not merged", options->vfio[0]);
	if (find_vhost_user(options))
		return status_fail(STATUS_USAGE, "--memory-backing merge: %s shares the guest's memory with another process, "
				   "and the host does not merge what is shared", find_vhost_user(options));
	return 0;
}

/* What the host's file @path says now; "" if there is none. */
static const char *look(const char *path)
{
	static char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[got > 0 ? got : 0] = 0;
	if (fd >= 0)
		close(fd);
	return text;
}

static void warn(unsigned int backing)
{
	if (backing & MEMORY_MERGE && *look("/sys/kernel/mm/ksm/run") != '1')
		status_warn("--memory-backing merge: the host merges nothing now (echo 1 > /sys/kernel/mm/ksm/run)");
	if (backing & MEMORY_THP && !(backing & MEMORY_SHARED) &&
	    strstr(look("/sys/kernel/mm/transparent_hugepage/enabled"), "[never]"))
		status_warn("--memory-backing thp: the host gives none (echo madvise > /sys/kernel/mm/transparent_hugepage/enabled)");
	if (backing & MEMORY_THP && backing & MEMORY_SHARED &&
	    strstr(look("/sys/kernel/mm/transparent_hugepage/shmem_enabled"), "[never]"))
		status_warn("--memory-backing thp,shared: the host gives none "
			    "(echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled)");
}

int memory_options_apply(struct memory *memory, const struct options *options)
{
	unsigned int backing = options->memory_backing | (find_vhost_user(options) ? MEMORY_SHARED : 0);
	unsigned long long megabytes = options->memory >> 20;
	int ret = backing ? memory_back(memory, backing) : 0;

	if (!ret)
		warn(backing);
	if (ret && backing & MEMORY_HUGETLB)
		return status_fail(STATUS_MEMORY, "--memory-backing hugetlb: the host has not set aside %llu huge pages of 2M: %s "
				   "(add as many to /proc/sys/vm/nr_hugepages)", (unsigned long long)(options->memory / LARGE_PAGE),
				   strerror(-ret));
	if (ret && backing & MEMORY_MERGE)
		return status_fail(STATUS_MEMORY, "--memory-backing merge: the host's kernel merges no pages: %s (CONFIG_KSM)",
				   strerror(-ret));
	if (ret && backing & MEMORY_SHARED)
		return status_fail(STATUS_MEMORY, "--memory %lluM: the host gives no memory to share: %s", megabytes, strerror(-ret));
	if (ret)
		return status_fail(STATUS_MEMORY, "--memory-backing thp: the host's kernel has no transparent huge pages: %s "
				   "(CONFIG_TRANSPARENT_HUGEPAGE)", strerror(-ret));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The number is in a page of its own, which is no memory of the guest's: it can only read it, and going back to a mark or loading a
 * saved machine does not bring the old one back. A process that fork() has made has its own copy.
 *
 * acpi.c tells where it is. The guest's driver looks there again when it gets the event that power_tell_generation() raises. Which
 * machine it is stands behind the number, for who wants to know more than that he is another one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "generation.h"
#include "power.h"
#include "runtime.h"
#include "vm.h"

#define PAGE		4096u

static int draw(uint8_t *page)
{
	uint8_t number[GENERATION_BYTES];
	ssize_t got;

	/* So few come all at once. */
	do
		got = getrandom(number, sizeof(number), 0);
	while (got < 0 && errno == EINTR);
	if (got != sizeof(number))
		return got < 0 ? -errno : -EIO;
	memcpy(page, number, sizeof(number));
	return 0;
}

int generation_add(struct generation *generation, struct vm *vm, struct power *power)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (page == MAP_FAILED)
		return status_fail(STATUS_HOST, "no memory for the machine's generation ID: %s", strerror(errno));
	*generation = (struct generation){ power, page };
	ret = draw(page);
	if (ret)
		return status_fail(STATUS_HOST, "no random number for the machine's generation ID: %s", strerror(-ret));
	return vm_add_rom(vm, &(struct vm_rom){ VM_SLOT_GENERATION, MAP_GENERATION, page, PAGE });
}

void generation_set_name(struct generation *generation, const char *name)
{
	if (!generation->page)
		return;
	memset(generation->page + GENERATION_NAME, 0, RUNTIME_NAME_MAX + 1);
	if (name)
		snprintf((char *)generation->page + GENERATION_NAME, RUNTIME_NAME_MAX + 1, "%s", name);
}

int generation_change(struct generation *generation)
{
	int ret = generation->page ? draw(generation->page) : 0;

	if (generation->page && !ret)
		power_tell_generation(generation->power);
	return ret;
}

void generation_keep(struct generation *generation, const uint8_t number[GENERATION_BYTES])
{
	if (generation->page)
		memcpy(generation->page, number, GENERATION_BYTES);
}

/* The first three parts are numbers, lowest byte first in memory. */
void generation_text(const struct generation *generation, char text[GENERATION_TEXT])
{
	const uint8_t *n = generation->page;

	text[0] = 0;
	if (n)
		snprintf(text, GENERATION_TEXT, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", n[3], n[2], n[1], n[0],
			 n[5], n[4], n[7], n[6], n[8], n[9], n[10], n[11], n[12], n[13], n[14], n[15]);
}

void generation_free(struct generation *generation)
{
	if (generation->page)
		munmap(generation->page, PAGE);
	generation->page = NULL;
}

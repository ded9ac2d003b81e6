#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: QEMU 7.2.22 (Debian 12), devices amd-iommu, intel-iommu and edu; Linux 6.1.192.
# Packages: qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 linux-image-6.1.0-56-amd64=6.1.192-2
# Behaviour: a device that writes to an address which its IOMMU translates to nothing is stopped by either of QEMU's IOMMUs. Linux's log tells
#	of it behind the Intel one ("DMAR: [DMA Write ..."), and says nothing at all behind the AMD one: whoever looks there for stray
#	DMA finds none.
#	Guess: AMD I/O Virtualization Technology specification, "IO_PAGE_FAULT Event": one line of AMD-Vi in Linux's log, as DMAR's.
# Seen: of 3 such writes DMAR logs 1 or more, AMD-Vi 0.

. "$(dirname "$0")/lib/lib.sh"

cat >"$work/edu.c" <<'END'
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char directory[300];

static int open_of(const char *name, int flags)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, flags);
}

/* the device 1234:11e8, which no driver has */
static int find_edu(void)
{
	DIR *d = opendir("/sys/bus/pci/devices");
	struct dirent *e;
	uint32_t id;
	int fd;

	while (d && (e = readdir(d))) {
		snprintf(directory, sizeof(directory), "/sys/bus/pci/devices/%s", e->d_name);
		fd = open_of("config", O_RDONLY);
		if (fd >= 0 && pread(fd, &id, 4, 0) == 4 && id == 0x11e81234)
			return 1;
	}
	return 0;
}

static int lines(const char *word)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), n = 0;
	char line[2000];
	ssize_t got;

	while ((got = read(fd, line, sizeof(line) - 1)) > 0) {
		line[got] = 0;
		n += strstr(line, word) != NULL;
	}
	return n;
}

int main(void)
{
	uint16_t command = 6;	/* memory, bus master */
	volatile uint8_t *edu;
	char type[3];
	int i;

	if (!find_edu() || pwrite(open_of("config", O_WRONLY), &command, 2, 4) != 2)
		return 1;
	edu = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, open_of("resource0", O_RDWR), 0);
	if (edu == MAP_FAILED)
		return 1;
	for (i = 0; i < 3; i++) {
		*(volatile uint64_t *)(edu + 0x80) = 0x40000;			/* from its own buffer */
		*(volatile uint64_t *)(edu + 0x88) = 0x1234000 + 0x100000 * i;	/* to where nothing is mapped */
		*(volatile uint64_t *)(edu + 0x90) = 64;
		*(volatile uint64_t *)(edu + 0x98) = 3;				/* write memory */
		usleep(500000);
		if (*(volatile uint64_t *)(edu + 0x98) & 1)
			return 1;
	}
	/* the kernel translates for it: no identity domain */
	if (read(open_of("iommu_group/type", O_RDONLY), type, 3) != 3 || memcmp(type, "DMA", 3))
		return 1;
	printf("dmar=%d\namd=%d\n", lines("DMAR: [DMA Write"), lines("IO_PAGE_FAULT"));
	return 0;
}
END
more=(-machine q35 -device edu)
on_linux none 'intel_iommu=on iommu=nopt' "${more[@]}" -device intel-iommu,intremap=on <"$work/edu.c"
expect "VT-d: lines of the kernel's log, some" yes "$([ "$(seen dmar)" -gt 0 ] && echo yes || echo no)"
on_linux none 'iommu=nopt' "${more[@]}" -device amd-iommu,intremap=on <"$work/edu.c"
expect "AMD-Vi: lines of the kernel's log" 0 "$(seen amd)"
finish

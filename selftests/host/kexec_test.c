// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine goes on to another kernel, or crashes into one, with VMs alive: one whose guest runs,
 * on another CPU where there is one, and one that is only held. $KEEL_KEXEC says how ("restart" or
 * "crash"), KEEL_KEXEC_KERNEL, _INITRD and _CMDLINE with what: no test does that unasked. What the
 * second kernel makes of the machine is its own report (lab/tests/kexec.sh). In the dump of a crash
 * it finds the VMCS of each guest, with what the CPU had cached of it.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thread.h"

/* "restart" or "crash". */
static int crash_asked(void)
{
	const char *how = getenv("KEEL_KEXEC");

	REQUIRE(how, "KEEL_KEXEC does not say how");
	return !strcmp(how, "crash");
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	ASSERT(value, "no %s", name);
	return value;
}

static int open_named(const char *name)
{
	int fd = open(env(name), O_RDONLY | O_CLOEXEC);

	ASSERT(fd >= 0, "%s: %s", env(name), strerror(errno));
	return fd;
}

static size_t whole_pages(size_t size)
{
	return (size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* Whole pages of memory with the file in them, and its size. */
static u8 *load_file(const char *name, size_t *size)
{
	int fd = open_named(name);
	size_t done = 0;
	struct stat st;
	ssize_t n;
	u8 *data;

	ASSERT_EQ(fstat(fd, &st), 0);
	*size = st.st_size;
	data = host_pages(whole_pages(st.st_size));
	for (; done < *size; done += n) {
		n = read(fd, data + done, *size - done);
		ASSERT(n > 0, "%s: %s", env(name), strerror(errno));
	}
	close(fd);
	return data;
}

/*
 * One file of a row of the firmware's memory map, as the kernel has kept it; empty where there are
 * no more rows.
 */
static void memmap_read(unsigned int row, const char *name, char text[32])
{
	char path[64];
	int fd;

	memset(text, 0, 32);
	snprintf(path, sizeof(path), "/sys/firmware/memmap/%u/%s", row, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ASSERT(read(fd, text, 31) > 0, "%s: %s", path, strerror(errno));
		close(fd);
	}
}

/* Fields of the zero page: Documentation/arch/x86/boot.rst and zero-page.rst. */
#define BP_E820_COUNT	0x1e8
#define BP_HEADER	0x1f1
#define BP_HEADER_LEN	0x201
#define BP_LOADER	0x210
#define BP_INITRD	0x218
#define BP_CMDLINE	0x228
#define BP_INIT_SIZE	0x260
#define BP_E820		0x2d0
#define BP_E820_MAX	128

static void put_u32(u8 *at, u32 value)
{
	memcpy(at, &value, sizeof(value));
}

static u32 get_u32(const u8 *at)
{
	u32 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void fill_memmap(u8 *params)
{
	char start[32], end[32], type[32];
	unsigned int i;
	u64 range[2];

	for (i = 0; i < BP_E820_MAX; i++) {
		memmap_read(i, "start", start);
		memmap_read(i, "end", end);
		memmap_read(i, "type", type);
		if (!start[0])
			break;
		range[0] = strtoull(start, NULL, 0);
		range[1] = strtoull(end, NULL, 0) - range[0] + 1;
		memcpy(params + BP_E820 + 20 * i, range, sizeof(range));
		put_u32(params + BP_E820 + 20 * i + 16, !strncmp(type, "System RAM", 10) ? 1 : 2);
	}
	params[BP_E820_COUNT] = i;
}

/* Where things go, far from one another. */
#define AT_KERNEL	0x1000000
#define AT_PARAMS	0xa000000	/* zero page, command line, first instructions: a page each */
#define AT_INITRD	0xa800000

/*
 * The 64-bit boot protocol, by hand: kexec_file_load() has all of it hashed when it is loaded and
 * again when it is entered, with the room for the kernel to unpack itself, which takes an emulator
 * minutes.
 */
static void load_restart(void)
{
	static const u8 enter[] = {
		0x48, 0xbe, 0, 0, 0, AT_PARAMS >> 24, 0, 0, 0, 0,		/* mov $AT_PARAMS, %rsi */
		0x48, 0xb8, 0, 2, 0, AT_KERNEL >> 24, 0, 0, 0, 0,		/* mov $AT_KERNEL + 0x200, %rax */
		0xff, 0xe0,							/* jmp *%rax */
	};
	size_t kernel_len, initrd_len, setup, room;
	u8 *kernel = load_file("KEEL_KEXEC_KERNEL", &kernel_len);
	u8 *initrd = load_file("KEEL_KEXEC_INITRD", &initrd_len);
	u8 *params = host_pages(3 * PAGE_SIZE);
	long ret;

	setup = (kernel[BP_HEADER] + 1) * 512;
	/* It moves itself to the end of its room: the page tables it is entered with must not be there. */
	room = whole_pages(get_u32(kernel + BP_INIT_SIZE));
	ASSERT(room >= kernel_len - setup && room <= AT_PARAMS - AT_KERNEL, "a kernel with init_size 0x%zx", room);
	memcpy(params + BP_HEADER, kernel + BP_HEADER, kernel[BP_HEADER_LEN] + 0x202 - BP_HEADER);
	params[BP_LOADER] = 0xff;
	put_u32(params + BP_INITRD, AT_INITRD);
	put_u32(params + BP_INITRD + 4, initrd_len);
	put_u32(params + BP_CMDLINE, AT_PARAMS + PAGE_SIZE);
	fill_memmap(params);
	snprintf((char *)params + PAGE_SIZE, PAGE_SIZE, "%s", env("KEEL_KEXEC_CMDLINE"));
	memcpy(params + 2 * PAGE_SIZE, enter, sizeof(enter));

	struct kexec_segment segments[] = {
		{ kernel + setup, kernel_len - setup, (void *)AT_KERNEL, room },
		{ params, 3 * PAGE_SIZE, (void *)AT_PARAMS, 3 * PAGE_SIZE },
		{ initrd, initrd_len, (void *)AT_INITRD, whole_pages(initrd_len) },
	};
	ret = syscall(SYS_kexec_load, AT_PARAMS + 2 * PAGE_SIZE, ARRAY_SIZE(segments), segments,
		      KEXEC_ARCH_X86_64);
	ASSERT(!ret, "kexec_load: %s", strerror(errno));
}

/* The kernel makes the notes of the dump. */
static void load_crash(void)
{
	const char *cmdline = env("KEEL_KEXEC_CMDLINE");
	long ret = syscall(SYS_kexec_file_load, open_named("KEEL_KEXEC_KERNEL"), open_named("KEEL_KEXEC_INITRD"),
			   strlen(cmdline) + 1, cmdline, KEXEC_FILE_ON_CRASH);

	ASSERT(!ret, "kexec_file_load: %s", strerror(errno));
}

static void test_load(void)
{
	if (crash_asked())
		load_crash();
	else
		load_restart();
}

/* What marks a guest's VMCS: its SYSENTER_ESP. */
#define MARK(i)		(0x5ca1ab1e0000ull + (i))
#define MSR_SYSENTER_ESP 0x175
#define NR_GUESTS	2

static volatile u64 count;

static void guest_count(void)
{
	GUEST_SYNC(1);
	for (;;) {
		count++;
		if (count % 64 == 0)
			cpuid(0, 0, (u32[4]){ 0 });
	}
}

/* A launcher that takes no for an answer, and asks again. */
static void *run_for_ever(void *vcpu)
{
	for (;;)
		__vcpu_run(vcpu);
	return NULL;
}

static void leave(int crash)
{
	int fd;

	if (!crash) {
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
		return;
	}
	fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(write(fd, "c", 1), 1);
}

static void test_go(void)
{
	int crash = crash_asked(), i;
	struct vcpu *vcpu[NR_GUESTS];

	for (i = 0; i < NR_GUESTS; i++) {
		vcpu[i] = vcpu_create_guest(vm_create(VM_GUEST), 0, guest_count);
		vcpu_let_host_in(vcpu[i]);
		vcpu_set_msr(vcpu[i], MSR_SYSENTER_ESP, MARK(i));
		vcpu_run_sync(vcpu[i], 1);
	}
	host_pin(0, host_cpu(0));
	host_thread(run_for_ever, vcpu[0]);
	expect_progress("the guest runs", GUEST_VAR(vcpu[0]->vm, count), 256);
	leave(crash);
	ASSERT(0, "still here: %s", strerror(errno));
}

/* ---- the dump ---- */

/* Of the VMCSs' format: IA32_VMX_BASIC. */
static u32 revision(void)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	u64 basic;

	REQUIRE(fd >= 0 && pread(fd, &basic, sizeof(basic), 0x480) == sizeof(basic), "no VMX, or no module msr");
	close(fd);
	return basic & 0x7fffffff;
}

/* Which guest's VMCS is it? -1: it is none. */
static int whose(const u8 *page, u32 rev)
{
	u32 i, at;
	u64 word;

	if (memcmp(page, &rev, sizeof(rev)))
		return -1;
	for (at = 8; at < PAGE_SIZE - 8; at += 4) {
		memcpy(&word, page + at, sizeof(word));
		for (i = 0; i < NR_GUESTS; i++)
			if (word == MARK(i))
				return i;
	}
	return -1;
}

/* Bochs keeps the launch state in the third word; "clear" is what VMCLEAR leaves. */
static void look_at_pages(const u8 *pages, size_t len, u32 rev, int found[NR_GUESTS])
{
	u32 launched;
	int i;

	for (; len >= PAGE_SIZE; pages += PAGE_SIZE, len -= PAGE_SIZE) {
		i = whose(pages, rev);
		if (i < 0)
			continue;
		found[i]++;
		memcpy(&launched, pages + 8, sizeof(launched));
		if (host_is_bochs())
			CHECK_EQ("launched", 0, launched);
	}
}

#define CHUNK	(1 << 20)

static void test_dump(void)
{
	int fd = open("/proc/vmcore", O_RDONLY | O_CLOEXEC), found[NR_GUESTS] = { }, i;
	u32 rev = revision();
	u8 *buffer = host_pages(CHUNK);
	Elf64_Ehdr head;
	Elf64_Phdr part;
	ssize_t n;
	u64 at;

	REQUIRE(fd >= 0, "no dump");
	ASSERT_EQ(pread(fd, &head, sizeof(head), 0), sizeof(head));
	for (i = 0; i < head.e_phnum; i++) {
		ASSERT_EQ(pread(fd, &part, sizeof(part), head.e_phoff + i * sizeof(part)), sizeof(part));
		for (at = 0; part.p_type == PT_LOAD && at < part.p_filesz; at += n) {
			n = part.p_filesz - at < CHUNK ? part.p_filesz - at : CHUNK;
			n = pread(fd, buffer, n, part.p_offset + at);
			ASSERT(n > 0, "vmcore at %llu: %s", (unsigned long long)at, strerror(errno));
			look_at_pages(buffer, n, rev, found);
		}
	}
	/* pages that an ended VM has given back still hold its VMCS */
	for (i = 0; i < NR_GUESTS; i++)
		CHECK_EQ("the guest's VMCS", 1, found[i] > 0);
}

static const struct test_case cases[] = {
	{ "load", test_load, 120 },
	{ "go", test_go, 120 },
	{ "dump", test_dump, 120 },
};

TEST_MAIN(cases)

// SPDX-License-Identifier: GPL-2.0-only
/* The launcher, run as a program: each way a run can end has its exit status. */
#include "launch.h"

#define OUTPUT_MAX	4096

static char kernel[] = "/tmp/keel-guest.XXXXXX";
static char report[] = "/tmp/keel-report.XXXXXX";
static char output[OUTPUT_MAX];

/* Write @code as an ELF kernel of @machine to the file named kernel. */
static void write_kernel(u16 machine, const u8 *code, size_t size)
{
	static union {
		Elf64_Ehdr e64;
		Elf32_Ehdr e32;
		u8 bytes[4096];
	} image;
	int fd;

	memset(&image, 0, sizeof(image));
	memcpy(image.bytes, ELFMAG, SELFMAG);
	image.e64.e_machine = machine;
	if (machine == EM_X86_64) {
		image.bytes[EI_CLASS] = ELFCLASS64;
		image.e64.e_entry = LAUNCH_ADDRESS;
		image.e64.e_phoff = sizeof(image.e64);
		image.e64.e_phentsize = sizeof(Elf64_Phdr);
		image.e64.e_phnum = 1;
		*(Elf64_Phdr *)(image.bytes + sizeof(image.e64)) = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_offset = 1024, .p_filesz = size, .p_memsz = size,
			.p_paddr = LAUNCH_ADDRESS, .p_vaddr = LAUNCH_ADDRESS,
		};
	} else {
		image.bytes[EI_CLASS] = ELFCLASS32;
		image.e32.e_entry = LAUNCH_ADDRESS;
		image.e32.e_phoff = sizeof(image.e32);
		image.e32.e_phentsize = sizeof(Elf32_Phdr);
		image.e32.e_phnum = 1;
		*(Elf32_Phdr *)(image.bytes + sizeof(image.e32)) = (Elf32_Phdr){
			.p_type = PT_LOAD, .p_offset = 1024, .p_filesz = size, .p_memsz = size,
			.p_paddr = LAUNCH_ADDRESS, .p_vaddr = LAUNCH_ADDRESS,
		};
	}
	ASSERT_LE(size, sizeof(image) - 1024);
	memcpy(image.bytes + 1024, code, size);
	fd = mkstemp(kernel);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(write(fd, image.bytes, sizeof(image)), (int)sizeof(image));
	close(fd);
}

/* What a child is given to read, and when to send it a signal. */
struct stimulus {
	const char *input;
	int signal;
};

/* Run the launcher; its standard output goes to output[]. Return: wait status. */
static int run(const char *const *arguments, const struct stimulus *stimulus)
{
	const char *argv[24] = { "keel" };
	size_t count = 1, used = 0;
	int in[2], out;

	while (*arguments && count < ARRAY_SIZE(argv) - 1)
		argv[count++] = *arguments++;
	ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
	pid_t pid = program_start(argv, in[0], &out, false);

	if (stimulus && stimulus->input)
		ASSERT_GE(write(in[1], stimulus->input, strlen(stimulus->input)), 1);
	close(in[1]);
	if (stimulus && stimulus->signal) {
		/* The guest says when it runs: its first byte. */
		used = read(out, output, 1) == 1;
		ASSERT_EQ(kill(pid, stimulus->signal), 0);
	}
	return program_end(pid, out, output, sizeof(output), used);
}

static int run_guest(u16 machine, const u8 *code, size_t size, const struct stimulus *stimulus)
{
	launch_program();
	write_kernel(machine, code, size);
	int fd = mkstemp(report);

	ASSERT_GE(fd, 0);
	close(fd);

	const char *arguments[] = {
		"run", "--device", dev_path(), "--kernel", kernel, "--memory=32M", "--cpus=2",
		"--status-json", report, NULL,
	};
	int status = run(arguments, stimulus);

	unlink(kernel);
	return status;
}

/* The report's line must name the same end as the exit status. */
static void check_end(int wait_status, int wanted, const char *name)
{
	char line[1024] = "", start[64];
	FILE *file = fopen(report, "r");

	ASSERT(file, "no report");
	ASSERT(fgets(line, sizeof(line), file), "an empty report");
	fclose(file);
	unlink(report);
	test_note("%s", line);
	ASSERT(WIFEXITED(wait_status), "ended by signal %d", WTERMSIG(wait_status));
	CHECK_EQ("exit status", wanted, WEXITSTATUS(wait_status));
	snprintf(start, sizeof(start), "{\"status\": %d, \"name\": \"%s\", ", wanted, name);
	CHECK_EQ("report", 0, strncmp(line, start, strlen(start)));
}

static const u8 power_off_code[] = { OUT_SERIAL('h'), OUT_SERIAL('i'), POWER_OFF, STOP_HERE };

static void test_power_off_64(void)
{
	check_end(run_guest(EM_X86_64, power_off_code, sizeof(power_off_code), NULL), 0,
		  "poweroff");
	CHECK_EQ("console", 0, strcmp(output, "hi"));
}

static void test_power_off_32(void)
{
	check_end(run_guest(EM_386, power_off_code, sizeof(power_off_code), NULL), 0, "poweroff");
	CHECK_EQ("console", 0, strcmp(output, "hi"));
}

static void test_reset(void)
{
	static const u8 code[] = { 0xb0, 0xfe, 0xe6, 0x64, STOP_HERE };

	check_end(run_guest(EM_X86_64, code, sizeof(code), NULL), 8, "reset");
}

static void test_triple_fault(void)
{
	static const u8 code[] = { 0x0f, 0x0b };	/* UD2 with an empty IDT */

	check_end(run_guest(EM_X86_64, code, sizeof(code), NULL), 9, "crash");
}

/* A jump to where no memory is: nothing to execute there. */
static void test_internal_error(void)
{
	static const u8 code[] = { 0xb8, 0x00, 0x00, 0x00, 0xd0, 0xff, 0xe0 };

	check_end(run_guest(EM_X86_64, code, sizeof(code), NULL), 12, "internal");
}

static void test_escape(void)
{
	static const u8 code[] = { STOP_HERE };
	static const struct stimulus stimulus = { .input = "\001x" };

	check_end(run_guest(EM_X86_64, code, sizeof(code), &stimulus), 14, "escape");
}

static void test_signal(void)
{
	static const u8 code[] = { OUT_SERIAL('r'), STOP_HERE };
	static const struct stimulus stimulus = { .signal = SIGTERM };

	check_end(run_guest(EM_X86_64, code, sizeof(code), &stimulus), 15, "signal");
}

/* Input arrives: receive interrupt on, wait for a byte, send it back, power off. */
static void test_input(void)
{
	static const u8 code[] = {
		0x66, 0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee,	/* IER = RDI */
		0x66, 0xba, 0xfd, 0x03,				/* LSR */
		0xec, 0xa8, 0x01, 0x74, 0xfb,			/* until DR */
		0x66, 0xba, 0xf8, 0x03, 0xec, 0xee,		/* RBR -> THR */
		POWER_OFF, STOP_HERE,
	};
	static const struct stimulus stimulus = { .input = "Q" };

	check_end(run_guest(EM_X86_64, code, sizeof(code), &stimulus), 0, "poweroff");
	CHECK_EQ("echo", 0, strcmp(output, "Q"));
}

static void test_refusals(void)
{
	static const struct {
		const char *name;
		int status;
		const char *arguments[8];
	} rows[] = {
		{ "no command", 2, { NULL } },
		{ "unknown option", 2, { "run", "--kernel", "k", "--what" } },
		{ "no such device", 3, { "run", "--device=/nowhere", "--kernel", "k" } },
		{ "no such interface", 3, { "run", "--device=/dev/null", "--kernel", "k" } },
		{ "no such kernel", 5, { "run", "--device", "?", "--kernel=/nowhere" } },
		{ "an empty file", 5, { "run", "--device", "?", "--kernel=/proc/version" } },
		{ "a directory", 5, { "run", "--device", "?", "--kernel=/" } },
		{ "help", 0, { "--help" } },
		{ "help of run", 0, { "run", "--help" } },
		{ "version", 0, { "--version" } },
	};

	launch_program();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *arguments[9] = { NULL };

		for (size_t j = 0; j < 8 && rows[i].arguments[j]; j++)
			arguments[j] = strcmp(rows[i].arguments[j], "?") ?
				       rows[i].arguments[j] : dev_path();
		int status = run(arguments, NULL);

		CHECK_EQ(rows[i].name, rows[i].status,
			 WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	}
}

/* A machine that cannot be built says why in the report too. */
static void test_disk_refusal(void)
{
	char line[1024] = "";

	launch_program();
	write_kernel(EM_X86_64, power_off_code, sizeof(power_off_code));
	int fd = mkstemp(report);

	ASSERT_GE(fd, 0);
	const char *arguments[] = {
		"run", "--device", dev_path(), "--kernel", kernel, "--disk=/nowhere",
		"--status-json", report, NULL,
	};
	int status = run(arguments, NULL);

	unlink(kernel);
	CHECK_EQ("exit status", 7, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	close(fd);
	fd = open(report, O_RDONLY);	/* another file than before: it came whole */
	ASSERT_GE(read(fd, line, sizeof(line) - 1), 1);
	close(fd);
	unlink(report);
	test_note("%s", line);
	CHECK_EQ("reason", 1, strstr(line, "--disk /nowhere: cannot open it") != NULL);
}

static const struct test_case cases[] = {
	{ "power_off_64", test_power_off_64 },
	{ "power_off_32", test_power_off_32 },
	{ "reset", test_reset },
	{ "triple_fault", test_triple_fault },
	{ "internal_error", test_internal_error },
	{ "escape", test_escape },
	{ "signal", test_signal },
	{ "input", test_input },
	{ "refusals", test_refusals },
	{ "disk_refusal", test_disk_refusal },
};

TEST_MAIN(cases)

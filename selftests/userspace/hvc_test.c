// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux on a virtio console, with the launcher at a terminal: both directions, the terminal's size, output that nobody takes
 * for a while, a machine that is saved and comes back at a terminal of another size.
 *
 * The guest is the lab's, /guest, whose words are guest_init's.
 */
#include <poll.h>

#include "launch.h"

#define LINES	4000	/* more than the pipe and the launcher hold */
#define STATE	"/tmp/keel-hvc.state"

static int terminal;		/* its master: input, and where the size is from */
static int output;		/* a pipe of 4 KB */
static pid_t launcher;
static char text[1 << 20];	/* what has been shown and not been looked at */
static size_t text_count;

static void set_size(u16 rows, u16 columns)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	ASSERT_EQ(ioctl(terminal, TIOCSWINSZ, &size), 0);
}

/* At a new terminal of its own, its output into a pipe. */
static void start(const char *const *argv, u16 rows, u16 columns)
{
	char name[32];
	int unlock = 0, n, ends[2];

	terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(terminal >= 0, "no pseudo terminals here");
	ASSERT_EQ(ioctl(terminal, TIOCSPTLCK, &unlock), 0);
	ASSERT_EQ(ioctl(terminal, TIOCGPTN, &n), 0);
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	set_size(rows, columns);
	text_count = 0;
	ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
	ASSERT_EQ(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
	output = ends[0];
	launcher = fork();
	ASSERT_GE(launcher, 0);
	if (launcher) {
		close(ends[1]);
		return;
	}
	setsid();
	dup2(open(name, O_RDWR), 0);
	dup2(ends[1], 1);
	dup2(ends[1], 2);
	execv(argv[0], (char *const *)argv);
	_exit(127);
}

/* What comes until @ms are over, at most. Return: was there something? */
static bool take(int ms)
{
	struct pollfd wait = { .fd = output, .events = POLLIN };
	ssize_t got;

	if (poll(&wait, 1, ms) != 1)
		return false;
	if (text_count > sizeof(text) / 2) {
		memmove(text, text + sizeof(text) / 4, text_count - sizeof(text) / 4);
		text_count -= sizeof(text) / 4;
	}
	got = read(output, text + text_count, sizeof(text) - 1 - text_count);
	if (got <= 0)
		return false;
	text_count += (size_t)got;
	text[text_count] = 0;
	return true;
}

/* Does the guest say @line in @seconds? What came before is forgotten with it. */
static bool says(const char *line, unsigned int seconds)
{
	s64 until = launch_now() + seconds * 1000LL * launch_scale();
	char *at;

	text[text_count] = 0;
	do {
		at = strstr(text, line);
		if (at) {
			size_t gone = (size_t)(at - text) + strlen(line);

			text_count -= gone;
			memmove(text, text + gone, text_count + 1);
			return true;
		}
		take(100);
	} while (launch_now() < until);
	test_note("%s: not said; the last is: %s", line, text_count > 400 ? text + text_count - 400 : text);
	return false;
}

static void type(const char *keys)
{
	ASSERT_EQ(write(terminal, keys, strlen(keys)), (int)strlen(keys));
}

static void check_size(const char *name, const char *wanted)
{
	char line[64];
	bool is_said = false;

	snprintf(line, sizeof(line), "guest: size %s\r\n", wanted);
	/* The guest hears of it by an interrupt, and of these words by another. */
	for (u32 i = 0; i < 5 && !is_said; i++) {
		type("size\r");
		is_said = says(line, 3);
	}
	CHECK_EQ(name, 1, is_said);
}

/* All numbers, in their order, and nothing between them. */
static void check_lines(void)
{
	char line[64];
	u32 number = 0;

	snprintf(line, sizeof(line), "lines %u\r", LINES);
	type(line);
	ASSERT(says("\n", 10), "no echo");
	sleep(3);		/* much more than all buffers hold */
	while (number < LINES) {
		snprintf(line, sizeof(line), "%u\r\n", number + 1);
		while (text_count < strlen(line) && take(10000 * (int)launch_scale()))
			;
		if (strncmp(text, line, strlen(line)))
			break;
		/* As many as are there. */
		char *at = text;

		while (number < LINES && !strncmp(at, line, strlen(line))) {
			at += strlen(line);
			number++;
			snprintf(line, sizeof(line), "%u\r\n", number + 1);
		}
		text_count -= (size_t)(at - text);
		memmove(text, at, text_count + 1);
	}
	CHECK_EQ("lines in their order", LINES, number);
	CHECK_EQ("and their end", 1, says("guest: lines done", 10));
}

/* One line of as many bytes as a terminal takes for one. */
static void check_paste(void)
{
	static char words[2100];

	memcpy(words, "echo ", 5);
	memset(words + 5, 'x', 2000);
	strcpy(words + 2005, "END\r");
	type(words);
	strcpy(words + 2005, "END\r\n");
	memcpy(words, "echo ", 5);
	CHECK_EQ("a long line", 1, says("guest: echo xxxxxxxx", 20) && says("xEND\r\n", 10));
}

static int end(void)
{
	int status;

	for (u32 i = 0; i < 200 * launch_scale(); i++) {
		take(50);
		if (waitpid(launcher, &status, WNOHANG) == launcher) {
			close(terminal);
			close(output);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
		}
		usleep(50000);
	}
	kill(launcher, SIGKILL);
	waitpid(launcher, &status, 0);
	return -1;
}

static int ctl(const char *command, const char *file)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		execl(launch_program(), "keel", "ctl", "hvc", command, file, NULL);
		_exit(127);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void boot(u16 rows, u16 columns)
{
	static char append[256];
	const char *more = getenv("KEEL_GUEST_APPEND");
	const char *const run[] = {
		launch_program(), "run", "--device", dev_path(), "--kernel", "/guest/vmlinuz", "--initrd", "/guest/initrd", "--memory",
		"160M", "--console", "virtio", "--name", "hvc", "--append", append, NULL,
	};

	REQUIRE(!access("/guest/vmlinuz", R_OK), "no guest here");
	snprintf(append, sizeof(append), "%s quiet console=hvc0 keel.mode=hvc", more ?: "");
	start(run, rows, columns);
	ASSERT(says("guest: hvc ready", 200), "it does not come up");
}

static void test_talk(void)
{
	boot(40, 100);
	type("echo some words\r");
	CHECK_EQ("its answer", 1, says("guest: echo some words", 10));
	check_size("the size at its start", "40 100");
	set_size(50, 120);
	check_size("another size", "50 120");
	check_lines();
	check_paste();
	type("quit\r");
	CHECK_EQ("its end", 0, end());
}

static void test_saved(void)
{
	const char *const restore[] = { launch_program(), "restore", STATE, "--device", dev_path(), "--name", "hvc", NULL };

	boot(40, 100);
	CHECK_EQ("pause", 0, ctl("pause", NULL));
	type("echo typed before\r");
	usleep(200000);
	CHECK_EQ("save", 0, ctl("save", STATE));
	CHECK_EQ("quit", 0, ctl("quit", NULL));
	CHECK_EQ("its end", 20, end());
	start(restore, 60, 140);
	CHECK_EQ("what was typed before", 1, says("guest: echo typed before", 60));
	check_size("the size of the new terminal", "60 140");
	check_paste();
	type("quit\r");
	CHECK_EQ("its end", 0, end());
	unlink(STATE);
}

static const struct test_case cases[] = {
	{ "talk", test_talk, 300 },
	{ "saved", test_saved, 400 },
};

TEST_MAIN(cases)

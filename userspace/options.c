// SPDX-License-Identifier: GPL-2.0-only
/*
 * Command-line parsing.
 *
 * Long options only, as `--name value` or `--name=value`. One table row per
 * option names its handler; a handler gets the value and says what is wrong
 * with it. Nothing here touches the system, so all of it is unit-tested.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "status.h"

struct option_row {
	const char *name;
	bool has_value;
	bool is_repeatable;
	int (*set)(struct options *options, const char *value);
};

bool options_parse_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);

	if (errno)
		return false;
	if (*end) {
		char upper = *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end;
		const char *unit = strchr(units, upper);

		if (!unit || end[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (shift && value >> (64 - shift))
		return false;
	*size = value << shift;
	return true;
}

static int set_device(struct options *options, const char *value)
{
	options->device = value;
	return 0;
}

static int set_kernel(struct options *options, const char *value)
{
	options->kernel = value;
	return 0;
}

static int set_initrd(struct options *options, const char *value)
{
	options->initrd = value;
	return 0;
}

static int set_append(struct options *options, const char *value)
{
	options->append = value;
	return 0;
}

static int set_status_json(struct options *options, const char *value)
{
	options->status_json = value;
	return 0;
}

static int set_cpus(struct options *options, const char *value)
{
	uint64_t cpus;

	if (!options_parse_size(value, &cpus))
		return status_fail(STATUS_USAGE,
				   "--cpus %s: not a number; 1 to %d vCPUs can be had", value,
				   OPTIONS_CPUS_MAX);
	if (!cpus || cpus > OPTIONS_CPUS_MAX)
		return status_fail(STATUS_USAGE, "--cpus %s: must be 1 to %d", value,
				   OPTIONS_CPUS_MAX);
	options->cpus = (unsigned int)cpus;
	return 0;
}

static int set_memory(struct options *options, const char *value)
{
	uint64_t size;

	if (!options_parse_size(value, &size))
		return status_fail(STATUS_USAGE,
				   "--memory %s: not a size (a number with K, M, G or T)", value);
	/* A number alone is bytes; other launchers take it for megabytes. */
	if (size < OPTIONS_MEMORY_MIN && strspn(value, "0123456789") == strlen(value))
		return status_fail(STATUS_USAGE,
				   "--memory %s: that is bytes, and 16M is the least; "
				   "for megabytes write %sM",
				   value, value);
	if (size < OPTIONS_MEMORY_MIN || size > OPTIONS_MEMORY_MAX || size & 0xfff)
		return status_fail(STATUS_USAGE,
				   "--memory %s: must be 16M to 1T and a multiple of 4K", value);
	options->memory = size;
	return 0;
}

static int set_disk(struct options *options, const char *value)
{
	size_t length = strlen(value);
	bool readonly = false;

	if (length >= 3 && !strcmp(value + length - 3, ",ro")) {
		readonly = true;
		length -= 3;
	} else if (length >= 3 && !strcmp(value + length - 3, ",rw")) {
		length -= 3;
	}
	if (!length)
		return status_fail(STATUS_USAGE, "--disk %s: no file named", value);
	if (options->disk_count == OPTIONS_DISKS_MAX)
		return status_fail(STATUS_USAGE, "--disk %s: at most %d disks", value,
				   OPTIONS_DISKS_MAX);
	char *path = strndup(value, length);

	if (!path)
		return status_fail(STATUS_HOST, "out of memory");
	options->disks[options->disk_count++] = (struct disk_options){ path, readonly };
	return 0;
}

static int set_no_rng(struct options *options, const char *value)
{
	(void)value;
	options->rng = false;
	return 0;
}

static int set_no_sandbox(struct options *options, const char *value)
{
	(void)value;
	options->sandbox = false;
	return 0;
}

static int set_stats(struct options *options, const char *value)
{
	(void)value;
	options->stats = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "device", true, false, set_device },
	{ "kernel", true, false, set_kernel },
	{ "initrd", true, false, set_initrd },
	{ "append", true, false, set_append },
	{ "cpus", true, false, set_cpus },
	{ "memory", true, false, set_memory },
	{ "disk", true, true, set_disk },
	{ "no-rng", false, true, set_no_rng },
	{ "no-sandbox", false, true, set_no_sandbox },
	{ "stats", false, true, set_stats },
	{ "status-json", true, false, set_status_json },
};

static const struct option_row *find_row(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == length && !memcmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

/* Handle argv[*index]; *index is left on the last argument used. */
static int parse_one(struct options *options, unsigned int *seen, int *index, int argc, char **argv)
{
	const char *argument = argv[*index];

	if (argument[0] != '-')
		return status_fail(STATUS_USAGE, "unexpected argument '%s'; files are named by "
				   "options, as --kernel FILE", argument);
	if (argument[1] != '-' || !argument[2])
		return status_fail(STATUS_USAGE,
				   "unknown option '%s'; there are only long ones, see "
				   "'keel run --help'",
				   argument);

	const char *name = argument + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *row = find_row(name, length);

	if (!row)
		return status_fail(STATUS_USAGE, "unknown option '--%.*s'; see 'keel run --help'",
				   (int)length, name);
	if (*seen & 1u << (row - rows) && !row->is_repeatable)
		return status_fail(STATUS_USAGE, "option --%s given twice", row->name);
	*seen |= 1u << (row - rows);
	if (!row->has_value) {
		if (equals)
			return status_fail(STATUS_USAGE, "option --%s takes no value", row->name);
		return row->set(options, NULL);
	}
	if (equals)
		return row->set(options, equals + 1);
	if (*index + 1 >= argc)
		return status_fail(STATUS_USAGE, "option --%s needs a value", row->name);

	const char *value = argv[++*index];

	if (!strncmp(value, "--", 2) && find_row(value + 2, strcspn(value + 2, "=")))
		return status_fail(STATUS_USAGE,
				   "option --%s needs a value, and %s is an option "
				   "(--%s=%s if that is meant)",
				   row->name, value, row->name, value);
	return row->set(options, value);
}

static int parse_run(struct options *options, enum options_action *action, int argc, char **argv)
{
	unsigned int seen = 0;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			*action = OPTIONS_HELP_RUN;
			return 0;
		}
		int ret = parse_one(options, &seen, &i, argc, argv);

		if (ret)
			return ret;
	}
	if (!options->kernel)
		return status_fail(STATUS_USAGE, "option --kernel is required: --kernel FILE");
	*action = OPTIONS_RUN;
	return 0;
}

int options_parse(struct options *options, enum options_action *action, int argc, char **argv)
{
	*options = (struct options){
		.device = "/dev/keel",
		.append = "console=ttyS0",
		.memory = 256ULL << 20,
		.cpus = 1,
		.rng = true,
		.sandbox = true,
	};
	if (argc < 2)
		return status_fail(STATUS_USAGE, "no command; try 'keel --help'");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		*action = OPTIONS_HELP;
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		*action = OPTIONS_VERSION;
		return 0;
	}
	if (strcmp(argv[1], "run"))
		return status_fail(STATUS_USAGE, "unknown command '%s'; try 'keel --help'",
				   argv[1]);
	return parse_run(options, action, argc, argv);
}

void options_free(struct options *options)
{
	for (unsigned int i = 0; i < options->disk_count; i++)
		free(options->disks[i].path);
	options->disk_count = 0;
}

static const char run_help[] =
	"Usage: keel run --kernel FILE [OPTION]...\n"
	"Boot a Linux kernel in a virtual machine, its serial port on the terminal.\n"
	"\n"
	"  --kernel FILE        bzImage, or vmlinux (ELF); required\n"
	"  --initrd FILE        initial RAM disk\n"
	"  --append STRING      kernel command line (console=ttyS0)\n"
	"  --cpus N             virtual CPUs, 1 to 254 (1)\n"
	"  --memory SIZE        guest memory, with K, M, G or T (256M)\n"
	"  --disk FILE[,ro]     virtio disk, raw image or block device; up to 16 times\n"
	"  --device NODE        device node with KVM's interface (/dev/keel)\n"
	"  --no-rng             no virtio entropy device\n"
	"  --no-sandbox         do not filter the launcher's own system calls\n"
	"  --stats              print what the module counted, in the end and at SIGUSR2\n"
	"  --status-json FILE   write how the run ended to FILE, one line of JSON\n"
	"  --help               this text\n"
	"\n"
	"Console: Ctrl-A x ends the guest, Ctrl-A b sends a break, Ctrl-A a sends Ctrl-A,\n"
	"Ctrl-A h lists these keys. SIGTERM presses the guest's power button; a second\n"
	"one ends it.\n";

void options_help(FILE *out, enum options_action action)
{
	if (action == OPTIONS_HELP_RUN) {
		fputs(run_help, out);
	} else {
		fputs("Usage: keel run --kernel FILE [OPTION]...\n"
		      "       keel run --help\n"
		      "       keel --help | --version\n"
		      "Run virtual machines on Keel (/dev/keel) or KVM (/dev/kvm).\n", out);
	}
	fputs("\nExit status:\n", out);
	status_list(out);
}

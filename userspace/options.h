/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line, parsed into one plain structure.
 */
#ifndef KEEL_OPTIONS_H
#define KEEL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "cpu_model.h"
#include "jail_options.h"
#include "memory_options.h"
#include "net_options.h"
#include "rate_limit.h"
#include "share_options.h"
#include "vfio.h"
#include "virtio_blk.h"

#define OPTIONS_DISKS_MAX	16
#define OPTIONS_CPUS_MAX	254	/* xAPIC identifiers are a byte, 255 is broadcast */
#define OPTIONS_MEMORY_MIN	(16ULL << 20)
#define OPTIONS_MEMORY_MAX	(1ULL << 40)

struct disk_options {
	char *path;		/* allocated */
	enum virtio_blk_use use;
	struct rate_options rate;
};

/* When the memory of a saved machine is read. */
enum options_load {
	OPTIONS_LOAD_ANY,	/* nothing was said: as it is touched, where that can be had */
	OPTIONS_LOAD_LAZY,
	OPTIONS_LOAD_EAGER,
};

struct options {
	const char *device;
	const char *kernel;		/* NULL: with firmware */
	const char *initrd;		/* NULL: none */
	const char *append;
	enum boot_protocol entry;
	const char *firmware;		/* NULL: none; name or path */
	const char *firmware_vars;	/* the file of what it keeps; NULL: none */
	const char *status_json;	/* NULL: none; of keel ctl: the child's */
	char *gdb;			/* where a debugger connects; NULL: nowhere; allocated */
	bool gdb_waits;			/* the machine starts stopped */
	uint64_t memory;		/* bytes, a multiple of 4 KB, */
	uint64_t pluggable;		/* and what can be plugged besides, of 2 MB; 0: nothing */
	struct balloon_options balloon;
	unsigned int memory_backing;	/* MEMORY_THP, ... as bits; 0: none was named */
	unsigned int cpus;
	struct cpu_model cpu_model;
	struct disk_options disks[OPTIONS_DISKS_MAX];
	unsigned int disk_count;
	char vfio[VFIO_DEVICES_MAX][VFIO_ADDRESS_SIZE];
	unsigned int vfio_count;
	struct net_options nets[NET_DEVICES_MAX];
	unsigned int net_count;
	struct share_options shares[SHARES_MAX];
	unsigned int share_count;
	bool reboots;			/* a reset does not end the run */
	bool rng;
	bool virtio_console;		/* the terminal is one's; else a serial port's */
	bool watchdog;
	bool sandbox;
	struct jail_options jail;
	bool stats;
	bool json;		/* keel dma, cpu-models, ctl, list, inspect */
	bool diff;		/* keel inspect */
	const char *files[2];	/* keel inspect, keel restore */
	unsigned int file_count;
	unsigned int dma_policy;	/* KEEL_DMA_POLICY_* */
	bool is_forkable;
	bool is_markable;
	const char *serial;		/* keel ctl fork; NULL: none */
	bool is_paused;			/* keel ctl fork */
	bool waits;			/* keel ctl fork: for the child's end */
	bool to_mark;			/* keel ctl reset, */
	bool is_same;			/* as the same one */
	bool is_tracked;		/* keel ctl save */
	const char *base;		/* keel ctl save; NULL: none */
	const char *migration;		/* keel ctl migrate: the command in its place; NULL: none */
	enum options_load load;		/* keel restore */
	const char *listen;		/* keel restore: where the machine comes; NULL: from a file */
	const char *control;		/* NULL: none, or that of the name; of keel ctl: the child's */
	const char *name;		/* NULL: none */
	const char *config;		/* NULL: none */
	const char *pid_file;		/* NULL: none */
	bool daemon;
	const char *target;		/* keel ctl: socket or name */
	const char *request;		/* keel ctl: command */
	uint64_t size;			/* keel ctl balloon, memory */
	void *config_text;		/* config.h's, to which others point */
};

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_HELP_RUN,
	OPTIONS_DMA,
	OPTIONS_HELP_DMA,
	OPTIONS_CPU_MODELS,
	OPTIONS_HELP_CPU_MODELS,
	OPTIONS_CTL,
	OPTIONS_HELP_CTL,
	OPTIONS_LIST,
	OPTIONS_HELP_LIST,
	OPTIONS_RESTORE,
	OPTIONS_HELP_RESTORE,
	OPTIONS_INSPECT,
	OPTIONS_HELP_INSPECT,
	OPTIONS_HELP_MEMORY,
	OPTIONS_HELP_NET,
	OPTIONS_HELP_SHARE,
	OPTIONS_HELP_CONFIG,
	OPTIONS_HELP_CONTROL,
	OPTIONS_HELP_FORK,
	OPTIONS_HELP_MARK,
	OPTIONS_HELP_MIGRATE,
	OPTIONS_HELP_GDB,
	OPTIONS_HELP_FIRMWARE,
	OPTIONS_HELP_CPU,
	OPTIONS_HELP_JAIL,
	OPTIONS_VERSION,
};

/**
 * options_parse() - read the command line
 * @options: filled with defaults, then with what @argv says.
 * @action: what was asked for.
 *
 * Return: 0, or STATUS_USAGE after a line on stderr. @options must be given
 * to options_free() in both cases.
 */
int options_parse(struct options *options, enum options_action *action, int argc, char **argv);

/**
 * options_free() - release what options_parse() allocated
 */
void options_free(struct options *options);

#endif

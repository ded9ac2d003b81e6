/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole machine: VM, devices, vCPUs; built from the options, run, torn
 * down.
 */
#ifndef KEEL_MACHINE_H
#define KEEL_MACHINE_H

#include "console.h"
#include "control.h"
#include "fill.h"
#include "firmware.h"
#include "fork.h"
#include "generation.h"
#include "mark.h"
#include "migrate.h"
#include "net_device.h"
#include "options.h"
#include "pci.h"
#include "power.h"
#include "rtc.h"
#include "serial.h"
#include "share.h"
#include "stats.h"
#include "track.h"
#include "vcpu.h"
#include "vfio_pci.h"
#include "virtio_balloon.h"
#include "virtio_blk.h"
#include "virtio_console.h"
#include "virtio_mem.h"
#include "virtio_rng.h"
#include "vm.h"
#include "watchdog.h"

struct arrival;
struct reset_image;
struct state_file;

struct machine {
	struct state_file *saved;	/* what it is made from; NULL: it boots */
	struct vm vm;
	struct fill fill;		/* of its memory, from the file that it is made from */
	struct firmware firmware;	/* --firmware; else the launcher loads a kernel */
	struct console console;
	struct serial serial;
	struct power power;
	struct generation generation;	/* none if it is made of a saved machine that had none */
	struct rtc rtc;
	struct pci pci;
	struct virtio_blk disks[OPTIONS_DISKS_MAX];
	unsigned int disk_count;	/* those opened, or tried to */
	struct net_device nets[NET_DEVICES_MAX];
	unsigned int net_count;		/* those opened, or tried to */
	struct share shares[SHARES_MAX];
	unsigned int share_count;	/* those opened, or tried to */
	struct virtio_device rng;
	struct virtio_balloon balloon;
	struct virtio_mem mem;		/* memory that can be plugged */
	struct virtio_console virtio_console;
	struct watchdog watchdog;
	struct vfio vfio;
	struct route_table routes;	/* with an assigned device, vhost-net or vhost-user */
	struct vfio_pci assigned[VFIO_DEVICES_MAX];
	unsigned int assigned_count;	/* those taken, or tried to */
	struct vcpu vcpus[OPTIONS_CPUS_MAX];
	unsigned int vcpu_count;	/* those created */
	struct stats stats;		/* --stats, and for the control socket */
	bool prints_stats;		/* --stats */
	struct control control;
	struct forking forking;		/* --forkable */
	struct mark *mark;		/* --markable; else NULL */
	struct track track;		/* keel ctl save --track */
	struct migration migration;	/* keel ctl migrate */
	struct arrival *arrival;	/* it comes from another launcher; else NULL */
	char *stats_json;		/* those of the end, for the report; NULL: none */
	struct reset_image *power_on;	/* --reset reboot; else NULL */
	int signals;			/* signalfd */
	bool is_button_pressed;		/* by a first SIGTERM */
	bool is_hurried;		/* a signal came after the end had begun */
	bool is_started;		/* the guest ran; vm.reason has not been printed */
};

/**
 * machine_virtio() - its virtio devices, one after the other
 * @machine: the machine
 * @n: from 0 on
 * Return: the device; NULL: there are no more.
 */
static inline struct virtio_device *machine_virtio(struct machine *machine, unsigned int n)
{
	if (n < machine->disk_count)
		return &machine->disks[n].device;
	n -= machine->disk_count;
	if (n < machine->net_count)
		return &machine->nets[n].net.device;
	n -= machine->net_count;
	if (n < machine->share_count)
		return &machine->shares[n].fs.device;
	n -= machine->share_count;
	if (machine->rng.class) {
		if (!n)
			return &machine->rng;
		n--;
	}
	if (machine->balloon.device.class) {
		if (!n)
			return &machine->balloon.device;
		n--;
	}
	if (machine->mem.device.class) {
		if (!n)
			return &machine->mem.device;
		n--;
	}
	return machine->virtio_console.device.class && !n ? &machine->virtio_console.device : NULL;
}

/**
 * machine_open_stats() - open the statistics of the VM and its vCPUs
 * Return: 0, or a status after a line on stderr.
 */
int machine_open_stats(struct machine *machine);

/**
 * machine_start_threads() - start all threads but the control socket's; they wait for vm_release()
 * Return: 0, or STATUS_HOST after a line on stderr.
 */
int machine_start_threads(struct machine *machine);

/**
 * machine_is_interrupted() - does a signal want the machine's end, before its guest runs here?
 *
 * By the main thread. Others are heeded as ever.
 */
bool machine_is_interrupted(struct machine *machine);

/**
 * machine_run() - build the machine, run the guest to its end, take it down
 * @machine: zeroed, but for machine->saved; machine->vm holds status and reason afterwards.
 *
 * Return: how the run ended. What went wrong before the guest started has
 * been printed already. If the machine was forked, in each process.
 */
int machine_run(struct machine *machine, const struct options *options);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The debugger's life cycle.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "gdb_listen.h"
#include "gdb_server.h"
#include "put_off.h"
#include "runtime.h"
#include "sandbox.h"
#include "status.h"
#include "thread.h"
#include "vcpu.h"
#include "vm.h"

static struct gdb *create(struct vm *vm, struct vcpu *vcpus, unsigned int count, bool is_waiting)
{
	struct gdb *gdb = calloc(1, sizeof(*gdb));
	struct gdb_slot *slots = calloc(count, sizeof(*slots));

	if (!gdb || !slots) {
		free(gdb);
		free(slots);
		return NULL;
	}
	gdb->vm = vm;
	gdb->slots = slots;
	gdb->count = count;
	gdb->client.fd = -1;
	gdb->listener = -1;
	gdb->wake = -1;
	for (unsigned int i = 0; i < count; i++)
		slots[i] = (struct gdb_slot){ .vcpu = &vcpus[i], .action = GDB_CONTINUE };
	if (is_waiting)
		vm_hold(vm, VM_HOLD_DEBUG);
	return gdb;
}

static int find_means(struct gdb *gdb)
{
	int known = vm_has(gdb->vm, KVM_CAP_SET_GUEST_DEBUG2);

	if (!vm_has(gdb->vm, KVM_CAP_SET_GUEST_DEBUG))
		return status_fail(STATUS_CREATE, "--gdb: this node lacks KVM_CAP_SET_GUEST_DEBUG");
	/* Where it is not known a step may end in an interrupt's handler. */
	gdb->step_control = KVM_GUESTDBG_SINGLESTEP;
	if (known > 0 && known & KVM_GUESTDBG_BLOCKIRQ)
		gdb->step_control |= KVM_GUESTDBG_BLOCKIRQ;
	return 0;
}

int gdb_open(struct vm *vm, struct vcpu *vcpus, unsigned int count, const struct gdb_request *request)
{
	struct gdb_address address;

	if (!request->address)
		return 0;

	struct gdb *gdb = create(vm, vcpus, count, request->is_waiting);
	const char *wrong = gdb_address_parse(request->address, &address);

	if (!gdb)
		return status_fail(STATUS_HOST, "out of memory");
	vm->gdb = gdb;
	if (wrong)
		return status_fail(STATUS_USAGE, "--gdb %s: %s", request->address, wrong);

	int ret = find_means(gdb);

	if (ret)
		return ret;
	gdb->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gdb->wake < 0)
		return status_fail(STATUS_HOST, "cannot create an eventfd: %s", strerror(errno));
	put_off_end();
	gdb->listener = gdb_listen(&address);
	if (gdb->listener >= 0 && address.storage.ss_family == AF_UNIX)
		snprintf(runtime_files()->debugger, PATH_MAX, "%s", ((const struct sockaddr_un *)&address.storage)->sun_path);
	put_off_no_longer();
	if (gdb->listener < 0)
		return status_fail(STATUS_HOST, "--gdb %s: cannot listen there: %s", request->address, strerror(errno));
	if (address.is_open)
		status_warn("--gdb %s: whoever reaches that port owns the guest", request->address);
	return 0;
}

int gdb_listener(const struct gdb *gdb)
{
	return gdb ? gdb->listener : -1;
}

int gdb_start(struct gdb *gdb)
{
	int ret = gdb ? sandbox_start_thread(&gdb->thread, SANDBOX_GDB, gdb_serve, gdb) : 0;

	if (ret)
		return status_fail(STATUS_HOST, "cannot start the debugger's thread: %s", strerror(ret));
	if (gdb)
		gdb->has_thread = true;
	return 0;
}

bool gdb_end(struct gdb *gdb)
{
	if (!gdb)
		return true;
	/* It looks at the end of the machine whenever it waits. */
	if (gdb->has_thread && !thread_join(gdb->thread, &gdb->vm->end_by, 0))
		return false;
	gdb->has_thread = false;
	return true;
}

void gdb_close(struct gdb *gdb)
{
	if (!gdb)
		return;
	if (gdb->listener >= 0)
		close(gdb->listener);
	if (gdb->wake >= 0)
		close(gdb->wake);
	free(gdb->slots);
	free(gdb);
}

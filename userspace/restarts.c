// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that crashes at once would be started for ever, by a launcher that seems to do nothing. So crashes get a
 * line, not each of them; and a row of starts that were over within a second, in which the guest printed nothing,
 * is the end. One that prints, or takes its time, has whoever looks at it decide.
 */
#include "restarts.h"
#include "vm.h"

void restarts_begin(struct restarts *restarts)
{
	clock_gettime(CLOCK_MONOTONIC, &restarts->started);
}

static long long ms_since(const struct timespec *then, const struct timespec *now)
{
	return (long long)(now->tv_sec - then->tv_sec) * 1000 + (now->tv_nsec - then->tv_nsec) / 1000000;
}

/* The guest's own wish needs no words. */
static void tell(struct restarts *restarts, const struct vm_reset *reset, const struct timespec *now)
{
	bool is_first = !restarts->told.tv_sec && !restarts->told.tv_nsec;

	if (reset->status == STATUS_RESET || reset->status == STATUS_QUIT)
		return;
	if (!is_first && ms_since(&restarts->told, now) < RESTARTS_TOLD_S * 1000) {
		restarts->untold++;
		return;
	}
	if (restarts->untold)
		status_warn("%s; it is started again (%u times since this was last said)", reset->reason, restarts->untold + 1);
	else
		status_warn("%s; it is started again", reset->reason);
	restarts->told = *now;
	restarts->untold = 0;
}

bool restarts_go_on(struct restarts *restarts, struct vm *vm, const struct vm_reset *reset, bool has_printed)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	tell(restarts, reset, &now);
	if (has_printed || reset->status == STATUS_QUIT || ms_since(&restarts->started, &now) >= RESTARTS_LIFE_MS)
		restarts->futile = 0;
	else if (++restarts->futile == RESTARTS_FUTILE_MAX)
		vm_stop(vm, STATUS_LOOP, "the guest was reset %u times in a row within a second of its start, before it printed anything; "
			"the last time: %s", restarts->futile, reset->reason);
	return restarts->futile < RESTARTS_FUTILE_MAX;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory comes by userfaultfd: a page that is not there has whoever touches it wait, a vCPU, a device or the kernel, until this thread has put it there. It
 * reads whole blocks, as each has one checksum, and puts a block's pages there before it wakes anybody. Pages that were zeros are
 * left to be touched.
 *
 * What a place is goes one way: from waiting to there, or to bad. A page of a place that is there can be missing: it was zeros, or the guest has given it
 * back since (memory_give_back()). It is zeros then, and never again what the file has. So nothing is given back of a place that waits.
 *
 * The thread holds no lock while it reads, and touches no guest memory. It asks for none that anybody could hold who waits for it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "faults.h"
#include "fill.h"
#include "sandbox.h"
#include "state_lazy.h"
#include "state_memory.h"
#include "thread.h"
#include "vm.h"

#define FILL_STOP	1u
#define FILL_ALL	2u

#define FAULTS		16u		/* taken at once */
#define LOOK_MS		200
#define REST_MS		10000		/* for the early thread to end: it may be at a block */

/* Ranges without a block are left alone where they are large: the kernel gives zeros by itself, and large pages. */
#define GAP_MIN		(16ULL << 20)
#define RANGES_MAX	4096u		/* the kernel has a limit on a process's mappings */

/* What a megabyte of the mapping is. */
enum place {
	PLACE_THERE,		/* or zeros from the start */
	PLACE_WAITS,
	PLACE_BAD,
};

/* ---- places ---- */

static uint8_t *base_of(const struct fill *fill)
{
	return fill->vm->memory.regions[0].host;
}

static uint64_t size_of(const struct fill *fill)
{
	return memory_pages(&fill->vm->memory) * STATE_PAGE;
}

static uint64_t place_of(const struct fill *fill, const void *host)
{
	return (uint64_t)((const uint8_t *)host - base_of(fill)) / STATE_BLOCK;
}

/* Blocks begin in memory, or have no page there: their first 640 KB at least. */
static uint64_t place_of_block(const struct fill *fill, uint32_t n)
{
	const void *host = memory_at(&fill->vm->memory, state_lazy_address(fill->lazy, n), 1);

	return host ? place_of(fill, host) : fill->place_count;
}

static uint32_t block_of_place(const struct fill *fill, uint64_t place)
{
	return state_lazy_find(fill->lazy, memory_address(&fill->vm->memory, base_of(fill) + place * STATE_BLOCK));
}

static enum place look(const struct fill *fill, uint64_t place)
{
	return __atomic_load_n(&fill->places[place], __ATOMIC_ACQUIRE);
}

static void settle(struct fill *fill, uint64_t place, enum place what)
{
	pthread_mutex_lock(&fill->lock);
	__atomic_store_n(&fill->places[place], (uint8_t)what, __ATOMIC_RELEASE);
	if (what == PLACE_THERE)
		atomic_fetch_sub(&fill->left, STATE_BLOCK);
	pthread_cond_broadcast(&fill->changed);
	pthread_mutex_unlock(&fill->lock);
}

static bool mark_places(struct fill *fill, struct state_error *error)
{
	fill->place_count = (size_of(fill) + STATE_BLOCK - 1) / STATE_BLOCK;
	fill->places = calloc(fill->place_count, 1);
	if (!fill->places)
		return state_refuse(error, "out of memory");
	for (uint32_t n = 0; n < state_lazy_count(fill->lazy); n++) {
		uint64_t place = place_of_block(fill, n);

		if (place == fill->place_count)
			return state_refuse(error, "section 'memory' %u has a page where there is no memory", n);
		fill->places[place] = PLACE_WAITS;
	}
	atomic_store(&fill->left, (uint64_t)state_lazy_count(fill->lazy) * STATE_BLOCK);
	return true;
}

/* ---- ranges ---- */

static bool register_range(const struct fill *fill, uint64_t first, uint64_t end, struct state_error *error)
{
	uint64_t at = first * STATE_BLOCK, to = end * STATE_BLOCK < size_of(fill) ? end * STATE_BLOCK : size_of(fill);
	int ret = faults_watch(fill->faults, base_of(fill) + at, to - at);

	return !ret || state_refuse(error, "the host serves no faults of the guest's memory: %s (--memory eager)", strerror(-ret));
}

static bool register_ranges(const struct fill *fill, struct state_error *error)
{
	uint64_t gap = GAP_MIN / STATE_BLOCK, first = 0, end = 0;

	if (gap < fill->place_count / RANGES_MAX)
		gap = fill->place_count / RANGES_MAX;
	for (uint64_t place = 0; place < fill->place_count; place++) {
		if (fill->places[place] != PLACE_WAITS)
			continue;
		if (end && place - end >= gap) {
			if (!register_range(fill, first, end, error))
				return false;
			end = 0;
		}
		if (!end)
			first = place;
		end = place + 1;
	}
	return !end || register_range(fill, first, end, error);
}

/* ---- what the thread does ---- */

static int put_block(const struct fill *fill, uint8_t *host, const struct state_block *block, const uint8_t *pages)
{
	unsigned int page = 0;
	int ret = 0;

	while (!ret && page < STATE_BLOCK_PAGES) {
		unsigned int count = 0;

		while (page + count < STATE_BLOCK_PAGES && state_block_has(block, page + count))
			count++;
		if (count) {
			ret = faults_copy(fill->faults, host + (uint64_t)page * STATE_PAGE, pages, (uint64_t)count * STATE_PAGE);
			pages += (uint64_t)count * STATE_PAGE;
		}
		page += count + 1;
	}
	return ret;
}

/* Whoever has touched it waits on, until the process ends: there is nothing that he could be given. Who hears why finds the machine ending. */
static void give_up(struct fill *fill, uint64_t place, const struct state_error *error)
{
	pthread_mutex_lock(&fill->lock);
	if (!fill->error.text[0])
		fill->error = *error;
	if (!fill->is_early)
		vm_stop(fill->vm, STATUS_STATE, "%s: %s", fill->name, error->text);
	pthread_mutex_unlock(&fill->lock);
	settle(fill, place, PLACE_BAD);
}

static void fill_place(struct fill *fill, uint64_t place)
{
	uint8_t *host = base_of(fill) + place * STATE_BLOCK;
	uint32_t n = block_of_place(fill, place);
	struct state_error error = { "" };
	struct state_block block;
	const uint8_t *pages = state_lazy_load(fill->lazy, n, &block, &error);
	int ret = pages ? put_block(fill, host, &block, pages) : 0;

	if (ret)
		state_refuse(&error, "the host gives no memory for section 'memory' %u: %s", n, strerror(-ret));
	if (error.text[0]) {
		give_up(fill, place, &error);
		return;
	}
	settle(fill, place, PLACE_THERE);
	faults_wake(fill->faults, host, STATE_BLOCK);
}

static void serve(struct fill *fill, uint8_t *host)
{
	uint64_t place = place_of(fill, host);

	if (look(fill, place) == PLACE_WAITS) {
		fill_place(fill, place);
		/* A page of zeros is touched again. */
		if (look(fill, place) == PLACE_THERE)
			return;
	}
	/* Who makes the machine goes on, and is told before it runs. */
	if (look(fill, place) == PLACE_BAD && !fill->is_early)
		return;
	if (faults_zero(fill->faults, host, STATE_PAGE))
		faults_wake(fill->faults, host, STATE_PAGE);
}

/* Return: was there any? */
static bool serve_faults(struct fill *fill)
{
	uint8_t *touched[FAULTS];
	unsigned int count = faults_take(fill->faults, touched, FAULTS);

	for (unsigned int i = 0; i < count; i++)
		serve(fill, touched[i]);
	return count;
}

/* Return: is there more to do? */
static bool fill_next(struct fill *fill)
{
	while (fill->next < state_lazy_count(fill->lazy)) {
		uint64_t place = place_of_block(fill, fill->next++);

		if (look(fill, place) != PLACE_WAITS)
			continue;
		fill_place(fill, place);
		return true;
	}
	return false;
}

/* All is there: it is memory like any other from now on. */
static void finish(struct fill *fill)
{
	faults_forget(fill->faults, base_of(fill), size_of(fill));
	close(fill->faults);
	fill->faults = -1;
	state_lazy_free(fill->lazy);
	fill->lazy = NULL;
	pthread_mutex_lock(&fill->lock);
	atomic_store(&fill->is_done, true);
	pthread_cond_broadcast(&fill->changed);
	pthread_mutex_unlock(&fill->lock);
}

static void *fill_main(void *argument)
{
	struct fill *fill = argument;
	bool has_more = true;
	unsigned int orders;

	while (!((orders = atomic_load(&fill->orders)) & FILL_STOP)) {
		bool is_reading = orders & FILL_ALL && has_more;
		struct pollfd waits[2] = { { .fd = fill->faults, .events = POLLIN }, { .fd = fill->event, .events = POLLIN } };
		uint64_t count;

		poll(waits, ARRAY_SIZE(waits), is_reading ? 0 : -1);
		if (waits[1].revents && read(fill->event, &count, sizeof(count)) < 0 && errno != EAGAIN)
			break;
		if (serve_faults(fill) || !is_reading)
			continue;
		has_more = fill_next(fill);
		/* With one that is bad the others are served, and it never ends. */
		if (!has_more && !atomic_load(&fill->left)) {
			finish(fill);
			break;
		}
	}
	return NULL;
}

/* ---- what others ask for ---- */

static void order(struct fill *fill, unsigned int what)
{
	const uint64_t one = 1;

	atomic_fetch_or(&fill->orders, what);
	while (write(fill->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Wait for a moment, or a change. With the lock. */
static void wait_a_moment(struct fill *fill)
{
	struct timespec until = thread_time_in(LOOK_MS);

	pthread_cond_clockwait(&fill->changed, &fill->lock, CLOCK_MONOTONIC, &until);
}

/* Nothing of it waits any more: it may be given back. A touch has it read before others. */
static bool require_place(struct fill *fill, uint64_t place)
{
	const uint8_t *host = base_of(fill) + place * STATE_BLOCK;
	enum place what = look(fill, place);

	if (what == PLACE_WAITS)
		__asm__ volatile("" : : "r"(*(const volatile uint8_t *)host));
	pthread_mutex_lock(&fill->lock);
	while ((what = look(fill, place)) == PLACE_WAITS && !vm_is_stopping(fill->vm))
		wait_a_moment(fill);
	pthread_mutex_unlock(&fill->lock);
	return what == PLACE_THERE;
}

static bool require(void *argument, const void *host, uint64_t len)
{
	struct fill *fill = argument;

	if (atomic_load(&fill->is_done))
		return true;
	for (uint64_t place = place_of(fill, host); place <= place_of(fill, (const uint8_t *)host + len - 1); place++)
		if (look(fill, place) != PLACE_THERE && !require_place(fill, place))
			return false;
	return true;
}

bool fill_open(struct fill *fill, struct vm *vm, const char *name, struct state_lazy *lazy, struct state_error *error)
{
	int ret;

	*fill = (struct fill){ .vm = vm, .name = name, .lazy = lazy, .is_open = true, .is_early = true };
	pthread_mutex_init(&fill->lock, NULL);
	pthread_cond_init(&fill->changed, NULL);
	fill->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fill->faults = faults_open();
	if (fill->event < 0 || fill->faults < 0)
		return state_refuse(error, "cannot serve faults of the guest's memory: %s (--memory eager)", strerror(errno));
	if (!mark_places(fill, error) || !register_ranges(fill, error))
		return false;
	vm->memory.require = require;
	vm->memory.require_argument = fill;
	ret = pthread_create(&fill->thread, NULL, fill_main, fill);
	fill->has_thread = !ret;
	return !ret || state_refuse(error, "cannot start a thread: %s", strerror(ret));
}

bool fill_rest(struct fill *fill, struct state_error *error)
{
	struct timespec until = thread_time_in(REST_MS);

	if (!fill->has_thread)
		return true;
	order(fill, FILL_STOP);
	if (!thread_join(fill->thread, &until, 0))
		return state_refuse(error, "the file takes too long to be read");
	fill->has_thread = false;
	fill->is_early = false;
	atomic_store(&fill->orders, 0);
	return !fill->error.text[0] || state_refuse(error, "%s", fill->error.text);
}

int fill_start(struct fill *fill)
{
	int ret;

	if (!fill->is_open || atomic_load(&fill->is_done))
		return 0;
	ret = sandbox_start_thread(&fill->thread, SANDBOX_FILL, fill_main, fill);
	fill->has_thread = !ret;
	return ret;
}

void fill_go_on(struct fill *fill)
{
	if (fill->has_thread)
		order(fill, FILL_ALL);
}

bool fill_wait(struct fill *fill, const struct state_memory_watch *watch, struct state_error *error)
{
	bool is_wanted = true;

	if (!fill->is_open || atomic_load(&fill->is_done))
		return true;
	pthread_mutex_lock(&fill->lock);
	while (!atomic_load(&fill->is_done) && !fill->error.text[0] && is_wanted) {
		wait_a_moment(fill);
		pthread_mutex_unlock(&fill->lock);
		is_wanted = !vm_is_stopping(fill->vm) && (!watch || !watch->progress || watch->progress(watch->argument, 0, 0));
		pthread_mutex_lock(&fill->lock);
	}
	if (fill->error.text[0])
		state_refuse(error, "%s: %s", fill->name, fill->error.text);
	else if (!atomic_load(&fill->is_done))
		state_refuse(error, "given up while the machine's memory came from %s", fill->name);
	pthread_mutex_unlock(&fill->lock);
	return !error->text[0];
}

void fill_renew(struct fill *fill)
{
	fill->has_thread = false;
}

bool fill_stop(struct fill *fill)
{
	if (!fill->has_thread)
		return true;
	order(fill, FILL_STOP);
	if (!thread_join(fill->thread, &fill->vm->end_by, 0))
		return false;
	fill->has_thread = false;
	return true;
}

void fill_close(struct fill *fill)
{
	if (!fill->is_open)
		return;
	fill->vm->memory.require = NULL;
	if (fill->faults >= 0)
		close(fill->faults);
	if (fill->event >= 0)
		close(fill->event);
	state_lazy_free(fill->lazy);
	free(fill->places);
	*fill = (struct fill){ .vm = NULL };
}

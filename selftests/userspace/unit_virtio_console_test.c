// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio console by a driver of its own, good and hostile: all that is printed comes out once and in its order, also
 * where nobody takes it for a while and where the machine is saved meanwhile; input; the terminal's size.
 *
 * VIRTIO 1.2, "Console Device".
 */
#include <linux/virtio_console.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/state_devices.h"
#include "userspace/state_format.h"
#include "userspace/thread.h"
#include "userspace/virtio_console.h"

#define MEMORY		(16ULL << 20)
#define DATA_AT		0x300000ULL
#define OUTPUT_AT	0x400000ULL
#define NOTIFY		0x3000
#define CONFIG		0x2000
#define VERSION_1	(1ULL << VIRTIO_F_VERSION_1)
#define SIZE		(1ULL << VIRTIO_CONSOLE_F_SIZE)
#define EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define INPUT		0
#define OUTPUT		1

/* A machine with its terminal. */
static struct side {
	struct vm vm;
	struct pci pci;
	struct virtio_console vc;
	struct fake_ring rings[2];
	u64 given;		/* bytes of DATA_AT in use */
} sides[2];

static struct side *now = &sides[0];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* guards the terminal */
static u8 shown[1 << 20];
static size_t shown_count, room;
static u32 refills, refill;	/* so often, and so many bytes, when it had no room */

/* Or a terminal that takes all, as fast as it comes, and counts; and a driver that offers it anew meanwhile, for ever. */
static bool is_busy;
static u64 offers;

static void print_on(size_t count);

size_t console_offer(struct console *console, const uint8_t *bytes, size_t count)
{
	if (__atomic_load_n(&is_busy, __ATOMIC_RELAXED)) {
		print_on(count);
		return count;
	}
	pthread_mutex_lock(&lock);
	size_t taken = count < room ? count : room;

	ASSERT_LE(shown_count + taken, sizeof(shown));
	memcpy(shown + shown_count, bytes, taken);
	shown_count += taken;
	room -= taken;
	if (taken < count && refills) {
		refills--;
		room += refill;
		virtio_ring(&now->vc.device);
	}
	pthread_mutex_unlock(&lock);
	return taken;
}

static size_t shown_now(void)
{
	pthread_mutex_lock(&lock);
	size_t count = shown_count;

	pthread_mutex_unlock(&lock);
	return count;
}

static void grant(size_t more)
{
	pthread_mutex_lock(&lock);
	room += more;
	pthread_mutex_unlock(&lock);
	virtio_ring(&now->vc.device);
}

static struct virtio_device *device(void) { return &now->vc.device; }
static void ring(u32 queue) { fake_device_put(&now->vm, device(), NOTIFY + 4 * queue, 2, queue); }
static u16 used(u32 queue) { return __atomic_load_n(&now->rings[queue].used->idx, __ATOMIC_ACQUIRE); }
static u64 status_now(void) { return fake_device_get(&now->vm, device(), VIRTIO_PCI_COMMON_STATUS, 1); }
static bool is_broken(void) { return status_now() & VIRTIO_CONFIG_S_NEEDS_RESET; }
static u64 config(u32 at) { return fake_device_get(&now->vm, device(), CONFIG + at, 2); }
static u64 generation(void) { return fake_device_get(&now->vm, device(), VIRTIO_PCI_COMMON_CFGGENERATION, 1); }

static void make(struct side *side, struct console_size size)
{
	memset(side, 0, sizeof(*side));
	fake_vm_init(&side->vm, MEMORY);
	ASSERT_EQ(pci_init(&side->pci, &side->vm), 0);
	ASSERT_EQ(virtio_console_init(&side->vc, NULL, size), 0);
	ASSERT_EQ(virtio_add(&side->vc.device, &side->vm, &side->pci), 0);
}

static void connect_driver(u64 features)
{
	now->given = 0;
	for (u32 i = 0; i < 2; i++)
		fake_ring_init(&now->rings[i], &now->vm, i);
	ASSERT(fake_negotiate(&now->vm, device(), features), "features are refused");
	for (u32 i = 0; i < 2; i++)
		fake_enable_queue(&now->vm, device(), i);
	fake_driver_ok(&now->vm, device());
}

static void set_up(size_t space)
{
	now = &sides[0];
	shown_count = 0;
	room = space;
	make(now, (struct console_size){ 80, 24 });
	connect_driver(VERSION_1 | SIZE | EVENT_IDX);
	ASSERT_EQ(virtio_start(device()), 0);
}

static void stop(void)
{
	vm_stop(&now->vm, STATUS_OK, "the end of the test");
	now->vm.end_by = thread_time_in(2000);
	CHECK_EQ("the thread ends", 1, virtio_stop(device()));
	virtio_console_close(&now->vc);
}

static void finish(void)
{
	stop();
	memory_destroy(&now->vm.memory);
}

/* Wait until the queue has been served up to @count, or the device has given up. */
static bool served(u32 queue, u16 count)
{
	for (u32 i = 0; i < 5000 && used(queue) != count && !is_broken(); i++)
		usleep(1000);
	return used(queue) == count;
}

static bool is_shown(size_t count)
{
	for (u32 i = 0; i < 5000 && shown_now() < count; i++)
		usleep(1000);
	return shown_now() == count;
}

/* Is there something to read of the event, in time? */
static bool has_room_event(unsigned int ms)
{
	struct pollfd wait = { .fd = now->vc.room_event, .events = POLLIN };
	u64 count;

	return poll(&wait, 1, (int)ms) == 1 && read(wait.fd, &count, sizeof(count)) == sizeof(count);
}

/* A request to print @text in pieces of @piece bytes. */
static void print(const char *text, u32 count, u32 piece)
{
	struct fake_ring *out = &now->rings[OUTPUT];
	u16 head = out->next;
	u64 at = OUTPUT_AT + now->given;

	memcpy(memory_at(&now->vm.memory, at, count), text, count);
	now->given += count;
	for (u32 done = 0; done < count; done += piece) {
		u32 part = count - done < piece ? count - done : piece;

		fake_add(out, at + done, part, false, done + part == count);
	}
	fake_offer(out, head);
}

static void check_shown(const char *name, const char *wanted)
{
	CHECK_EQ(name, strlen(wanted), shown_now());
	CHECK_EQ(name, 0, memcmp(shown, wanted, strlen(wanted)));
}

static void test_output(void)
{
	set_up(sizeof(shown));
	print("one ", 4, 4);
	print("two ", 4, 1);
	ring(OUTPUT);
	CHECK_EQ("both", 1, served(OUTPUT, 2));
	check_shown("text", "one two ");
	CHECK_EQ("bytes written", 0, now->rings[OUTPUT].used->ring[1].len);
	/* A part that is for writing is nobody's. */
	u16 head = now->rings[OUTPUT].next;

	fake_add(&now->rings[OUTPUT], OUTPUT_AT, 3, false, false);
	fake_add(&now->rings[OUTPUT], DATA_AT, 64, true, true);
	fake_offer(&now->rings[OUTPUT], head);
	fake_offer_one(&now->rings[OUTPUT], DATA_AT, 64, true);
	print("end", 3, 2);
	ring(OUTPUT);
	CHECK_EQ("odd ones too", 1, served(OUTPUT, 5));
	check_shown("text", "one two oneend");
	finish();
}

/* Nobody takes output for a while: no lock is held meanwhile, and nothing comes twice. */
static void test_blocked(void)
{
	set_up(5);
	print("0123456789", 10, 3);
	print("abcdefghij", 10, 10);
	ring(OUTPUT);
	CHECK_EQ("as much as there is room for", 1, is_shown(5));
	CHECK_EQ("no request is done", 0, used(OUTPUT));
	for (u32 i = 0; i < 3; i++) {
		ASSERT(virtio_hold(device(), 5000), "not held");		/* as to save it */
		CHECK_EQ("registers answer", 80, config(0));
		virtio_release(device());
		ring(OUTPUT);
	}
	CHECK_EQ("input is taken", 1, virtio_console_receive(&now->vc, 'k'));
	fake_offer_one(&now->rings[INPUT], DATA_AT, 8, true);
	ring(INPUT);
	CHECK_EQ("and served", 1, served(INPUT, 1));
	grant(1);
	CHECK_EQ("one more", 1, is_shown(6));
	grant(4);
	CHECK_EQ("the first is done", 1, served(OUTPUT, 1));
	grant(9);
	CHECK_EQ("all but one", 1, is_shown(19));
	CHECK_EQ("the second is not done", 1, used(OUTPUT));
	grant(100);
	CHECK_EQ("the second is done", 1, served(OUTPUT, 2));
	check_shown("text", "0123456789abcdefghij");
	finish();
}

/* What a driver may do with a request that is half out: take it back by a reset, make it shorter or another one. */
static void test_blocked_changes(void)
{
	static const struct {
		const char *name;
		u32 length;		/* of the request then */
		const char *wanted;
	} rows[] = {
		{ "shorter than what is out", 2, "01234X" },
		{ "as long as that", 5, "01234X" },
		{ "longer", 12, "0123456789..X" },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(5);
		print("0123456789..", 10, 10);
		memcpy(memory_at(&now->vm.memory, OUTPUT_AT + 10, 2), "..", 2);
		now->given = 64;
		ring(OUTPUT);
		ASSERT(is_shown(5), "no output");
		now->rings[OUTPUT].table[0].len = rows[i].length;
		print("X", 1, 1);
		grant(100);
		CHECK_EQ(rows[i].name, 1, served(OUTPUT, 2));
		check_shown(rows[i].name, rows[i].wanted);
		finish();
	}
	set_up(5);
	print("0123456789", 10, 10);
	ring(OUTPUT);
	ASSERT(is_shown(5), "no output");
	connect_driver(VERSION_1);
	print("anew", 4, 4);
	ring(OUTPUT);
	grant(100);
	CHECK_EQ("after a reset", 1, served(OUTPUT, 1));
	check_shown("from its start", "01234anew");
	finish();
}

/* What came with the end of the machine is out, as far as there is room. */
static void test_last_words(void)
{
	set_up(100);
	ASSERT(virtio_hold(device(), 5000), "not held");
	print("the end", 7, 7);
	ring(OUTPUT);
	usleep(10000);
	CHECK_EQ("not yet", 0, shown_now());
	vm_stop(&now->vm, STATUS_OK, "the guest's end");
	virtio_release(device());
	finish();
	check_shown("text", "the end");
}

/* More of them than a turn serves, each in a buffer of its own. */
static void queue_words(const char *text)
{
	struct fake_ring *out = &now->rings[OUTPUT];
	u16 count = (u16)strlen(text), size = 64;

	ASSERT_LE(count, size);
	ASSERT(fake_negotiate(&now->vm, device(), VERSION_1), "features are refused");
	fake_enable_queue_of(&now->vm, device(), OUTPUT, size);
	fake_driver_ok(&now->vm, device());
	ASSERT(virtio_hold(device(), 5000), "not held");
	memcpy(memory_at(&now->vm.memory, OUTPUT_AT, count), text, count);
	for (u16 i = 0; i < count; i++) {
		out->table[i] = (struct vring_desc){ OUTPUT_AT + i, 1, 0, 0 };
		out->avail->ring[i] = i;
	}
	__atomic_store_n(&out->avail->idx, count, __ATOMIC_RELEASE);
	ring(OUTPUT);
}

#define WORDS	"sixty-four bytes that a guest prints right before its power goes"

/* All of it, also where the terminal has room for a part only and makes more; if nobody makes any it is not waited for. */
static void test_many_last_words(void)
{
	static const struct {
		const char *name;
		u32 room, refills, refill, shown;
	} rows[] = {
		{ "room for all", 100, 0, 0, 64 },
		{ "room made meanwhile", 5, 6, 10, 64 },
		{ "room for some", 5, 0, 0, 5 },
		{ "nobody takes any", 0, 0, 0, 0 },
	};
	struct timespec until;

	for (u32 r = 0; r < ARRAY_SIZE(rows); r++) {
		set_up(rows[r].room);
		refills = rows[r].refills;
		refill = rows[r].refill;
		queue_words(WORDS);
		usleep(10000);
		vm_stop(&now->vm, STATUS_OK, "the guest's end");
		virtio_release(device());
		until = thread_time_in(1000);
		finish();
		CHECK_EQ("in time", 0, thread_is_past(&until));
		CHECK_EQ(rows[r].name, rows[r].shown, shown_now());
		CHECK_EQ("text", 0, memcmp(shown, WORDS, shown_now()));
	}
}

static void type(const char *keys)
{
	for (; *keys; keys++)
		CHECK_EQ("taken", 1, virtio_console_receive(&now->vc, (u8)*keys));
}

static void test_input(void)
{
	const u8 *data;

	set_up(100);
	data = memory_at(&now->vm.memory, DATA_AT, 64);
	type("abcdefg");
	/* Three bytes in two parts, behind one that is to be read; one of none; a long one. */
	u16 head = now->rings[INPUT].next;

	fake_add(&now->rings[INPUT], DATA_AT + 32, 4, false, false);
	fake_add(&now->rings[INPUT], DATA_AT, 1, true, false);
	fake_add(&now->rings[INPUT], DATA_AT + 1, 2, true, true);
	fake_offer(&now->rings[INPUT], head);
	fake_offer_one(&now->rings[INPUT], DATA_AT + 32, 4, false);
	fake_offer_one(&now->rings[INPUT], DATA_AT + 3, 16, true);
	fake_offer_one(&now->rings[INPUT], DATA_AT + 7, 16, true);
	ring(INPUT);
	CHECK_EQ("three requests", 1, served(INPUT, 3));
	CHECK_EQ("bytes", 3, now->rings[INPUT].used->ring[0].len);
	CHECK_EQ("bytes of one without room", 0, now->rings[INPUT].used->ring[1].len);
	CHECK_EQ("bytes", 4, now->rings[INPUT].used->ring[2].len);
	CHECK_EQ("text", 0, memcmp(data, "abcdefg", 8));
	usleep(10000);
	CHECK_EQ("a buffer waits", 3, used(INPUT));
	type("h");
	CHECK_EQ("until there is something", 1, served(INPUT, 4));
	CHECK_EQ("text", 0, memcmp(data, "abcdefgh", 9));
	finish();
}

/* A driver that gives no buffers, one that is not there. */
static void test_input_bounds(void)
{
	u32 taken = 0;

	set_up(100);
	has_room_event(0);
	CHECK_EQ("open", 1, virtio_console_is_open(&now->vc));
	while (taken < 100000 && virtio_console_receive(&now->vc, (u8)taken))
		taken++;
	CHECK_EQ("bounded", VIRTIO_CONSOLE_INPUT, taken);
	CHECK_EQ("no room told", 0, has_room_event(20));
	fake_offer_one(&now->rings[INPUT], DATA_AT, 100, true);
	ring(INPUT);
	CHECK_EQ("room told", 1, has_room_event(2000));
	CHECK_EQ("taken again", 1, virtio_console_receive(&now->vc, 0x77));
	fake_offer_one(&now->rings[INPUT], DATA_AT + 100, 4096, true);
	ring(INPUT);
	CHECK_EQ("the rest", 1, served(INPUT, 2));
	CHECK_EQ("bytes", VIRTIO_CONSOLE_INPUT - 99, now->rings[INPUT].used->ring[1].len);
	const u8 *data = memory_at(&now->vm.memory, DATA_AT, VIRTIO_CONSOLE_INPUT + 1);
	u32 wrong = 0;

	for (u32 i = 0; i < VIRTIO_CONSOLE_INPUT; i++)
		wrong += data[i] != (u8)i;
	CHECK_EQ("in their order", 0, wrong);
	CHECK_EQ("the last", 0x77, data[VIRTIO_CONSOLE_INPUT]);
	fake_device_put(&now->vm, device(), VIRTIO_PCI_COMMON_STATUS, 1, 0);
	CHECK_EQ("closed", 0, virtio_console_is_open(&now->vc));
	CHECK_EQ("not taken", 0, virtio_console_receive(&now->vc, 'x'));
	has_room_event(0);
	connect_driver(VERSION_1);
	CHECK_EQ("a driver is told", 1, has_room_event(2000));
	CHECK_EQ("taken", 1, virtio_console_receive(&now->vc, 'x'));
	finish();
}

static void test_size(void)
{
	set_up(100);
	CHECK_EQ("columns", 80, config(0));
	CHECK_EQ("rows", 24, config(2));
	CHECK_EQ("offered", SIZE, now->vc.device.features & SIZE);
	u64 before = generation();

	fake_device_get(&now->vm, device(), 0x1000, 1);		/* clears what is pending */
	virtio_console_resize(&now->vc, (struct console_size){ 132, 50 });
	for (u32 i = 0; i < 2000 && config(0) != 132; i++)
		usleep(1000);
	CHECK_EQ("columns", 132, config(0));
	CHECK_EQ("rows", 50, config(2));
	CHECK_EQ("generation", (before + 1) & 0xff, generation());
	CHECK_EQ("an interrupt for it", 3, fake_device_get(&now->vm, device(), 0x1000, 1));
	virtio_console_resize(&now->vc, (struct console_size){ 132, 50 });
	usleep(20000);
	CHECK_EQ("the same again is no news", (before + 1) & 0xff, generation());
	fake_device_put(&now->vm, device(), CONFIG, 4, 0xffffffff);
	CHECK_EQ("not the driver's", 132, config(0));
	finish();
}

/* Linux looks at the size if it is told, when its terminal is there: that it prints or reads shows that. */
static void test_size_told(void)
{
	static const struct {
		const char *name;
		struct console_size size;
		u64 features;
		u32 wanted;	/* times it is told: of both */
	} rows[] = {
		{ "known", { 80, 24 }, VERSION_1 | SIZE, 2 },
		{ "unknown", { 0, 0 }, VERSION_1 | SIZE, 0 },
		{ "of no interest", { 80, 24 }, VERSION_1, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		set_up(100);
		now->vc.size = rows[i].size;
		connect_driver(rows[i].features);
		virtio_ring(device());
		usleep(10000);
		for (u32 round = 0; round < 2; round++) {
			u64 before = generation();

			for (u16 k = 0; k < 3; k++) {
				print("text", 4, 4);
				ring(OUTPUT);
				ASSERT(served(OUTPUT, k + 1), "no output");
				fake_offer_one(&now->rings[INPUT], DATA_AT, 4, true);
				type("k");
				ASSERT(served(INPUT, k + 1), "no input");
			}
			ASSERT(virtio_hold(device(), 5000), "not held");		/* all that belongs to it is done */
			CHECK_EQ(rows[i].name, rows[i].wanted, (generation() - before) & 0xff);
			virtio_release(device());
			connect_driver(rows[i].features);
		}
		finish();
	}
}

/* Rings that are none. */
static void test_broken(void)
{
	static const struct {
		const char *name;
		u64 address;
		u32 length;
		u16 flags, next, head;
		bool is_broken;
	} rows[] = {
		{ "a good one", DATA_AT, 4, 0, 0, 0, false },
		{ "a loop", DATA_AT, 4, VRING_DESC_F_NEXT, 0, 0, true },
		{ "a next one outside", DATA_AT, 4, VRING_DESC_F_NEXT, 16, 0, true },
		{ "no such descriptor", DATA_AT, 4, 0, 0, 16, true },
		{ "outside of memory", MEMORY, 4, 0, 0, 0, true },
		{ "half outside of memory", MEMORY - 2, 4, 0, 0, 0, true },
		{ "over the end of addresses", -2ULL, 4, 0, 0, 0, true },
		{ "an indirect table of half an entry", DATA_AT, 8, VRING_DESC_F_INDIRECT, 0, 0, true },
	};

	for (u32 i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		u32 row = i / 2, queue = i & 1 ? INPUT : OUTPUT;

		set_up(100);
		virtio_console_receive(&now->vc, 'k');
		now->rings[queue].table[0] = (struct vring_desc){ rows[row].address, rows[row].length,
			(u16)(rows[row].flags | (queue == INPUT ? VRING_DESC_F_WRITE : 0)), rows[row].next };
		now->rings[queue].avail->ring[0] = rows[row].head;
		now->rings[queue].avail->idx = 1;
		ring(queue);
		served(queue, 1);
		CHECK_EQ(rows[row].name, rows[row].is_broken, is_broken());
		connect_driver(VERSION_1);
		print("works", 5, 5);
		ring(OUTPUT);
		CHECK_EQ("after a reset", 1, served(OUTPUT, 1));
		finish();
	}
}

/* Anything in the rings, at any time: it ends, and memory outside of what was named stays as it is (and the sanitizer looks on). */
/* A forked machine's console goes on with what was on its way, as its parent's does, and neither hears of the other. */
static void test_forked(void)
{
	int status;

	set_up(100);
	ASSERT(virtio_hold(device(), 5000), "not held");
	print("both", 4, 4);
	ring(OUTPUT);
	usleep(10000);

	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		int parents = dup(now->vc.room_event);
		struct pollfd wait = { .fd = parents, .events = POLLIN };
		u64 count;

		if (virtio_console_renew(&now->vc) || virtio_start(device()) || !is_shown(4) || !served(OUTPUT, 1))
			_exit(1);
		/* Events of its own. */
		while (read(parents, &count, sizeof(count)) > 0)
			;
		for (u32 i = 0; i < 2 * VIRTIO_CONSOLE_INPUT && virtio_console_receive(&now->vc, 'x'); i++)
			;
		fake_offer_one(&now->rings[INPUT], DATA_AT + 4096, 64, true);
		ring(INPUT);
		_exit(has_room_event(2000) && poll(&wait, 1, 0) == 0 ? 0 : 2);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ("the child's", 0, WIFEXITED(status) ? WEXITSTATUS(status) : 1000);
	CHECK_EQ("the parent's stands", 0, shown_now());
	virtio_release(device());
	CHECK_EQ("and goes on", 1, served(OUTPUT, 1));
	finish();
	check_shown("text", "both");
}

static void test_random(void)
{
	const struct timespec until = thread_time_in(1500);
	u64 state = 11;
	u32 rounds = 0;

	set_up(sizeof(shown));

	do {
		for (u32 i = 0; i < 8; i++) {
			struct fake_ring *r = &now->rings[xorshift(&state) & 1];

			r->table[xorshift(&state) % FAKE_RING_SIZE] = (struct vring_desc){
				xorshift(&state) % 8 ? DATA_AT + xorshift(&state) % 4096 : xorshift(&state),
				xorshift(&state) % 8 ? (u32)(xorshift(&state) % 64) : (u32)xorshift(&state),
				(u16)(xorshift(&state) & (xorshift(&state) % 8 ? 3 : 7)), (u16)(xorshift(&state) % 17) };
			r->avail->ring[xorshift(&state) % FAKE_RING_SIZE] = (u16)(xorshift(&state) % 17);
			r->avail->idx += (u16)(xorshift(&state) % 3);
		}
		ring(INPUT);
		ring(OUTPUT);
		virtio_console_receive(&now->vc, (u8)rounds);
		pthread_mutex_lock(&lock);
		shown_count = 0;
		room = xorshift(&state) % 4096;
		pthread_mutex_unlock(&lock);
		if (is_broken() || !(xorshift(&state) % 64))
			connect_driver(VERSION_1 | (xorshift(&state) & EVENT_IDX));
		rounds++;
	} while (!thread_is_past(&until));
	test_note("%u rounds", rounds);
	CHECK_EQ("many", 1, rounds > 100);
	pthread_mutex_lock(&lock);
	shown_count = 0;
	room = 100;
	pthread_mutex_unlock(&lock);
	connect_driver(VERSION_1);
	print("still here", 10, 4);
	ring(OUTPUT);
	CHECK_EQ("serves", 1, served(OUTPUT, 1));
	finish();
}

/* Saved with a request half out and input that nobody has fetched, and restored at a terminal of another size. */
static void test_moved(void)
{
	static struct state_virtio state;
	struct state_error error = { "" };

	set_up(5);
	print("0123456789", 10, 3);
	ring(OUTPUT);
	ASSERT(is_shown(5), "no output");
	type("keys");
	usleep(10000);
	ASSERT(virtio_hold(device(), 5000), "not held");
	state_console_take(&now->vc, &now->pci, &state);
	virtio_release(device());
	CHECK_EQ("bytes out", 5, state.sent);
	CHECK_EQ("bytes in", 4, state.input_count);

	now = &sides[1];
	make(now, (struct console_size){ 100, 30 });
	for (u32 r = 0; r < now->vm.memory.count; r++)
		memcpy(now->vm.memory.regions[r].host, sides[0].vm.memory.regions[r].host, now->vm.memory.regions[r].size);
	ASSERT(state_console_give(&now->vc, &now->pci, &state, &error), "%s", error.text);
	for (u32 i = 0; i < 2; i++) {
		now->rings[i] = sides[0].rings[i];
		now->rings[i].table = memory_at(&now->vm.memory, FAKE_RINGS_AT + i * 0x3000ULL, 4096);
		now->rings[i].avail = memory_at(&now->vm.memory, FAKE_RINGS_AT + i * 0x3000ULL + 0x1000, 4096);
		now->rings[i].used = memory_at(&now->vm.memory, FAKE_RINGS_AT + i * 0x3000ULL + 0x2000, 4096);
	}
	CHECK_EQ("the old size, at first", 80, config(0));
	ASSERT_EQ(virtio_start(device()), 0);
	grant(100);
	CHECK_EQ("the request is done", 1, served(OUTPUT, 1));
	check_shown("nothing twice", "0123456789");
	fake_offer_one(&now->rings[INPUT], DATA_AT, 16, true);
	ring(INPUT);
	CHECK_EQ("input", 1, served(INPUT, 1));
	CHECK_EQ("its bytes", 0, memcmp(memory_at(&now->vm.memory, DATA_AT, 5), "keys", 5));
	for (u32 i = 0; i < 2000 && config(0) != 100; i++)
		usleep(1000);
	CHECK_EQ("the new size", 100, config(0));
	CHECK_EQ("and rows", 30, config(2));
	state.device.features |= 1ULL << 40;
	CHECK_EQ("features that are unknown", 0, state_console_give(&now->vc, &now->pci, &state, &error));
	finish();
	now = &sides[0];
	finish();
}

static void print_on(size_t count)
{
	static u8 sink[64 << 10];

	__atomic_fetch_add(&offers, 1, __ATOMIC_RELAXED);
	memset(sink, 0, count);
	__atomic_store_n(&now->rings[OUTPUT].avail->idx, (u16)(used(OUTPUT) + FAKE_RING_SIZE), __ATOMIC_RELEASE);
}

static void type_key(void) { virtio_console_receive(&now->vc, 'x'); }
static void look(void) { virtio_console_is_open(&now->vc); }
static void resize(void) { virtio_console_resize(&now->vc, (struct console_size){ 80, 25 }); }

/*
 * A guest that prints for ever keeps neither the main thread, which has signals to take, nor the one with the escape
 * key: each is next. What is printed meanwhile is counted, as time is the host's, which may run others in between.
 */
static void test_busy(void)
{
	static const struct { const char *name; void (*want)(void); } rows[] = {
		{ "a key", type_key }, { "a look whether keys are wanted", look }, { "a size", resize },
	};

	u32 all = 0, all_late = 0;

	for (size_t r = 0; r < ARRAY_SIZE(rows); r++) {
		struct timespec until;
		u32 wishes = 0, late = 0;
		u64 before, most = 0;

		set_up(0);
		for (u32 d = 0; d < FAKE_RING_SIZE; d++) {
			now->rings[OUTPUT].table[d] = (struct vring_desc){ OUTPUT_AT, 64 << 10, 0, 0 };
			now->rings[OUTPUT].avail->ring[d] = (u16)d;
		}
		now->rings[OUTPUT].avail->idx = FAKE_RING_SIZE;
		__atomic_store_n(&is_busy, true, __ATOMIC_RELAXED);
		offers = 0;
		ring(OUTPUT);
		until = thread_time_in(500);
		do {
			usleep(1000);
			before = __atomic_load_n(&offers, __ATOMIC_RELAXED);
			rows[r].want();
			before = __atomic_load_n(&offers, __ATOMIC_RELAXED) - before;
			most = before > most ? before : most;
			late += before > 2 * 32;
			wishes++;
		} while (!thread_is_past(&until));
		test_note("%s, %u times, %u late; %llu requests were served meanwhile at most, of %llu", rows[r].name, wishes, late,
			  (unsigned long long)most, (unsigned long long)offers);
		CHECK_EQ("busy", 1, offers > 0);
		all += wishes;
		all_late += late;
		__atomic_store_n(&is_busy, false, __ATOMIC_RELAXED);
		finish();
	}
	CHECK_EQ("they wait for more than two turns", 0, all_late > all / 40);
}

/* ---- a driver that sends the next request once the last is taken ---- */

#define LINE	16

static pthread_mutex_t driver_lock = PTHREAD_MUTEX_INITIALIZER;
static u32 lines_left, kicks;
static u16 lines_sent;

static void drive(void)
{
	pthread_mutex_lock(&driver_lock);
	if (lines_left && used(OUTPUT) == lines_sent) {
		u16 *event = (u16 *)&now->rings[OUTPUT].used->ring[FAKE_RING_SIZE];

		lines_left--;
		print("sixteen bytes..\n", LINE, LINE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		lines_sent++;
		if (vring_need_event(__atomic_load_n(event, __ATOMIC_RELAXED), lines_sent, lines_sent - 1)) {
			kicks++;
			ring(OUTPUT);
		}
	}
	pthread_mutex_unlock(&driver_lock);
}

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

/* The device's thread looks at the clock while it looks out for more: so the guest's CPU has had its time. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
	if (device()->has_thread && pthread_equal(pthread_self(), device()->thread))
		drive();
	return __real_clock_gettime(clock, time);
}

static void test_line_by_line(void)
{
	const u32 count = 50;

	set_up(sizeof(shown));
	lines_sent = kicks = 0;
	lines_left = count;
	/* where the thread sleeps before it saw the next one, that one has to wake it */
	for (u32 i = 0; i < 500 && shown_now() < count * LINE; i++) {
		drive();
		usleep(20000);
	}
	CHECK_EQ("bytes shown", count * LINE, shown_now());
	test_note("%u doorbells for %u requests", kicks, count);
	/* two if the first came as the thread was about to sleep */
	CHECK_EQ("few doorbells", 1, kicks <= 2);
	finish();
}

static const struct test_case cases[] = {
	{ "output", test_output },
	{ "blocked", test_blocked },
	{ "blocked_changes", test_blocked_changes },
	{ "last_words", test_last_words },
	{ "many_last_words", test_many_last_words },
	{ "input", test_input },
	{ "input_bounds", test_input_bounds },
	{ "size", test_size },
	{ "size_told", test_size_told },
	{ "broken", test_broken },
	{ "forked", test_forked },
	{ "random", test_random },
	{ "moved", test_moved },
	{ "busy", test_busy },
	{ "line_by_line", test_line_by_line },
};

TEST_MAIN(cases)

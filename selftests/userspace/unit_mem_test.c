// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory device by a driver of its own, good and hostile: a block is plugged once and unplugged once, never more than was asked for, and what
 * is unplugged is the host's again, and nothing else ever; saved and restored.
 *
 * VIRTIO 1.2, "Memory Device".
 */
#include <linux/virtio_mem.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_driver.h"
#include "userspace/state_devices.h"
#include "userspace/state_format.h"
#include "userspace/thread.h"
#include "userspace/virtio_mem.h"

#define MEMORY		(16ULL << 20)
#define BLOCKS		20ULL
#define BASE		(4ULL << 30)		/* where 16 MB have what can be plugged */
#define REQUEST_AT	0x300000ULL
#define RESPONSE_AT	0x301000ULL
#define NOTIFY		0x3000
#define CONFIG		0x2000
#define VERSION_1	(1ULL << VIRTIO_F_VERSION_1)

static struct vm vm;
static struct pci pci;
static struct virtio_mem mem;
static struct virtio_device *device = &mem.device;
static struct fake_ring ring;
static u8 map[BLOCKS * MEMORY_BLOCK / 4096];

static bool is_broken(void) { return fake_device_get(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET; }
static u64 config(size_t at) { return fake_device_get(&vm, device, CONFIG + (u32)at, 4) | fake_device_get(&vm, device, CONFIG + (u32)at + 4, 4) << 32; }
static u64 plugged(void) { return config(offsetof(struct virtio_mem_config, plugged_size)) / MEMORY_BLOCK; }
static u8 *blocks(void) { return vm.memory.regions[vm.memory.count - 1].host; }

static void make_memory(struct vm *of)
{
	fake_vm_init(of, MEMORY);
	memory_destroy(&of->memory);
	ASSERT_EQ(memory_create(&of->memory, MEMORY, BLOCKS * MEMORY_BLOCK), 0);
	/* Small pages, to be counted. */
	ASSERT_EQ(memory_back(&of->memory, MEMORY_MERGE), 0);
}

static void connect_driver(void)
{
	fake_ring_init(&ring, &vm, 0);
	ASSERT(fake_negotiate(&vm, device, VERSION_1), "features are refused");
	fake_enable_queue(&vm, device, 0);
	fake_driver_ok(&vm, device);
}

static void set_up(void)
{
	make_memory(&vm);
	ASSERT_EQ(pci_init(&pci, &vm), 0);
	memset(&mem, 0, sizeof(mem));
	virtio_mem_init(&mem, &vm.memory);
	ASSERT_EQ(virtio_add(device, &vm, &pci), 0);
	connect_driver();
	ASSERT_EQ(virtio_start(device), 0);
}

static void finish(void)
{
	vm_stop(&vm, STATUS_OK, "the end of the test");
	vm.end_by = thread_time_in(2000);
	CHECK_EQ("the thread ends", 1, virtio_stop(device));
	memory_destroy(&vm.memory);
}

/* Return: was the request that is offered served? */
static bool served(void)
{
	u16 before = ring.seen;

	fake_device_put(&vm, device, NOTIFY, 2, 0);
	for (u32 i = 0; i < 5000 && !is_broken() && __atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE) == before; i++)
		usleep(1000);
	ring.seen = __atomic_load_n(&ring.used->idx, __ATOMIC_ACQUIRE);
	return ring.seen != before && !is_broken();
}

static void put_request(u16 type, u64 addr, u16 count)
{
	struct virtio_mem_req *request = memory_at(&vm.memory, REQUEST_AT, sizeof(*request));

	memset(request, 0, sizeof(*request));
	request->type = type;
	request->u.plug.addr = addr;
	request->u.plug.nb_blocks = count;
}

/* Return: the response's type, and of a state's 16 times that as well. */
static u32 ask(u16 type, u64 addr, u16 count)
{
	const struct virtio_mem_resp *response = memory_at(&vm.memory, RESPONSE_AT, sizeof(*response));
	u16 head = ring.next;

	put_request(type, addr, count);
	memset(memory_at(&vm.memory, RESPONSE_AT, sizeof(*response)), 0xff, sizeof(*response));
	fake_add(&ring, REQUEST_AT, sizeof(struct virtio_mem_req), false, false);
	fake_add(&ring, RESPONSE_AT, sizeof(*response), true, true);
	fake_offer(&ring, head);
	if (!served())
		return 0xffff;
	return response->type | (type == VIRTIO_MEM_REQ_STATE ? (u32)response->u.state.state << 4 : 0);
}

static void want(u64 count)
{
	u64 size = count * MEMORY_BLOCK;

	virtio_mem_ask(&mem, size);
	for (u32 i = 0; i < 5000 && config(offsetof(struct virtio_mem_config, requested_size)) != size; i++)
		usleep(1000);
	CHECK_EQ("it is asked for", size, config(offsetof(struct virtio_mem_config, requested_size)));
}

enum { PLUG = VIRTIO_MEM_REQ_PLUG, UNPLUG = VIRTIO_MEM_REQ_UNPLUG, ALL = VIRTIO_MEM_REQ_UNPLUG_ALL, STATE = VIRTIO_MEM_REQ_STATE };
enum { ACK = VIRTIO_MEM_RESP_ACK, NACK = VIRTIO_MEM_RESP_NACK, ERROR = VIRTIO_MEM_RESP_ERROR };
enum { ARE_IN = VIRTIO_MEM_STATE_PLUGGED << 4, ARE_OUT = VIRTIO_MEM_STATE_UNPLUGGED << 4, ARE_MIXED = VIRTIO_MEM_STATE_MIXED << 4 };

#define AT(block)	(BASE + (block) * MEMORY_BLOCK)

/* One after the other, with 8 blocks asked for. */
static void test_requests(void)
{
	static const struct {
		const char *name;
		u16 type;
		u64 addr;
		u16 count;
		u32 wanted;
		u64 plugged;	/* then */
	} rows[] = {
		{ "none is there", STATE, AT(0), BLOCKS, ARE_OUT, 0 },
		{ "plug four", PLUG, AT(0), 4, ACK, 4 },
		{ "one of them again", PLUG, AT(3), 1, ERROR, 4 },
		{ "one of them with others", PLUG, AT(3), 2, ERROR, 4 },
		{ "they are there", STATE, AT(0), 4, ARE_IN, 4 },
		{ "one more is not", STATE, AT(0), 5, ARE_MIXED, 4 },
		{ "others are not", STATE, AT(4), 3, ARE_OUT, 4 },
		{ "more than is asked for", PLUG, AT(4), 5, NACK, 4 },
		{ "the last", PLUG, AT(BLOCKS - 1), 1, ACK, 5 },
		{ "one past the end", PLUG, AT(BLOCKS), 1, ERROR, 5 },
		{ "across the end", PLUG, AT(BLOCKS - 2), 3, ERROR, 5 },
		{ "none", PLUG, AT(8), 0, ERROR, 5 },
		{ "as many as there can be", PLUG, AT(8), 65535, ERROR, 5 },
		{ "half a block further", PLUG, AT(8) + MEMORY_BLOCK / 2, 1, ERROR, 5 },
		{ "memory that is there from the start", PLUG, 0, 1, ERROR, 5 },
		{ "before the first", PLUG, BASE - MEMORY_BLOCK, 1, ERROR, 5 },
		{ "at the end of all addresses", PLUG, -MEMORY_BLOCK, 1, ERROR, 5 },
		{ "unplug what is not there", UNPLUG, AT(8), 1, ERROR, 5 },
		{ "with what is", UNPLUG, AT(3), 2, ERROR, 5 },
		{ "memory from the start", UNPLUG, 0, 1, ERROR, 5 },
		{ "past the end", UNPLUG, AT(BLOCKS), 1, ERROR, 5 },
		{ "no block", UNPLUG, AT(0), 0, ERROR, 5 },
		{ "the state of none", STATE, AT(0), 0, ERROR, 5 },
		{ "of more than there are", STATE, AT(0), BLOCKS + 1, ERROR, 5 },
		{ "of half a block", STATE, AT(0) + 4096, 1, ERROR, 5 },
		{ "unplug two", UNPLUG, AT(1), 2, ACK, 3 },
		{ "what is left of four", STATE, AT(0), 4, ARE_MIXED, 3 },
		{ "five more", PLUG, AT(4), 5, ACK, 8 },
		{ "and none beyond", PLUG, AT(9), 1, NACK, 8 },
		{ "unplug all", ALL, 0, 0, ACK, 0 },
		{ "which are gone", STATE, AT(0), BLOCKS, ARE_OUT, 0 },
		{ "unplug all of none", ALL, ~0ULL, 65535, ACK, 0 },
	};

	set_up();
	want(8);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u32 got = ask(rows[i].type, rows[i].addr, rows[i].count);

		/* Of an error nothing else is told. */
		CHECK_EQ(rows[i].name, rows[i].wanted, (got & 15) == ERROR ? ERROR : got);
		CHECK_EQ("plugged", rows[i].plugged, plugged());
	}
	finish();
}

static u64 missing(u64 first, u64 count)
{
	u64 missing = 0;

	ASSERT_EQ(mincore(blocks(), BLOCKS * MEMORY_BLOCK, map), 0);
	for (u64 i = first * (MEMORY_BLOCK / 4096); i < (first + count) * (MEMORY_BLOCK / 4096); i++)
		missing += !(map[i] & 1);
	return missing / (MEMORY_BLOCK / 4096);
}

static void test_given_back(void)
{
	set_up();
	want(BLOCKS);
	ASSERT_EQ(ask(PLUG, AT(0), BLOCKS), ACK);
	memset(blocks(), 0x77, BLOCKS * MEMORY_BLOCK);
	CHECK_EQ("all is there", 0, missing(0, BLOCKS));
	CHECK_EQ("a refused one", ERROR, ask(UNPLUG, AT(BLOCKS - 1), 2));
	CHECK_EQ("gives nothing back", 0, missing(0, BLOCKS));
	CHECK_EQ("three", ACK, ask(UNPLUG, AT(5), 3));
	CHECK_EQ("are given back", 3, missing(5, 3));
	CHECK_EQ("and nothing else", 3, missing(0, BLOCKS));
	fake_device_put(&vm, device, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	ring.seen = 0;
	connect_driver();
	CHECK_EQ("a driver's reset leaves all", BLOCKS - 3, plugged());
	CHECK_EQ("as it was", 3, missing(0, BLOCKS));
	virtio_mem_unplug_all(&mem);
	CHECK_EQ("a machine's leaves nothing", 0, plugged());
	CHECK_EQ("of it", BLOCKS, missing(0, BLOCKS));
	CHECK_EQ("which is asked for still", BLOCKS * MEMORY_BLOCK, config(offsetof(struct virtio_mem_config, requested_size)));
	finish();
}

/* Requests of a form that there is none of. */
static void test_forms(void)
{
	static const struct {
		const char *name;
		u16 type;
		struct {
			u64 gpa;
			u32 len;
			bool is_write;
		} parts[4];
		bool is_served;
	} rows[] = {
		{ "as it should be", PLUG, { { REQUEST_AT, 24, false }, { RESPONSE_AT, 10, true } }, true },
		{ "in pieces", PLUG, { { REQUEST_AT, 3, false }, { REQUEST_AT + 3, 21, false }, { RESPONSE_AT, 1, true }, { RESPONSE_AT + 1, 9, true } }, true },
		{ "with more room", PLUG, { { REQUEST_AT, 64, false }, { RESPONSE_AT, 4096, true } }, true },
		{ "an unknown type", 4, { { REQUEST_AT, 24, false }, { RESPONSE_AT, 10, true } }, false },
		{ "the last type", 65535, { { REQUEST_AT, 24, false }, { RESPONSE_AT, 10, true } }, false },
		{ "too short", PLUG, { { REQUEST_AT, 23, false }, { RESPONSE_AT, 10, true } }, false },
		{ "no room for an answer", PLUG, { { REQUEST_AT, 24, false }, { RESPONSE_AT, 9, true } }, false },
		{ "none at all", PLUG, { { REQUEST_AT, 24, false } }, false },
		{ "no request", PLUG, { { RESPONSE_AT, 10, true } }, false },
		{ "outside of memory", PLUG, { { REQUEST_AT, 24, false }, { AT(BLOCKS), 10, true } }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct virtio_mem_resp *response;

		set_up();
		want(8);
		put_request(rows[i].type, AT(0), 1);
		for (u32 p = 0; p < 4 && rows[i].parts[p].len; p++)
			fake_add(&ring, rows[i].parts[p].gpa, rows[i].parts[p].len, rows[i].parts[p].is_write,
				 p == 3 || !rows[i].parts[p + 1].len);
		response = memory_at(&vm.memory, RESPONSE_AT, sizeof(*response));
		memset(memory_at(&vm.memory, RESPONSE_AT, 4096), 0xff, 4096);
		fake_offer(&ring, 0);
		CHECK_EQ(rows[i].name, rows[i].is_served, served());
		CHECK_EQ("needs a reset", !rows[i].is_served, is_broken());
		CHECK_EQ("plugged", rows[i].is_served, plugged());
		CHECK_EQ("answer", rows[i].is_served ? ACK : 0xffff, response->type);
		CHECK_EQ("nothing behind it", 0xff, *((const u8 *)response + 10));
		finish();
	}
}

static void test_config(void)
{
	static const struct {
		const char *name;
		size_t at;
		u64 wanted;
	} rows[] = {
		{ "blocks", offsetof(struct virtio_mem_config, block_size), MEMORY_BLOCK },
		{ "where", offsetof(struct virtio_mem_config, addr), BASE },
		{ "how much", offsetof(struct virtio_mem_config, region_size), BLOCKS * MEMORY_BLOCK },
		{ "that can be used", offsetof(struct virtio_mem_config, usable_region_size), BLOCKS * MEMORY_BLOCK },
		{ "has", offsetof(struct virtio_mem_config, plugged_size), 0 },
		{ "shall have", offsetof(struct virtio_mem_config, requested_size), 0 },
	};
	struct virtio_mem_view view;

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CHECK_EQ(rows[i].name, rows[i].wanted, config(rows[i].at));
		fake_device_put(&vm, device, CONFIG + (u32)rows[i].at, 4, 4711);
		CHECK_EQ("is not the driver's", rows[i].wanted, config(rows[i].at));
	}
	CHECK_EQ("identifier", 0x1040 + 24, fake_config_get(&vm, device->pci.slot, PCI_DEVICE_ID, 2));
	want(3);
	ASSERT_EQ(ask(PLUG, AT(0), 3), ACK);
	want(2);
	CHECK_EQ("not more, if there is more than that", NACK, ask(PLUG, AT(3), 1));
	virtio_mem_look(&mem, &view);
	CHECK_EQ("all", BLOCKS * MEMORY_BLOCK, view.max);
	CHECK_EQ("requested", 2 * MEMORY_BLOCK, view.requested);
	CHECK_EQ("plugged", 3 * MEMORY_BLOCK, view.plugged);
	finish();
}

static void many_blocks(struct state_mem *state) { state->plugged_bytes++; }
static void few_blocks(struct state_mem *state) { state->plugged_bytes--; }
static void block_beyond(struct state_mem *state) { state->plugged[BLOCKS / 8] |= 1 << BLOCKS % 8; }
static void much(struct state_mem *state) { state->requested = (BLOCKS + 1) * MEMORY_BLOCK; }
static void much_asked(struct state_mem *state) { state->asked = (BLOCKS + 1) * MEMORY_BLOCK; }
static void nothing_wrong(struct state_mem *state) { }

/* Another machine's device, made what the first one's was. */
static void test_state(void)
{
	static const struct {
		const char *name;
		void (*change)(struct state_mem *state);
		const char *wanted;	/* NULL: it is restored */
		bool is_markable;	/* its launcher's writes are noted from the start on */
	} rows[] = {
		{ "a byte more", many_blocks, "other blocks" },
		{ "a byte less", few_blocks, "other blocks" },
		{ "a block beyond", block_beyond, "other blocks" },
		{ "much", much, "more than can be plugged" },
		{ "much, told", much_asked, "more than can be plugged" },
		{ "as it was", nothing_wrong, NULL },
		{ "as it was, to be marked", nothing_wrong, NULL, true },
	};
	static struct state_mem saved, state;
	static struct virtio_mem second;
	static struct vm other;
	static struct pci its_pci;

	set_up();
	want(9);
	ASSERT_EQ(ask(PLUG, AT(1), 2), ACK);
	ASSERT_EQ(ask(PLUG, AT(BLOCKS - 1), 1), ACK);
	state_mem_take(&mem, &pci, &saved);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct state_error error = { "" };

		make_memory(&other);
		ASSERT_EQ(pci_init(&its_pci, &other), 0);
		memset(&second, 0, sizeof(second));
		if (rows[i].is_markable)
			other.memory.written = calloc(memory_pages(&other.memory) / 64 + 1, sizeof(u64));
		virtio_mem_init(&second, &other.memory);
		ASSERT_EQ(virtio_add(&second.device, &other, &its_pci), 0);
		memcpy(memory_at(&other.memory, 0x200000, 0x3000), memory_at(&vm.memory, 0x200000, 0x3000), 0x3000);
		/* Of what the guest has unplugged after it had been sent. */
		memset(memory_at(&other.memory, AT(4), MEMORY_BLOCK), 0x77, MEMORY_BLOCK);
		memset(memory_at(&other.memory, AT(1), MEMORY_BLOCK), 0x77, MEMORY_BLOCK);
		state = saved;
		rows[i].change(&state);
		CHECK_EQ(rows[i].name, !rows[i].wanted, state_mem_give(&second, &its_pci, &state, &error));
		CHECK_EQ("why", 1, !!strstr(error.text, rows[i].wanted ? rows[i].wanted : ""));
		if (!rows[i].wanted) {
			CHECK_EQ("configuration", 0, memcmp(second.device.config, mem.device.config, sizeof(struct virtio_mem_config)));
			CHECK_EQ("requested", mem.requested, second.requested);
			for (u64 b = 0; b < BLOCKS; b++)
				CHECK_EQ("block", memory_is_plugged(&vm.memory, AT(b)), memory_is_plugged(&other.memory, AT(b)));
			CHECK_EQ("what is plugged stays", 0x77, *(u8 *)memory_at(&other.memory, AT(1), 1));
			CHECK_EQ("what is not goes", 0, *(u8 *)memory_at(&other.memory, AT(4), 1));
		}
		vm_stop(&other, STATUS_OK, "the end of the test");
		virtio_stop(&second.device);
		memory_destroy(&other.memory);
	}
	finish();
}

static const struct test_case cases[] = {
	{ "requests", test_requests },
	{ "given back", test_given_back },
	{ "forms", test_forms },
	{ "configuration", test_config },
	{ "state", test_state },
};

TEST_MAIN(cases)

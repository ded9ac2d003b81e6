// SPDX-License-Identifier: GPL-2.0-only
/* The debugger's packets by what they do: answers, registers, memory, breakpoints, going on; and packets at random. */
#include "fake_gdb.h"
#include "test.h"
#include "userspace/vm.h"

static struct gdb gdb;
static struct vm vm;
static struct vcpu vcpus[FAKE_CPUS];
static char answer[2 * GDB_PACKET_MAX + 16];

static enum gdb_verdict send_bytes(const void *bytes, size_t count)
{
	struct gdb_input *input = &gdb.client.input;

	memcpy(input->data, bytes, count);
	input->data[count] = 0;
	input->length = count;
	gdb.client.is_running = false;

	enum gdb_verdict verdict = gdb_command(&gdb);

	gdb_reply_end(&gdb.client.reply);
	size_t length = gdb.client.reply.length - 4;

	memcpy(answer, gdb.client.reply.data + 1, length);
	answer[length] = 0;
	return verdict;
}

static enum gdb_verdict send_text(const char *text)
{
	return send_bytes(text, strlen(text));
}

static void check_answer(const char *packet, const char *wanted)
{
	send_text(packet);
	if (strcmp(wanted, answer))
		test_note("%s: wanted \"%s\", got \"%.100s\"", packet, wanted, answer);
	CHECK_EQ(packet, 0, strcmp(wanted, answer));
}

static bool may_run(unsigned int cpu)
{
	return !vm_is_held(&vm) && !vcpus[cpu].place.is_kept;
}

static void test_answers(void)
{
	static const struct {
		const char *packet, *answer;
	} rows[] = {
		{ "?", "T02thread:1;" },
		{ "qC", "QC1" },
		{ "qAttached", "1" },
		{ "qAttached:1", "1" },
		{ "qfThreadInfo", "m1,2,3" },
		{ "qsThreadInfo", "l" },
		{ "qThreadExtraInfo,2", "764350552031" },			/* "vCPU 1" */
		{ "qThreadExtraInfo,4", "E22" },
		{ "T1", "OK" }, { "T3", "OK" }, { "T4", "E22" }, { "T", "E22" }, { "T-1", "E22" }, { "T0", "E22" }, { "T1x", "E22" },
		{ "Hg2", "OK" }, { "Hg0", "OK" }, { "Hg-1", "OK" }, { "Hc-1", "OK" }, { "Hc3", "OK" }, { "Hg4", "E22" }, { "H", "E22" },
		{ "Hx1", "E22" }, { "Hgffffffffffffffff", "E22" }, { "Hg", "E22" }, { "Hg1.1", "E22" },
		{ "vMustReplyEmpty", "" }, { "v", "" }, { "vCont?", "vCont;c;C;s;S;t" }, { "vContx", "" }, { "vKill;1", "" },
		{ "", "" }, { "!", "" }, { "R00", "" }, { "qRcmd,00", "" }, { "qSymbol::", "" }, { "qCRC:0,1", "" }, { "Qx", "" },
		{ "vCont;", "E22" }, { "vCont;x", "E22" }, { "vCont;c:9", "E22" }, { "vCont;C", "E22" }, { "vCont;c;", "E22" },
		{ "vCont;c:1:2", "E22" }, { "vCont;t", "T02thread:1;" }, { "Cxx", "E22" }, { "c12345678123456789", "E22" }, { "s;1", "E22" },
		{ "qXfer:features:read:target.xml:0,5", "m<?xml" },
		{ "qXfer:features:read:target.xml:100000,5", "E22" },
		{ "qXfer:features:read:other.xml:0,5", "E22" },
		{ "qXfer:features:read:target.xml:0", "E22" },
		{ "qXfer:features:read:target.xml:0,5,6", "E22" },
		{ "qXfer:memory-map:read::0,5", "" },
		{ "QStartNoAckMode", "OK" },
	};

	fake_gdb_init(&gdb, &vm, vcpus);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_answer(rows[i].packet, rows[i].answer);
	CHECK_EQ("no acknowledgements", false, gdb.client.is_acked);
	CHECK_EQ("detach", GDB_LEAVE, send_text("D"));
	CHECK_EQ("kill", GDB_KILL, send_text("k"));
	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		CHECK_EQ("nothing ran", false, may_run(i));
}

static void test_supported(void)
{
	static const struct {
		const char *packet;
		bool soft, hard;
	} rows[] = {
		{ "qSupported", false, false }, { "qSupported:swbreak+", true, false }, { "qSupported:multiprocess+;hwbreak+;x", false, true },
		{ "qSupported:swbreak+;hwbreak+", true, true }, { "qSupported:swbreak-;xhwbreak+;;", false, false },
		{ "qSupported:;;;swbreak+;", true, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_gdb_init(&gdb, &vm, vcpus);
		send_text(rows[i].packet);
		CHECK_EQ(rows[i].packet, 0, strncmp(answer, "PacketSize=1000;", 16));
		CHECK_EQ(rows[i].packet, rows[i].soft, gdb.client.wants_soft);
		CHECK_EQ(rows[i].packet, rows[i].hard, gdb.client.wants_hard);
	}
}

/* The whole description, in pieces of every size near what a packet holds. */
static void test_description(void)
{
	static const size_t pieces[] = { 1, 7, 1000, GDB_PACKET_MAX - 1, GDB_PACKET_MAX, 100000 };

	fake_gdb_init(&gdb, &vm, vcpus);
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		static char got[GDB_XML_MAX];
		size_t length = 0;

		for (bool is_last = false; !is_last;) {
			char packet[80];

			snprintf(packet, sizeof(packet), "qXfer:features:read:target.xml:%zx,%zx", length, pieces[i]);
			send_text(packet);
			ASSERT(*answer == 'm' || *answer == 'l', "%s: %.20s", packet, answer);
			ASSERT_LE(length + strlen(answer), sizeof(got));
			memcpy(got + length, answer + 1, strlen(answer + 1));
			length += strlen(answer + 1);
			is_last = *answer == 'l';
		}
		CHECK_EQ("length", gdb.client.xml_length, length);
		CHECK_EQ("text", 0, memcmp(got, gdb.client.xml, length));
	}
}

static unsigned int size_of_all(void)
{
	unsigned int size = 0;

	for (unsigned int n = 0; n < gdb_layout_count(gdb.client.layout); n++)
		size += gdb_register_size(gdb.client.layout, n);
	return size;
}

static void test_registers(void)
{
	char all[4096];

	fake_gdb_init(&gdb, &vm, vcpus);
	fake_cpus[0].registers.general.rax = 0x1122334455667788;
	fake_cpus[1].registers.general.rip = 0xffffffff81000000;
	check_answer("p0", "8877665544332211");
	check_answer("Hg2", "OK");
	check_answer("p10", "00000081ffffffff");
	check_answer("p0", "0000000000000000");
	check_answer("P0=0100000000000080", "OK");
	CHECK_EQ("the second CPU's", 0x8000000000000001, fake_cpus[1].registers.general.rax);
	CHECK_EQ("not the first's", 0x1122334455667788, fake_cpus[0].registers.general.rax);
	check_answer("P0=01", "E22");
	check_answer("P0=010000000000008000", "E22");
	check_answer("P0=010000000000008z", "E22");
	check_answer("P0", "E22");
	check_answer("P4d=00000000", "E22");
	check_answer("p4d", "E22");
	check_answer("p", "E22");
	check_answer("pffffffffffffffff", "E22");
	check_answer("P12=08000000", "E14");	/* CS, in protected mode */
	fake_refusal = -EINVAL;
	check_answer("P3b=0000000000000000", "E14");	/* CR0 */
	fake_refusal = 0;
	check_answer("P3b=3300008000000000", "OK");
	CHECK_EQ("CR0", 0x80000033, fake_cpus[1].registers.special.cr0);

	send_text("g");
	strcpy(all + 1, answer);
	all[0] = 'G';
	CHECK_EQ("all of them", 2 * size_of_all(), strlen(answer));
	memcpy(all + 1, "ff", 2);
	check_answer(all, "OK");
	CHECK_EQ("rax by G", 0x80000000000000ff, fake_cpus[1].registers.general.rax);
	all[strlen(all) - 1] = 0;
	check_answer(all, "E22");
	check_answer("G", "E22");
	check_answer("g1", "E22");
}

static void test_memory(void)
{
	static const u8 binary[] = "X1000,4:\0#$}";
	uint8_t *host;

	fake_gdb_init(&gdb, &vm, vcpus);
	host = memory_at(&vm.memory, 0x1000, 0x2000);
	memcpy(host, "\1\2\3\4", 4);
	check_answer("m1000,4", "01020304");
	check_answer("mffffffff80001001,2", "0203");
	check_answer("m1000,0", "");
	check_answer("m1000", "E22");
	check_answer("m1000,4x", "E22");
	check_answer("m,4", "E22");
	check_answer("mfee00000,4", "E14");
	check_answer("mfffffffffffffffe,4", "E14");
	check_answer("M1000,2:aabb", "OK");
	CHECK_EQ("written", 0xaa, host[0]);
	check_answer("M1000,2:aab", "E22");
	check_answer("M1000,2:aabbcc", "E22");
	check_answer("M1000,ffffffffffffffff:aa", "E22");
	check_answer("Mfee00000,1:aa", "E14");
	/* half of it is no memory: none of it is written */
	memory_at(&vm.memory, FAKE_MEMORY - 1, 1);
	check_answer("Mffffff,2:aabb", "E14");
	CHECK_EQ("the half that is", 0, *(uint8_t *)memory_at(&vm.memory, FAKE_MEMORY - 1, 1));
	check_answer("mffffff,2", "00");
	send_bytes(binary, sizeof(binary) - 1);
	CHECK_EQ("binary", 0, strcmp(answer, "OK"));
	CHECK_EQ("bytes", 0, memcmp(host, "\0#$}", 4));
	check_answer("X1000,0:", "OK");
	check_answer("X1000,5:abcd", "E22");
	send_text("m1000,100000");
	CHECK_EQ("as much as fits", GDB_PACKET_MAX, strlen(answer));
	/* across pages */
	host[0xfff] = 0x77;
	host[0x1000] = 0x88;
	check_answer("m1fff,2", "7788");
	fake_cpus[0].is_blind = true;
	check_answer("m1000,1", "E14");
	check_answer("Hg2", "OK");
	check_answer("m1fff,1", "77");
}

static void test_breakpoints(void)
{
	uint8_t *host;

	fake_gdb_init(&gdb, &vm, vcpus);
	host = memory_at(&vm.memory, 0x2000, 0x1000);
	check_answer("Z0,ffffffff80002000,1", "OK");
	CHECK_EQ("INT3", 0xcc, host[0]);
	check_answer("m2000,2", "0000");
	check_answer("M2000,1:90", "OK");
	CHECK_EQ("INT3 still", 0xcc, host[0]);
	check_answer("m2000,1", "90");
	check_answer("z0,ffffffff80002000,1", "OK");
	CHECK_EQ("what was written", 0x90, host[0]);
	check_answer("z0,ffffffff80002000,1", "OK");
	check_answer("Z0,fee00000,1", "E14");
	check_answer("Z1,1,1", "OK");
	check_answer("Z2,1000,8", "OK");
	check_answer("Z3,1008,4", "OK");
	check_answer("Z4,1010,2", "OK");
	check_answer("Z1,2,1", "E14");
	check_answer("z1,1,1", "OK");
	check_answer("Z1,2,1", "OK");
	check_answer("Z5,1,1", "");
	check_answer("Z9,1,1", "");
	check_answer("Z", "E22");
	check_answer("Zx,1,1", "E22");
	check_answer("Z0", "E22");
	check_answer("Z0,1", "E22");
	check_answer("Z0,1,1;X1,00", "E22");
	/* An address that the client's CPU does not map is taken as another sees it. */
	fake_cpus[0].is_blind = true;
	check_answer("Z0,2000,1", "OK");
	check_answer("z0,2000,1", "OK");
	fake_cpus[1].is_blind = fake_cpus[2].is_blind = true;
	check_answer("Z0,2000,1", "E14");
}

static void test_going(void)
{
	static const struct {
		const char *packet;
		enum gdb_action actions[FAKE_CPUS];
	} rows[] = {
		{ "vCont;c", { GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE } },
		{ "vCont;s:2;c", { GDB_CONTINUE, GDB_STEP, GDB_CONTINUE } },
		{ "vCont;s:2", { GDB_REST, GDB_STEP, GDB_REST } },
		{ "vCont;S05:1;t:2;C05", { GDB_STEP, GDB_REST, GDB_CONTINUE } },
		{ "vCont;c:3;s:3", { GDB_REST, GDB_REST, GDB_CONTINUE } },
		{ "vCont;s:-1", { GDB_STEP, GDB_STEP, GDB_STEP } },
		{ "vCont;s:0", { GDB_STEP, GDB_REST, GDB_REST } },
		{ "c", { GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE } },
		{ "s", { GDB_STEP, GDB_CONTINUE, GDB_CONTINUE } },
		{ "C05", { GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE } },
		{ "S05;1234", { GDB_STEP, GDB_CONTINUE, GDB_CONTINUE } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_gdb_init(&gdb, &vm, vcpus);
		CHECK_EQ(rows[i].packet, GDB_SILENT, send_text(rows[i].packet));
		CHECK_EQ(rows[i].packet, true, gdb.client.is_running);
		for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++) {
			u32 control = rows[i].actions[cpu] == GDB_STEP ?
				KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ : 0;

			CHECK_EQ(rows[i].packet, rows[i].actions[cpu], gdb.slots[cpu].action);
			CHECK_EQ(rows[i].packet, rows[i].actions[cpu] != GDB_REST, may_run(cpu));
			CHECK_EQ(rows[i].packet, control, fake_cpus[cpu].debug.control);
		}
	}
	CHECK_EQ("S with an address", 0x1234, fake_cpus[0].registers.general.rip);

	fake_gdb_init(&gdb, &vm, vcpus);
	check_answer("Hc2", "OK");
	send_text("s");
	CHECK_EQ("the chosen one", GDB_STEP, gdb.slots[1].action);
	CHECK_EQ("alone", GDB_REST, gdb.slots[0].action);
	/* Registers of what runs are not to be had: KVM would wait for the CPU. */
	gdb.client.is_running = true;
	strcpy((char *)gdb.client.input.data, "g");
	gdb_command(&gdb);
	CHECK_EQ("while it runs", 0, memcmp(gdb.client.reply.data, "$E22", 4));
}

static void test_control(void)
{
	fake_gdb_init(&gdb, &vm, vcpus);
	fake_cpus[1].is_halted = true;
	check_answer("Z0,2000,1", "OK");
	send_text("vCont;s:2;c");
	CHECK_EQ("INT3 on all", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, fake_cpus[0].debug.control);
	CHECK_EQ("a halted CPU takes interrupts", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_SINGLESTEP,
		 fake_cpus[1].debug.control);
	check_answer("z0,2000,1", "OK");
	check_answer("Z2,1000,4", "OK");
	send_text("c");
	CHECK_EQ("debug registers", KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, fake_cpus[2].debug.control);
	CHECK_EQ("DR0", 0x1000, fake_cpus[2].debug.arch.debugreg[0]);
	CHECK_EQ("DR7", 0xd0402, fake_cpus[2].debug.arch.debugreg[7]);
	gdb_world_free(&gdb);
	CHECK_EQ("nothing stays", 0, fake_cpus[2].debug.control);
	CHECK_EQ("of it", 0, gdb.breaks.hard[0].length);
}

/* Two CPUs met something: the second is told when it would go on, if it still holds. */
static void test_two_stops(void)
{
	static const struct {
		const char *name;
		enum gdb_why why;
		const char *packet;
		bool is_told;
	} rows[] = {
		{ "a watchpoint", GDB_WHY_WATCH, "vCont;c", true },
		{ "a watchpoint of one that rests", GDB_WHY_WATCH, "vCont;s:1", false },
		{ "a breakpoint, met again", GDB_WHY_SOFT, "vCont;c", false },
		{ "a step", GDB_WHY_STEP, "vCont;s:2;c", true },
		{ "a step, not wanted now", GDB_WHY_STEP, "vCont;c", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fake_gdb_init(&gdb, &vm, vcpus);
		gdb.slots[1].stop = (struct gdb_stop){ rows[i].why, GDB_WATCH_WRITE, 0x77 };
		CHECK_EQ(rows[i].name, rows[i].is_told ? GDB_ANSWER : GDB_SILENT, send_text(rows[i].packet));
		CHECK_EQ(rows[i].name, !rows[i].is_told, gdb.client.is_running);
		if (rows[i].is_told) {
			const char *wanted = rows[i].why == GDB_WHY_WATCH ? "T05thread:2;watch:77;" : "T05thread:2;";

			CHECK_EQ(rows[i].name, 0, strcmp(wanted, answer));
			CHECK_EQ(rows[i].name, false, may_run(0));
		}
	}
}

/* Packets that begin as real ones do. Whatever they say, there is an answer, and the guest's memory ends where it does. */
static void test_random(void)
{
	static const char *const heads[] = {
		"g", "G", "p", "P", "m", "M", "X", "Hg", "Hc", "T", "Z0,", "Z1,", "Z2,", "Z3,", "Z4,", "z0,", "z2,", "vCont;", "c", "s", "C",
		"S", "qXfer:features:read:target.xml:", "qSupported:", "qThreadExtraInfo,", "q", "Q", "v", "D", "?",
	};
	static const char tail[] = "0123456789abcdef0123456789abcdef,;:=-sct";
	u64 random = 1914;

	fake_gdb_init(&gdb, &vm, vcpus);
	for (unsigned int i = 0; i < 300000; i++) {
		uint8_t packet[300];
		u64 r = xorshift(&random);
		size_t length = (size_t)snprintf((char *)packet, 64, "%s", heads[r % ARRAY_SIZE(heads)]);
		size_t more = (r >> 16) % (r & 0x800 ? 24 : 200);

		for (size_t at = 0; at < more; at++) {
			r = xorshift(&random);
			packet[length++] = r & 0xf00 ? (uint8_t)tail[r % (sizeof(tail) - 1)] : (uint8_t)(r >> 16);
		}
		send_bytes(packet, length);
		ASSERT_LE(gdb.client.reply.length, sizeof(gdb.client.reply.data));
		ASSERT_LE(gdb.client.general, FAKE_CPUS - 1);
		ASSERT_LE(gdb.client.resumed, FAKE_CPUS - 1);
		ASSERT_LE(gdb.breaks.soft_count, GDB_SOFT_MAX);
	}
	/* The machine's own words: nothing a client says stops it. */
	ASSERT(!vm_is_stopping(&vm), "stopped: %s", vm.reason);
	gdb_world_free(&gdb);
	CHECK_EQ("no breakpoint stays", 0, gdb.breaks.soft_count);
}

static const struct test_case cases[] = {
	{ "answers", test_answers },
	{ "supported", test_supported },
	{ "description", test_description },
	{ "registers", test_registers },
	{ "memory", test_memory },
	{ "breakpoints", test_breakpoints },
	{ "going", test_going },
	{ "control", test_control },
	{ "two_stops", test_two_stops },
	{ "random", test_random },
};

TEST_MAIN(cases)

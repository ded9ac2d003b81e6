// SPDX-License-Identifier: GPL-2.0-only
/*
 * The debugger's server as a client meets it: real threads and a real socket, over vCPUs that are threads of this test. Each runs
 * round a loop of 16 one-byte instructions, of which the sixth counts in memory.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_gdb.h"
#include "test.h"
#include "userspace/command.h"
#include "userspace/control.h"
#include "userspace/gdb_listen.h"
#include "userspace/pause.h"
#include "userspace/power.h"
#include "userspace/state_format.h"
#include "userspace/stats.h"
#include "userspace/status.h"
#include "userspace/thread.h"

#define CODE		0x2000
#define CODE_SIZE	16
#define STORE		(CODE + 5)	/* the instruction that counts */
#define COUNTERS	0x3000		/* 8 bytes for each CPU */
#define WAIT_MS		10000

static struct vm vm;
static struct vcpu vcpus[FAKE_CPUS];
static struct kvm_run runs[FAKE_CPUS];
static volatile sig_atomic_t kicked[FAKE_CPUS];
static __thread unsigned int this_cpu;
static _Atomic unsigned int given_back;
static _Atomic bool steps_itself;		/* the guest, by its own RFLAGS.TF */
static char path[64];
static int client;

int vm_has(const struct vm *v, unsigned int cap)
{
	return cap == KVM_CAP_SET_GUEST_DEBUG2 ? KVM_GUESTDBG_BLOCKIRQ : cap == KVM_CAP_SET_GUEST_DEBUG;
}

static void kick(int signal)
{
	kicked[this_cpu] = 1;
}

static uint8_t *at(uint64_t gpa)
{
	return memory_at(&vm.memory, gpa, 8);
}

static uint64_t counter(unsigned int cpu)
{
	return __atomic_load_n((uint64_t *)at(COUNTERS + 8 * cpu), __ATOMIC_SEQ_CST);
}

/* One instruction. Return: the exception of KVM_EXIT_DEBUG, with the bits of DR6; 0 for none. */
static unsigned int execute(struct fake_cpu *cpu, uint64_t *dr6)
{
	uint64_t rip = cpu->registers.general.rip;

	*dr6 = 0;
	if (*at(rip) == 0xcc && cpu->debug.control & KVM_GUESTDBG_USE_SW_BP)
		return 3;
	if (rip == STORE) {
		__atomic_add_fetch((uint64_t *)at(COUNTERS + 8 * this_cpu), 1, __ATOMIC_SEQ_CST);
		if (cpu->debug.control & KVM_GUESTDBG_USE_HW_BP && cpu->debug.arch.debugreg[7] & 3 &&
		    cpu->debug.arch.debugreg[0] == COUNTERS + 8 * this_cpu)
			*dr6 |= 1;
	}
	cpu->registers.general.rip = CODE + (rip + 1) % CODE_SIZE;
	if (cpu->debug.control & KVM_GUESTDBG_SINGLESTEP || steps_itself)
		*dr6 |= 1 << 14;
	return *dr6 ? 1 : 0;
}

static void take_injection(struct fake_cpu *cpu)
{
	const uint32_t both = KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB;

	if (cpu->debug.control & KVM_GUESTDBG_INJECT_BP)
		cpu->registers.general.rip = CODE + (cpu->registers.general.rip + 1) % CODE_SIZE;
	given_back += !!(cpu->debug.control & both);
	cpu->debug.control &= ~both;
}

static void *cpu_main(void *argument)
{
	struct vcpu *vcpu = argument;
	struct fake_cpu *cpu = &fake_cpus[vcpu->index];
	uint64_t dr6;

	this_cpu = vcpu->index;
	thread_unblock_kicks();
	vm_wait_gate(&vm, &vcpu->place);
	while (!vm_is_stopping(&vm)) {
		unsigned int exception = execute(cpu, &dr6);

		if (exception) {
			vcpu->run->debug.arch = (struct kvm_debug_exit_arch){
				.exception = exception, .pc = cpu->registers.general.rip, .dr6 = dr6 };
			gdb_debug_exit(vcpu);
			take_injection(cpu);
		}
		if (kicked[this_cpu]) {
			kicked[this_cpu] = 0;
			vm_wait_gate(&vm, &vcpu->place);
		}
		usleep(20);
	}
	return NULL;
}

static void start(bool is_waiting)
{
	struct sigaction action = { .sa_handler = kick };
	struct gdb unused;

	signal(SIGPIPE, SIG_IGN);	/* as the launcher does */
	fake_gdb_init(&unused, &vm, vcpus);
	vm.gdb = NULL;
	vm_release(&vm, VM_HOLD_DEBUG);
	memset(at(CODE), 0x90, CODE_SIZE);
	snprintf(path, sizeof(path), "/tmp/keel-gdb.%d", getpid());
	ASSERT_EQ(gdb_open(&vm, vcpus, FAKE_CPUS, &(struct gdb_request){ path, is_waiting }), 0);
	sigaction(KICK_SIGNAL, &action, NULL);
	for (unsigned int i = 0; i < FAKE_CPUS; i++) {
		fake_cpus[i].registers.general.rip = CODE;
		vcpus[i].run = &runs[i];
		vcpus[i].has_thread = true;
		vcpus[i].place.is_waiting = false;
		ASSERT_EQ(pthread_create(&vcpus[i].thread, NULL, cpu_main, &vcpus[i]), 0);
	}
	ASSERT_EQ(gdb_start(vm.gdb), 0);
}

static void end(void)
{
	vm_stop(&vm, STATUS_OK, "the test is over");
	vm.end_by = thread_time_in(WAIT_MS);
	ASSERT(gdb_end(vm.gdb), "the server ends");
	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		ASSERT(thread_join(vcpus[i].thread, &vm.end_by, KICK_SIGNAL), "vCPU %u ends", i);
	gdb_close(vm.gdb);
	unlink(path);
}

static int join(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(to.sun_path, path);
	ASSERT_EQ(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* The next byte, -1 at the end of the connection, -2 if none comes. */
static int next_byte(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint8_t byte;

	if (poll(&wait, 1, ms) != 1)
		return -2;
	return read(fd, &byte, 1) == 1 ? byte : -1;
}

static void send_raw(const char *text)
{
	ASSERT_EQ(write(client, text, strlen(text)), (int)strlen(text));
}

static void send_packet(const char *data)
{
	char packet[256];
	uint8_t sum = 0;

	for (const char *c = data; *c; c++)
		sum += (uint8_t)*c;
	snprintf(packet, sizeof(packet), "$%s#%02x", data, sum);
	send_raw(packet);
}

/* Data of the next packet, acknowledgements passed over; "" if there is none. */
static const char *receive(void)
{
	static struct gdb_input input;
	enum gdb_event event = GDB_NOTHING;

	while (event != GDB_PACKET) {
		int byte = next_byte(client, WAIT_MS);

		if (byte < 0)
			return "";
		event = gdb_take(&input, (uint8_t)byte);
	}
	return (const char *)input.data;
}

static void expect(const char *what, const char *wanted)
{
	const char *got = receive();

	if (strcmp(wanted, got))
		test_note("%s: wanted \"%s\", got \"%.100s\"", what, wanted, got);
	CHECK_EQ(what, 0, strcmp(wanted, got));
}

static void ask(const char *packet, const char *wanted)
{
	send_packet(packet);
	expect(packet, wanted);
}

static bool is_counting(void)
{
	uint64_t before[FAKE_CPUS];
	bool is_any = false;

	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		before[i] = counter(i);
	for (unsigned int tries = 0; tries < 50 && !is_any; tries++) {
		usleep(tries ? 20000 : 50000);
		for (unsigned int i = 0; i < FAKE_CPUS; i++)
			is_any |= counter(i) != before[i];
	}
	return is_any;
}

/* Nothing of it moves within a tenth of a second. */
static bool is_still(void)
{
	uint64_t before[FAKE_CPUS];

	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		before[i] = counter(i);
	usleep(100000);
	for (unsigned int i = 0; i < FAKE_CPUS; i++)
		if (counter(i) != before[i])
			return false;
	return true;
}

static void test_session(void)
{
	start(false);
	CHECK_EQ("it runs", true, is_counting());
	client = join();
	ask("?", "T02thread:1;");
	CHECK_EQ("all stand", true, is_still());
	send_packet("qSupported:swbreak+;hwbreak+");
	receive();
	ask("QStartNoAckMode", "OK");
	ask("Z0,2008,1", "OK");
	send_packet("vCont;c");
	const char *stop = receive();

	CHECK_EQ("a breakpoint", 0, strncmp(stop, "T05thread:", 10));
	CHECK_EQ("of this kind", 0, strcmp(stop + 11, ";swbreak:;"));
	CHECK_EQ("all stand at it", true, is_still());
	ask("p10", "0820000000000000");
	ask("m2008,1", "90");
	ask("z0,2008,1", "OK");
	send_packet("vCont;s:0");
	CHECK_EQ("a step", 0, strncmp(receive(), "T05thread:", 10));
	ask("p10", "0920000000000000");
	CHECK_EQ("the others stood", true, is_still());
	send_packet("vCont;c");
	CHECK_EQ("it runs again", true, is_counting());
	send_raw("\x03");
	CHECK_EQ("interrupted", 0, strncmp(receive(), "T02thread:", 10));
	CHECK_EQ("all stand again", true, is_still());
	ask("D", "OK");
	CHECK_EQ("the end of the connection", -1, next_byte(client, WAIT_MS));
	CHECK_EQ("it runs without", true, is_counting());
	close(client);
	client = join();
	ask("?", "T02thread:1;");
	CHECK_EQ("a second session", true, is_still());
	close(client);
	CHECK_EQ("lost, it runs", true, is_counting());
	end();
}

static void test_wait(void)
{
	start(true);
	CHECK_EQ("it waits", true, is_still());
	CHECK_EQ("at its first instruction", 0, counter(0));
	client = join();
	ask("p10", "0020000000000000");
	send_packet("c");
	CHECK_EQ("it runs", true, is_counting());
	vm_stop(&vm, STATUS_RESET, "the guest asked for a reset");
	expect("the end is told", "W08");
	end();
	close(client);
}

static void test_watch(void)
{
	start(true);
	client = join();
	ask("Z2,3008,8", "OK");
	send_packet("c");
	expect("the second CPU's counter", "T05thread:2;watch:3008;");
	CHECK_EQ("once", 1, counter(1));
	ask("p10", "0620000000000000");
	send_packet("c");
	expect("again", "T05thread:2;watch:3008;");
	CHECK_EQ("twice", 2, counter(1));
	end();
	close(client);
}

/* All CPUs meet one breakpoint: each is told, and none is lost. */
static void test_all_meet(void)
{
	unsigned int told[FAKE_CPUS + 1] = { 0 };

	start(true);
	client = join();
	ask("Z0,2003,1", "OK");
	send_packet("c");
	for (unsigned int i = 0; i < 30; i++) {
		unsigned int thread = (unsigned int)receive()[10] - '0';

		ASSERT(thread >= 1 && thread <= FAKE_CPUS, "thread %u", thread);
		told[thread]++;
		/* As gdb does it: over the breakpoint alone, then all of them. */
		char packet[32];

		snprintf(packet, sizeof(packet), "Hg%u", thread);
		ask("z0,2003,1", "OK");
		ask(packet, "OK");
		ask("p10", "0320000000000000");
		snprintf(packet, sizeof(packet), "vCont;s:%u", thread);
		send_packet(packet);
		CHECK_EQ("stepped", (unsigned int)receive()[10] - '0', thread);
		ask("p10", "0420000000000000");
		ask("Z0,2003,1", "OK");
		send_packet("c");
	}
	for (unsigned int i = 1; i <= FAKE_CPUS; i++)
		ASSERT(told[i], "thread %u was never told", i);
	end();
	close(client);
}

/* The guest's own INT3 is the guest's. */
static void test_own(void)
{
	start(true);
	client = join();
	*at(CODE + 10) = 0xcc;
	ask("Z0,2003,1", "OK");
	send_packet("c");
	CHECK_EQ("ours", 0, strncmp(receive(), "T05thread:", 10));
	ask("z0,2003,1", "OK");
	ask("Z0,4000,1", "OK");		/* where nobody comes */
	send_packet("c");
	for (unsigned int i = 0; i < TEST_PATIENCE_MS / 10 && given_back < 5; i++)
		usleep(10000);
	ASSERT_GE(given_back, 5);
	CHECK_EQ("it runs", true, is_counting());
	send_raw("\x03");
	CHECK_EQ("and was not told", 0, strncmp(receive(), "T02thread:", 10));
	ask("m200a,1", "cc");
	end();
	close(client);
}

/* So is its own step, with DR6 as the guest expects it: no hit in it is the guest's. */
static void test_own_step(void)
{
	start(true);
	client = join();
	ask("Z2,5000,8", "OK");		/* where nobody writes */
	send_packet("c");
	steps_itself = true;
	for (unsigned int i = 0; i < TEST_PATIENCE_MS / 10 && given_back < 5; i++)
		usleep(10000);
	ASSERT_GE(given_back, 5);
	CHECK_EQ("it runs", true, is_counting());
	steps_itself = false;
	send_raw("\x03");
	CHECK_EQ("and was not told", 0, strncmp(receive(), "T02thread:", 10));
	CHECK_EQ("DR6.BS", 1 << 14, fake_cpus[0].dr6 | fake_cpus[1].dr6 | fake_cpus[2].dr6);
	end();
	close(client);
}

static void test_acknowledged(void)
{
	start(true);
	client = join();
	send_raw("$qC#b5");
	CHECK_EQ("wrong checksum", '-', next_byte(client, WAIT_MS));
	send_raw("$qC#b4");
	CHECK_EQ("right", '+', next_byte(client, WAIT_MS));
	expect("answer", "QC1");
	send_raw("-");
	expect("once more", "QC1");
	send_raw("+");
	CHECK_EQ("no more", -2, next_byte(client, 100));
	for (unsigned int i = 0; i < 20; i++)
		if (write(client, "-", 1) < 0)
			break;
	int byte = 0;

	while (byte >= 0)
		byte = next_byte(client, WAIT_MS);
	CHECK_EQ("asked for again and again", -1, byte);
	CHECK_EQ("the machine runs", true, is_counting());
	end();
	close(client);
}

static void test_second_client(void)
{
	start(false);
	client = join();
	ask("?", "T02thread:1;");
	int other = join();

	CHECK_EQ("sent away", -1, next_byte(other, WAIT_MS));
	close(other);
	ask("qC", "QC1");
	CHECK_EQ("all stand", true, is_still());
	end();
	close(client);
}

/* Nobody reads the answers: the connection goes, the machine runs. */
static void test_deaf_client(void)
{
	struct pollfd wait = { .events = POLLOUT };
	s64 sent = 0;

	start(false);
	client = join();
	wait.fd = client;
	while (poll(&wait, 1, WAIT_MS) == 1 && sent < 50000000) {
		ssize_t done = write(client, "$g#67$g#67$g#67$g#67", 20);

		if (done < 0)
			break;
		sent += done;
	}
	ASSERT_LE(sent, 49999999);
	CHECK_EQ("the machine runs", true, is_counting());
	close(client);
	client = join();
	ask("?", "T02thread:1;");
	end();
	close(client);
}

static void test_kill(void)
{
	start(false);
	client = join();
	send_packet("k");
	for (unsigned int i = 0; i < TEST_PATIENCE_MS / 10 && !vm_is_stopping(&vm); i++)
		usleep(10000);
	CHECK_EQ("it ends", true, vm_is_stopping(&vm));
	CHECK_EQ("status", STATUS_SIGNAL, vm.status);
	end();
	close(client);
}

/* Connections with noise in them, in every state. */
static void test_noise(void)
{
	static const char likely[] = "$#}+-\x03gmcZ0,2003,1vCont;s:1#67";
	u64 random = 7;

	start(false);
	for (unsigned int i = 0; i < 100; i++) {
		char bytes[512];

		client = join();
		for (size_t n = 0; n < sizeof(bytes); n++) {
			u64 r = xorshift(&random);

			bytes[n] = r & 0x300 ? likely[(r >> 16) % (sizeof(likely) - 1)] : (char)r;
		}
		if (write(client, bytes, sizeof(bytes)) < 0)
			test_note("gone already");
		if (i % 4 == 0)
			send_packet("vCont;c");
		while (i % 3 == 0 && next_byte(client, 20) >= 0)
			;
		close(client);
	}
	ASSERT(!vm_is_stopping(&vm), "stopped: %s", vm.reason);
	client = join();
	ask("?", "T02thread:1;");
	ask("m2000,10", "90909090909090909090909090909090");
	ask("D", "OK");
	CHECK_EQ("it runs", true, is_counting());
	end();
	close(client);
}

/* ---- with the control socket's commands ---- */

static struct power power;
static struct stats stats;
static struct control control;

static unsigned int saves;

/* A debugger comes meanwhile: it waits, and nothing is changed. */
static bool save(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch, struct state_error *error)
{
	*at(0x4000) = 0x34;
	client = join();
	send_packet("M4000,1:12");
	CHECK_EQ("nobody answers", -2, next_byte(client, 200));
	CHECK_EQ("as it was", 0x34, *at(0x4000));
	saves++;
	return true;
}

/* As hold_machine(), of a machine without devices. */
static bool hold(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error)
{
	ASSERT(pause_vcpus(&vm, vcpus, FAKE_CPUS, why), "a vCPU does not come out");
	if (!vm_is_attached(&vm))
		return true;
	vm_release(&vm, why);
	strcpy(error->text, "let it detach first");
	return false;
}

static void let_go(struct machine *machine, unsigned int why)
{
	vm_release(&vm, why);
}

/* Is @wanted in the answer? */
static void tell(const char *name, const char *command, const char *wanted)
{
	struct control_client from = { .files = { open("/dev/null", O_WRONLY) }, .file_count = 1 };
	size_t size;

	control = (struct control){
		.vm = &vm, .vcpus = vcpus, .vcpu_count = FAKE_CPUS, .power = &power, .stats = &stats, .hold = hold, .let_go = let_go, .save = save };
	snprintf(from.line, sizeof(from.line), "{\"command\":\"%s\"}", command);
	char *got = command_do(&control, &from, strlen(from.line), &size);

	ASSERT(got, "no memory");
	got[size - 1] = 0;
	if (!strstr(got, wanted))
		test_note("%s: %s: wanted %s, got %s", name, command, wanted, got);
	CHECK_EQ(name, true, !!strstr(got, wanted));
	free(got);
}

#define OK	"{\"ok\":true"

/* A debugger comes to a paused machine, and lets go what goes on once it is resumed. */
static void test_paused_first(void)
{
	start(false);
	CHECK_EQ("it runs", true, is_counting());
	tell("paused", "pause", OK);
	CHECK_EQ("it stands", true, is_still());
	client = join();
	ask("?", "T02thread:1;");
	ask("QStartNoAckMode", "OK");
	send_raw("+");
	ask("m2000,2", "9090");
	ask("M2001,1:90", "OK");
	tell("still paused", "status", "\"state\":\"paused\"");
	send_packet("vCont;c");
	CHECK_EQ("it stands until both let it go", true, is_still());
	send_raw("\x03");
	CHECK_EQ("interrupted where it stands", 0, strncmp(receive(), "T02thread:", 10));
	tell("and let go here", "resume", OK);
	tell("the debugger has it", "status", "\"state\":\"debugged\"");
	CHECK_EQ("it stands", true, is_still());
	tell("paused again", "pause", OK);
	ask("Z0,2008,1", "OK");
	send_packet("vCont;c");
	CHECK_EQ("it stands once more", true, is_still());
	tell("let go", "resume", OK);
	CHECK_EQ("a breakpoint", 0, strncmp(receive(), "T05thread:", 10));
	ask("z0,2008,1", "OK");
	tell("paused before a step", "pause", OK);
	send_packet("vCont;s:1");
	CHECK_EQ("no step", -2, next_byte(client, 100));
	tell("let go", "resume", OK);
	expect("a step", "T05thread:1;");
	tell("paused", "pause", OK);
	close(client);
	CHECK_EQ("the debugger is gone, it is paused", true, is_still());
	tell("paused", "status", "\"state\":\"paused\"");
	tell("let go", "resume", OK);
	CHECK_EQ("it runs", true, is_counting());
	end();
}

/* The control socket finds a machine that the debugger has stopped. */
static void test_stopped_first(void)
{
	static const struct {
		const char *command, *wanted;
	} rows[] = {
		{ "status", "\"state\":\"debugged\"" },
		{ "resume", OK },
		{ "status", "\"state\":\"debugged\"" },
		{ "pause", OK },
		{ "pause", OK },
		{ "status", "\"state\":\"paused\"" },
		{ "power-button", "resume it first" },
		{ "resume", OK },
		{ "power-button", "the debugger has stopped the machine" },
		{ "nmi", "LINT1" },
		{ "status", "\"state\":\"debugged\"" },
	};

	start(true);
	tell("stopped before a debugger has come", "status", "\"state\":\"debugged\"");
	client = join();
	ask("?", "T02thread:1;");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tell(rows[i].command, rows[i].command, rows[i].wanted);
	CHECK_EQ("it stands", true, is_still());
	send_packet("vCont;c:2");
	CHECK_EQ("one runs", true, is_counting());
	tell("one runs", "status", "\"state\":\"running\"");
	tell("who rests stands for this as well", "pause", OK);
	CHECK_EQ("it stands", true, is_still());
	tell("let go", "resume", OK);
	CHECK_EQ("the one runs", true, is_counting());
	CHECK_EQ("not another", 0, counter(0));
	send_raw("\x03");
	CHECK_EQ("interrupted", 0, strncmp(receive(), "T02thread:", 10));
	tell("ended", "quit", OK);
	CHECK_EQ("that is asked for", true, control.is_quitting);
	vm_stop(&vm, STATUS_QUIT, "as the control thread does");
	end();
	close(client);
}

static void test_saved(void)
{
	start(false);
	tell("saved", "save", OK);
	CHECK_EQ("once", 1, saves);
	expect("written now", "OK");
	ask("QStartNoAckMode", "OK");
	ask("m4000,1", "12");
	tell("with a debugger", "save", "let it detach first");
	send_packet("vCont;c");
	CHECK_EQ("it runs", true, is_counting());
	tell("with one that has let it go", "save", "let it detach first");
	CHECK_EQ("no more", 1, saves);
	send_packet("D");
	while (next_byte(client, WAIT_MS) >= 0)
		;
	close(client);
	CHECK_EQ("it runs", true, is_counting());
	tell("without", "save", OK);
	CHECK_EQ("twice", 2, saves);
	end();
	close(client);
}

/* Both at once, again and again: nobody waits for ever, and in the end it runs. */
static void test_both(void)
{
	start(false);
	client = join();
	ask("?", "T02thread:1;");
	for (unsigned int i = 0; i < 50; i++) {
		send_packet("vCont;c");
		tell("pause", "pause", OK);
		send_raw("\x03");
		tell("resume", "resume", OK);
		CHECK_EQ("interrupted", 0, strncmp(receive(), "T02thread:", 10));
	}
	close(client);
	CHECK_EQ("it runs", true, is_counting());
	tell("it runs", "status", "\"state\":\"running\"");
	end();
}

static const struct test_case cases[] = {
	{ "session", test_session },
	{ "wait", test_wait },
	{ "watch", test_watch },
	{ "all_meet", test_all_meet },
	{ "own", test_own },
	{ "own_step", test_own_step },
	{ "acknowledged", test_acknowledged },
	{ "second_client", test_second_client },
	{ "deaf_client", test_deaf_client },
	{ "kill", test_kill },
	{ "noise", test_noise },
	{ "paused_first", test_paused_first },
	{ "stopped_first", test_stopped_first },
	{ "saved", test_saved },
	{ "both", test_both },
};

TEST_MAIN(cases)

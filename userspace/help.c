// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row a subject. What `keel run` and `keel dma` say of themselves is beside
 * their options, in options.c.
 */
#include <string.h>

#include "help.h"
#include "status.h"

static const char ctl_help[] =
	"Usage: keel ctl [--json] SOCKET|NAME COMMAND [FILE|SIZE|ADDRESS|OPTION...]\n"
	"Send one command to a running machine and print its answer. What has a slash is the path\n"
	"of its socket (keel run --control), else it is its name (keel run --name).\n"
	"\n"
	"  status               running, paused or stopped by a debugger, process, CPUs, memory, seconds since its start\n"
	"  pause                let no CPU enter the guest, until\n"
	"  resume               let them go on\n"
	"  power-button         press the guest's power button\n"
	"  reset                reset it, if it was started with --reset reboot\n"
	"  mark                 remember all of it, for reset --to-mark; see 'keel help mark'\n"
	"  reset --to-mark [--same]\n"
	"                       have it be what it was then, as another one, or as the same\n"
	"  nmi                  send an interrupt that the guest cannot mask (its LINT1 pin)\n"
	"  stats                what the kernel module has counted, and the balloon\n"
	"  balloon SIZE         ask the guest to give SIZE of its memory back in all\n"
	"  save FILE            save the machine into FILE, for 'keel restore'; it stands meanwhile\n"
	"  save FILE --track    and log what is written from then on, for\n"
	"  save FILE --incremental BASE\n"
	"                       what was written since it was saved into BASE, which FILE needs then\n"
	"  migrate ADDRESS      move it to a 'keel restore --listen ADDRESS', running; see 'keel help migrate'\n"
	"  fork                 make another machine of it, which goes on from the same moment; see 'keel help fork'\n"
	"  quit                 end the machine at once\n"
	"\n"
	"  --json               the answer as one line of JSON\n"
	"  --help               this text\n";

static const char list_help[] =
	"Usage: keel list [--json]\n"
	"List the running machines of this user that have a name (keel run --name).\n"
	"\n"
	"  --json               an array of JSON in place of the table\n"
	"  --help               this text\n";

static const char memory_help[] =
	"keel run --memory-backing KIND[,KIND]\n"
	"What the host takes the guest's memory from, as the guest touches it.\n"
	"\n"
	"  thp                  transparent huge pages where it can (so too if nothing is said)\n"
	"  hugetlb              huge pages of 2M that were set aside, all of them at once:\n"
	"                       echo 512 > /proc/sys/vm/nr_hugepages\n"
	"  merge                small pages, and those that are alike are one page for all machines\n"
	"                       that say merge: echo 1 > /sys/kernel/mm/ksm/run\n"
	"  shared               a memfd, which other processes can map; alone or with thp or hugetlb;\n"
	"                       so too with --net vhost-user and --share\n"
	"\n"
	"keel run --balloon WORD[,WORD]...\n"
	"A virtio balloon, by which the guest gives memory back to the host; not with --vfio or hugetlb.\n"
	"\n"
	"  size=SIZE            what it is asked to give from the start (0); later: keel ctl NAME balloon SIZE\n"
	"  deflate_on_oom=on|off\n"
	"                       it takes some back before it runs out of memory (on)\n"
	"  free_page_reporting=on|off\n"
	"                       it gives what is free without being asked (on)\n"
	"\n"
	"  keel run ... --memory 1G --balloon size=0 --name web; keel ctl web balloon 512M\n";

static const char net_help[] =
	"keel run --net BACKEND[,WORD]...\n"
	"A virtio network device and what carries its frames on the host; up to 4 times.\n"
	"\n"
	"  tap=NAME             a TAP interface, which must be there; the kernel moves the frames\n"
	"                       (vhost-net) where it can, else keel does\n"
	"  user                 passt, without privilege: the guest reaches what the host reaches\n"
	"  vhost-user=SOCKET    a program that listens there, with the guest's memory shared\n"
	"\n"
	"  vhost=on|off         tap: end if vhost-net cannot be had, or do without it\n"
	"  queues=N             tap, vhost-user: so many pairs of queues, 1 to 4 (1)\n"
	"  forward=[udp:]HOSTPORT:GUESTPORT\n"
	"                       user: what comes to a TCP or UDP port of the host goes to the\n"
	"                       guest; up to 16 times\n"
	"  mac=ADDRESS          of the guest, as 02:00:00:00:00:01 (a random one)\n"
	"  mtu=N                what the guest is told, 68 to 65535\n"
	"\n"
	"  ip tuntap add tap0 mode tap user alice; ip link set tap0 master br0 up\n"
	"  keel run ... --net tap=tap0 --net user,forward=2222:22\n";

static const char share_help[] =
	"keel run --share DIR[,tag=TAG][,readonly]\n"
	"keel run --share socket=PATH,tag=TAG\n"
	"Share a directory of the host with the guest (virtio-fs); up to 8 times. In the guest, which needs\n"
	"Linux 5.4 or newer:\n"
	"\n"
	"  mount -t virtiofs TAG /mnt\n"
	"\n"
	"  DIR                  keel starts virtiofsd for it (apt-get install qemu-system-common)\n"
	"  tag=TAG              what the guest calls it, up to 36 bytes (the last part of DIR's name)\n"
	"  readonly             the guest cannot change anything in it\n"
	"  socket=PATH          a virtiofsd, started by you, listens there\n"
	"\n"
	"Started by root, the guest's users are the host's users of the same numbers, and its root is\n"
	"root in DIR: what it puts there with the set-user-ID bit has it on the host too. Started by\n"
	"another user, all files are that user's, who is root for the guest; no other user of the guest\n"
	"can make files. The guest's memory is shared with virtiofsd (--memory-backing shared).\n"
	"\n"
	"  keel run ... --share ~/src,tag=src,readonly --share /srv/data\n";

static const char config_help[] =
	"keel run --config FILE\n"
	"The file is one object of JSON, with options of 'keel run' by their names without dashes.\n"
	"A value is a string or a whole number; of an option without a value it is true or false;\n"
	"of one that can be given several times it may be an array. What the command line gives\n"
	"wins over the file, all disks over all disks. Paths are as on the command line.\n"
	"\n"
	"  { \"kernel\": \"/boot/vmlinuz\", \"cpus\": 2, \"memory\": \"1G\",\n"
	"    \"disk\": [ \"root.img\", \"data.img,ro\" ], \"no-rng\": true,\n"
	"    \"net\": \"user,forward=2222:22\" }\n";

static const char control_help[] =
	"keel run --control SOCKET, or --name NAME\n"
	"The machine listens at a unix stream socket, for its owner alone, up to 16 clients at once.\n"
	"A request is a line, an object of JSON with \"command\", and \"id\" if you like, which comes\n"
	"back in the answer; an answer is a line too, an object with \"ok\", and if that is false\n"
	"\"error\". 'keel help ctl' has the commands. The socket of a NAME is\n"
	"$XDG_RUNTIME_DIR/keel/NAME.sock, root's /run/keel/NAME.sock.\n"
	"\n"
	"  echo '{\"command\": \"status\"}' | socat - UNIX-CONNECT:SOCKET\n";

static const char fork_help[] =
	"keel ctl [--json] SOCKET|NAME fork [--control SOCKET | --name NAME] [--serial FILE] [--paused]\n"
	"                                 [--wait] [--status-json FILE] [--net user[,WORD]...]...\n"
	"Of a machine that was started with --forkable another one is made: a process of its own, with\n"
	"the same memory, copied on write, which goes on from the same moment. Both run on. The answer\n"
	"has the new process's number.\n"
	"\n"
	"  --control SOCKET     where the new machine takes commands, or\n"
	"  --name NAME          the same, where 'keel ctl NAME' and 'keel list' look for it; without\n"
	"                       either it takes none\n"
	"  --serial FILE        what its serial port prints goes there; of a terminal it reads as well\n"
	"                       (without: is lost)\n"
	"  --paused             it waits for 'keel ctl NAME resume'\n"
	"  --wait               wait for its end, print how it was, and exit with its exit status; 13 if it\n"
	"                       was killed or crashed\n"
	"  --status-json FILE   the same as a line of JSON in FILE, at its end\n"
	"  --net user[,WORD]... what its network device leads to, one for each (keel help net); without,\n"
	"                       the link is down\n"
	"\n"
	"keel run --forkable needs --control or --name; its disks have ,ro or ,snapshot, and it has no\n"
	"--net but user, no --share, --vfio, --firmware-vars, --memory-backing shared or hugetlb, and at\n"
	"most 8 CPUs.\n"
	"The new guest is told that it is another (keel(1), IDENTITY), so that its random numbers are\n"
	"its own; host name and all else are the same in both.\n"
	"\n"
	"  keel run --kernel vmlinuz --forkable --name warm\n"
	"  keel ctl warm fork --name one --serial one.log; keel ctl one status\n"
	"  keel ctl warm fork --wait --serial job.log || echo \"ended with $?\"\n";

static const char mark_help[] =
	"keel ctl [--json] SOCKET|NAME mark\n"
	"keel ctl [--json] SOCKET|NAME reset --to-mark [--same]\n"
	"A machine that was started with --markable remembers what it is: memory, CPUs, devices, and what\n"
	"its snapshots of disks were written. As often as you like it goes back to that, at the cost of\n"
	"what has changed since. Its clocks go on; what it has printed stays printed. The answer to\n"
	"mark has the bytes of memory that were kept, to reset the pages that were put back.\n"
	"The guest is told that it is another one (keel(1), IDENTITY), so that its random numbers are not\n"
	"those of the last time; not with --same, where each time begins alike.\n"
	"Another mark takes the place of the last one; a fork (keel help fork) has none.\n"
	"\n"
	"keel run --markable needs --control or --name; its disks have ,ro or ,snapshot, and it has no\n"
	"--net, --share, --vfio, --firmware, --watchdog or --memory-backing shared, and at most 8 CPUs.\n"
	"Huge pages of the host are no use to it, as what the guest writes is followed page by page.\n"
	"\n"
	"  keel run --kernel vmlinuz --disk root.img,snapshot --markable --name fuzz\n"
	"  keel ctl fuzz mark; ...; keel ctl fuzz reset --to-mark\n";

static const char migrate_help[] =
	"keel restore --listen ADDRESS [--disk FILE]... [OPTION]...\n"
	"keel ctl [--json] SOCKET|NAME migrate ADDRESS\n"
	"keel ctl [--json] SOCKET|NAME migrate --status | --cancel | --take-back\n"
	"A running machine moves to another launcher, which waits for it with the same disks, on this host\n"
	"or another. Its memory is copied while it runs; then it stands for a moment, and goes on there.\n"
	"Whatever fails before leaves it where it was. In the end this launcher ends, with exit status 26.\n"
	"\n"
	"  ADDRESS              unix:PATH, or tcp:ADDRESS:PORT with a numeric address (tcp:PORT: of the\n"
	"                       loopback); nothing is encrypted: ssh -L HERE:THERE carries a unix socket\n"
	"  --status             how far it is, or why the last one failed\n"
	"  --cancel             have it stay (so does interrupting 'keel ctl migrate')\n"
	"  --take-back          of a machine that was handed over, where the connection broke before that\n"
	"                       was confirmed: it goes on here. Only if the other side does not run it!\n"
	"\n"
	"A guest that writes faster than it can be copied is slowed down, and stays if that does not help.\n"
	"Such a machine has no --net, --share, --vfio, --watchdog, --firmware, --markable or snapshot of a disk.\n"
	"\n"
	"  keel restore --listen unix:/tmp/move --disk root.img --name new\n"
	"  keel ctl old migrate unix:/tmp/move\n";

static const char restore_help[] =
	"Usage: keel restore FILE [OPTION]...\n"
	"       keel restore --listen ADDRESS [OPTION]...\n"
	"Go on with a virtual machine that was saved into FILE, or comes from another launcher, its serial\n"
	"port on the terminal.\n"
	"\n"
	"  --listen ADDRESS     where a machine comes that 'keel ctl migrate' moves; see 'keel help migrate'\n"
	"  --disk FILE[,ro|,snapshot]\n"
	"                       each of its disks, in the same order, as it was left\n"
	"  --memory lazy|eager  when the file's memory is read: as it is touched, with the rest in the\n"
	"                       background, or all of it before the guest runs (lazy, where the host can)\n"
	"  --device NODE        device node with KVM's interface (/dev/keel)\n"
	"  --memory-backing KIND, --dma POLICY, --no-sandbox, --stats, --status-json FILE,\n"
	"  --control SOCKET, --name NAME, --forkable, --markable, --daemon,\n"
	"  --pid-file FILE\n"
	"                       as for keel run\n"
	"  --help               this text\n";

static const char inspect_help[] =
	"Usage: keel inspect FILE [--json]\n"
	"       keel inspect --diff FILE FILE\n"
	"Print what is in a saved virtual machine, or what differs between two: status 1 if anything\n"
	"does.\n"
	"\n"
	"  --json               one line of JSON\n"
	"  --diff               compare two\n"
	"  --help               this text\n";

static const char gdb_help[] =
	"keel run --gdb SOCKET[,wait]\n"
	"The machine listens for a debugger that speaks GDB's remote protocol: at a Unix socket, for\n"
	"its owner alone, or at tcp:PORT of the loopback address, or tcp:ADDRESS:PORT with a numeric\n"
	"address. Whoever connects stops it; with wait it does not start before a debugger lets it go.\n"
	"Virtual CPUs are gdb's threads. At the end of a session the guest runs on, without breakpoints.\n"
	"keel(1) has more under DEBUGGING.\n"
	"\n"
	"  keel run --kernel vmlinuz --append \"console=ttyS0 nokaslr\" --gdb ./guest.gdb,wait\n"
	"  gdb vmlinux.debug -ex \"target remote ./guest.gdb\"\n"
	"\n"
	"While it has stopped the machine 'keel ctl' calls that 'debugged'. What 'keel ctl' has paused\n"
	"goes on when both let it, and nothing is saved while a debugger is connected.\n";

static const char cpu_models_help[] =
	"Usage: keel cpu-models [OPTION]...\n"
	"Show which models of 'keel run --cpu-model' this host has, and what it lacks for the others.\n"
	"\n"
	"  --json               one line of JSON in place of the table, with all features of this host\n"
	"  --device NODE        device node with KVM's interface (/dev/keel)\n"
	"  --help               this text\n";

static const char cpu_help[] =
	"keel run --cpu-model MODEL[,+FEATURE|,-FEATURE]...[,vendor=host] | FILE\n"
	"A guest looks at its CPU once, at boot, and goes on wherever a host has all that it was told of.\n"
	"\n"
	"  host                 all that this host can give; moves to hosts that have as much\n"
	"  x86-64, x86-64-v2, x86-64-v3, x86-64-v4\n"
	"                       the levels that compilers know; moves to all hosts that have the level\n"
	"                       ('keel cpu-models'), from Intel's CPUs to AMD's and back\n"
	"  +FEATURE, -FEATURE   as in /proc/cpuinfo; what needs FEATURE goes with it\n"
	"  vendor=host          a level whose guest sees the vendor, family and caches of this host: it\n"
	"                       guards against that CPU's faults, and moves among that vendor's\n"
	"  FILE                 a path with a '/': such words, with blanks, lines or commas between them,\n"
	"                       and comments that begin with a '#'\n"
	"\n"
	"A machine that is restored or moved keeps its model; a host that lacks any of it says what. The\n"
	"vendor of a level is \"" CPU_VENDOR_NEUTRAL "\", which no system knows: Linux takes such a CPU for\n"
	"vulnerable to all that it cannot rule out, but does not know the faults of one CPU.\n"
	"\n"
	"  keel run --kernel vmlinuz --cpu-model x86-64-v3,+aes,+pclmulqdq --name mover\n";

static const char firmware_help[] =
	"keel run --firmware seabios|ovmf|FILE [--firmware-vars FILE] --disk FILE\n"
	"The machine starts in its firmware, as a PC does, and that boots the first disk by the disk's\n"
	"own boot loader: no --kernel, --initrd or --append. seabios is /usr/share/seabios/bios-256k.bin,\n"
	"of Debian's package seabios, for disks with a master boot record; ovmf is the UEFI firmware\n"
	"/usr/share/OVMF/OVMF_CODE_4M.fd, of Debian's package ovmf, for disks with an EFI system\n"
	"partition; a FILE is the image of other firmware for QEMU's or a plain PC, a whole number of\n"
	"64 KB up to 16 MB, which ends where 4 GB do.\n"
	"\n"
	"--firmware-vars FILE is what UEFI firmware keeps, in a flash below its image, and is written.\n"
	"For ovmf it is made as a copy of /usr/share/OVMF/OVMF_VARS_4M.fd if it is not there; without\n"
	"it, what ovmf keeps is lost at the end. Other firmware has a flash only with it, and wants it\n"
	"to be there: a copy of what comes with that firmware.\n"
	"\n"
	"There is no display: firmware and boot loader speak on the serial port, and a boot loader or\n"
	"kernel that would rather have a display must be told (serial 0 115200, console=ttyS0). Such a\n"
	"machine cannot be saved.\n"
	"\n"
	"--reset reboot starts the machine again when its guest resets it, in place of an end with exit\n"
	"status 8; not with --vfio or --gdb. A guest that comes to nothing ten times in a row, within a\n"
	"second of its start, ends with exit status 24.\n"
	"\n"
	"  keel run --firmware seabios --reset reboot --memory 1G --disk debian.img\n"
	"  keel run --firmware ovmf --firmware-vars debian.vars --memory 1G --disk debian.img\n";

static const struct subject {
	const char *name;
	enum options_action action;
	const char *text;	/* NULL: options.c has it */
} subjects[] = {
	{ "run", OPTIONS_HELP_RUN, NULL },
	{ "ctl", OPTIONS_HELP_CTL, ctl_help },
	{ "list", OPTIONS_HELP_LIST, list_help },
	{ "restore", OPTIONS_HELP_RESTORE, restore_help },
	{ "inspect", OPTIONS_HELP_INSPECT, inspect_help },
	{ "dma", OPTIONS_HELP_DMA, NULL },
	{ "cpu-models", OPTIONS_HELP_CPU_MODELS, cpu_models_help },
	{ "cpu", OPTIONS_HELP_CPU, cpu_help },
	{ "memory", OPTIONS_HELP_MEMORY, memory_help },
	{ "net", OPTIONS_HELP_NET, net_help },
	{ "share", OPTIONS_HELP_SHARE, share_help },
	{ "config", OPTIONS_HELP_CONFIG, config_help },
	{ "control", OPTIONS_HELP_CONTROL, control_help },
	{ "fork", OPTIONS_HELP_FORK, fork_help },
	{ "mark", OPTIONS_HELP_MARK, mark_help },
	{ "migrate", OPTIONS_HELP_MIGRATE, migrate_help },
	{ "gdb", OPTIONS_HELP_GDB, gdb_help },
	{ "firmware", OPTIONS_HELP_FIRMWARE, firmware_help },
};

int help_find(const char *subject, enum options_action *action)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (!strcmp(subject, subjects[i].name)) {
			*action = subjects[i].action;
			return 0;
		}
	}
	return status_fail(STATUS_USAGE, "no help on '%s'; there is some on run, ctl, list, restore, inspect, dma, cpu-models, cpu, memory, net, share, config, control, fork, mark, migrate, gdb and firmware", subject);
}

bool help_print(FILE *out, enum options_action action)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (subjects[i].action == action && subjects[i].text) {
			fputs(subjects[i].text, out);
			return true;
		}
	}
	return false;
}

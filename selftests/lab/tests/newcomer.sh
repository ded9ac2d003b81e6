# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2015,SC2016,SC2217
# run: --kernel 6.1 --module keel --cpus 2 --extra loop --about 60
# long: --kernel 6.1 --module kvm --cpus 2 --extra loop --about 60
# needs: launcher
#
# What somebody who does not know the launcher gives it: every wrong input has its exit status and one line that says
# what was given, what is wrong and what helps; nothing is lost, and nothing happens in silence.

. /lab/tap.sh

cd "$(mktemp -d)" || exit 1
device=${KEEL_DEVICE:-/dev/keel}

# elf FILE CODE - a kernel of a few bytes: ELF header, one segment at 16 MB, the code
elf() {
	{
		printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\076\0\1\0\0\0\0\0\0\1\0\0\0\0\100\0\0\0\0\0\0\0'
		printf '\0\0\0\0\0\0\0\0\0\0\0\0\100\0\070\0\1\0\0\0\0\0\0\0'
		printf '\1\0\0\0\7\0\0\0\170\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0'
		printf '\100\0\0\0\0\0\0\0\100\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		# shellcheck disable=SC2059
		printf "$2"
		head -c 64 /dev/zero
	} >"$1"
}
# R to the serial port; power-off by ACPI; a loop
say='\146\272\370\3\260\122\356' off='\146\272\4\6\146\270\0\064\146\357' loop='\353\376'
elf off.elf "$say$off$loop"
elf loop.elf "$say$loop"
elf many.elf "\\271\\0\\0\\2\\0$say\\342\\367$off$loop"	# 131072 times
head -c 1048576 /dev/zero >disk
head -c 1000 /dev/zero >odd
: >empty
: >small
head -c 100 /dev/zero >small
mkdir directory
mkfifo fifo
{ printf 'QFI\373' && head -c 1048572 /dev/zero; } >image.qcow2
printf '\037\213\010' | cat - disk >vmlinux.gz
ln disk link
cp disk a,ro

# try ARGUMENTS... - run it, at most 20 s, without input; status, what it said
try() {
	timeout -k 5 20 keel "$@" </dev/null >out 2>err
	status=$?
	cat err
}

# is STATUS WORDS - what try() left: the status, and a line with the words (none: nothing said)
is() {
	[ "$status" = "$1" ] || { echo "status $status, wanted $1"; return 1; }
	if [ -z "${2:-}" ]; then
		[ ! -s err ]
	else
		grep -qE -- "$2" err && [ "$(grep -vc warning err)" -le 1 ]
	fi
}

# words STATUS WORDS ARGUMENTS... - of keel as they are
words() {
	tap_status=$1 tap_words=$2
	shift 2
	try "$@"
	is "$tap_status" "$tap_words"
}

# run STATUS WORDS OPTIONS... - of keel run, with a kernel that powers off
run() {
	tap_status=$1 tap_words=$2
	shift 2
	try run --device "$device" --kernel off.elf --memory 32M "$@"
	is "$tap_status" "$tap_words"
}

# kernel STATUS WORDS FILE OPTIONS... - this kernel
kernel() {
	tap_status=$1 tap_words=$2
	shift 2
	try run --device "$device" --memory 32M --kernel "$@"
	is "$tap_status" "$tap_words"
}

# limited LIMIT VALUE STATUS WORDS OPTIONS... - as run, under a limit of ulimit's; status "any" is all but 0
limited() {
	tap_limit=$1 tap_value=$2 tap_status=$3 tap_words=$4
	shift 4
	# shellcheck disable=SC3045
	{
		(ulimit "$tap_limit" "$tap_value" && exec keel run --device "$device" --kernel off.elf "$@") \
			</dev/null 2>&1 >/dev/null
		echo $? >code
	} | cat >err
	status=$(cat code)
	cat err
	[ "$tap_status" != any ] || [ "$status" = 0 ] || tap_status=$status
	is "$tap_status" "$tap_words"
}

# started NAME OPTIONS... - one in the background that has said R
started() {
	: >"$1.out"
	name=$1
	shift
	keel run --device "$device" --kernel loop.elf --memory 32M "$@" \
		</dev/null >"$name.out" 2>"$name.err" &
	pid=$!
	within 20 grep -q R "$name.out"
}

# ended STATUS - the one that started() left ends by itself within 3 s with that status
ended() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		[ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" || break
		usleep 200000
	done
	kill -9 "$pid" 2>/dev/null
	wait "$pid"
	tap_status=$?
	[ "$tap_status" = "$1" ] || { echo "status $tap_status, wanted $1"; return 1; }
}

json() { tail -n 1 "$1" | grep -q "^{\"status\": $2, .*}\$" && [ "$(wc -l <"$1")" = 1 ]; }

begin 124

# The command line.
check "no arguments" words 2 "no command; try"
check "an unknown command" words 2 "unknown command 'runn'" runn
check "version, not an option" words 2 "unknown command 'version'" version
check "run alone" words 2 "--kernel FILE" run
check "a file without its option" words 2 "unexpected argument 'vmlinuz'.*--kernel" run vmlinuz
check "a short option" words 2 "unknown option '-m'.*--help" run -m 512
check "two dashes" words 2 "unknown option '--'" run --
check "an empty word" words 2 "unexpected argument ''" run ""
check "an option cut short" words 2 "unknown option '--mem'" run --mem 512M
check "no value" words 2 "--kernel needs a value" run --kernel
check "a value too many" words 2 "--no-rng takes no value" run --no-rng=1
check "given twice" words 2 "given twice" run --cpus 1 --cpus 2
check "an option in place of a value" words 2 "--cpus needs a value, and --memory is an option" run --cpus --memory 1G
check "help goes nowhere" eval 'keel --help >/dev/full 2>err; status=$?
	is 13 "cannot write to standard output: No space"'
check "help is closed" eval 'keel --help >&- 2>err; status=$?
	is 13 "cannot write to standard output"'
check "help" eval 'try --help; is 0 && grep -q "^Usage: keel run" out'

# The kernel.
check "kernel missing" kernel 5 "cannot open nowhere: No such file" nowhere
check "kernel of no name" kernel 5 "cannot open : No such file" ""
check "kernel a directory" kernel 5 "not a regular file" directory
check "kernel a FIFO" kernel 5 "not a regular file" fifo
check "kernel /dev/null" kernel 5 "not a regular file" /dev/null
check "kernel empty" kernel 5 "empty: an empty file" empty
dd if=/dev/zero of=large bs=1 count=1 seek=2147483648 2>/dev/null
check "kernel of 2 GB" kernel 5 "large: 2048 MB, and at most 1024 MB" large
check "kernel of 100 bytes" kernel 5 "small: too short for a kernel" small
check "kernel of zeros" kernel 5 "neither a bzImage nor an ELF file" disk
check "kernel compressed" kernel 5 "vmlinux.gz: compressed; unpack it" vmlinux.gz
check "a whole kernel of few bytes" kernel 0 "" off.elf
head -c 130 off.elf >cut.elf
check "kernel cut" kernel 5 "truncated: an ELF segment lies outside the file" cut.elf
check "initrd missing" run 5 "cannot open nowhere" --initrd nowhere
check "initrd empty" run 5 "empty: an empty file" --initrd empty
dd if=/dev/zero of=initrd bs=1 count=1 seek=60000000 2>/dev/null
check "initrd too large" run 5 "initrd: no room for it beside the kernel" --initrd initrd
long=$(head -c 2048 /dev/zero | tr '\0' a)
check "command line too long" run 5 "--append: 2048 characters, the kernel takes 2047" --append "$long"

# Numbers.
for row in 0 1M 16777217 2T; do
	check "memory $row" words 2 "--memory $row: .*16M" run --kernel k --memory $row
done
check "memory of 512 bytes" words 2 "that is bytes.*512M" run --kernel k --memory 512
for row in 512MB 1.5G -1 0x1000000 100000000000000000000; do
	check "memory $row" words 2 "--memory $row: not a size" run --kernel k --memory=$row
done
for row in 0 255 1000; do
	check "cpus $row" words 2 "--cpus $row: must be 1 to 254" run --kernel k --cpus $row
done
for row in two 2.5 -1; do
	check "cpus $row" words 2 "--cpus $row: not a number; 1 to 254" run --kernel k --cpus=$row
done
check "254 vCPUs" run 0 "" --cpus 254
largest() {
	try run --device "$device" --kernel off.elf --memory 1T
	# An address width of 40 bits has no room for it; a wider one has.
	is 0 || is 6 "--memory 1048576M: this CPU has [0-9]+ address bits, .*[0-9]+M at most"
}
check "memory 1T" largest

# Disks.
check "disk missing" run 7 "--disk nowhere: cannot open it: No such file" --disk nowhere
check "disk a directory" run 7 "--disk directory: .*directory" --disk directory
check "disk a FIFO" run 7 "--disk fifo: not a file or block device" --disk fifo
check "disk /dev/null" run 7 "--disk /dev/null: not a file or block device" --disk /dev/null
check "disk empty" run 7 "--disk empty: smaller than one sector" --disk empty
check "disk of no whole sectors" run 0 "warning: odd: the last 488 bytes" --disk odd
check "disk, an option that is none" run 7 ",ro, ,rw or ,snapshot, nothing else" --disk disk,copy
rm -f a
check "disk whose name ends in ,ro" run 7 "a name that ends in ,ro or ,snapshot is given with" --disk a,ro
check "the same, as it is to be given" run 0 "" --disk a,ro,rw
check "disk twice" run 7 "the same file as --disk disk; .*,ro" --disk disk --disk disk
check "disk by a hard link" run 7 "the same file as --disk disk" --disk disk --disk link,ro
check "disk twice, to read" run 0 "" --disk disk,ro --disk link,ro
check "a qcow2 image of no version" run 7 "a qcow2 image of a version that is neither 2 nor 3; qemu-img convert" --disk image.qcow2
check "a disk of a server that is not there" run 7 "cannot connect to the server: No such file" --disk nbd:unix:nowhere
check "a disk of a server by its name" run 2 "no numeric address, nor localhost" --disk nbd://example.org/disk
check "a disk of a server, without its address" run 2 "must be nbd:unix:PATH, nbd:HOST:PORT or nbd://HOST/EXPORT" --disk nbd:disk
many=''
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do many="$many --disk disk,ro"; done
# shellcheck disable=SC2086
check "16 disks" run 0 "" $many
# shellcheck disable=SC2086
check "17 disks" run 2 "at most 16 disks" $many --disk disk,ro
started one --disk disk
check "disk of another launcher" run 7 "in use by another process" --disk disk,ro
kill "$pid"
check "which ends" ended 15
chmod 444 disk
as_nobody() {
	[ "$(id -u)" = 0 ] || { echo "not root"; return 0; }
	cp "$(command -v keel)" off.elf /tmp/
	chmod 755 . /tmp/keel
	chmod 666 "$device"
	setuidgid_run "$@"
}
# busybox has no setuidgid everywhere; su has
setuidgid_run() {
	su -s /bin/sh nobody -c "cd '$PWD' && keel run --device '$device' --kernel off.elf --memory 32M $1" \
		</dev/null >/dev/null 2>/tmp/nobody.err
	status=$?
	cat /tmp/nobody.err
	cp /tmp/nobody.err err
	is "$2" "$3"
}
grep -q ^nobody: /etc/passwd 2>/dev/null || {
	mkdir -p /etc
	echo 'root:x:0:0:root:/root:/bin/sh' >>/etc/passwd
	echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >>/etc/passwd
}
mode=$(stat -c %a "$device")
check "disk that may only be read" as_nobody "--disk disk" 7 "Permission denied \(to read alone is allowed: ,ro"
check "the same with ,ro" as_nobody "--disk disk,ro" 0 ""
chmod 600 "$device"
check "a node that may not be used" setuidgid_run "" 3 "cannot open it: Permission denied .*chgrp"
chmod "$mode" "$device"
chmod 644 disk
# A block device that the host uses, here to swap to it.
taken() {
	head -c 4194304 /dev/zero >device.img
	node=$(losetup -f)
	losetup "$node" device.img && mkswap "$node" && swapon "$node" || return 1
	run 7 "Device or resource busy \(the host itself uses it" --disk "$node" &&
		run 0 "" --disk "$node,ro" && swapoff "$node" && run 0 "" --disk "$node"
	tap_status=$?
	swapoff "$node" 2>/dev/null
	losetup -d "$node"
	return $tap_status
}
if modprobe loop 2>/dev/null; then
	check "a block device: the host's swap, to read, free again" taken
else
	skip "a block device: the host's swap, to read, free again" "no loop devices here"
fi

# The device node.
check "node missing" words 3 "--device /nowhere: .*is the module loaded" run --device /nowhere --kernel k
check "node that is something else" words 3 "/dev/null: no KVM interface" run --device /dev/null --kernel k
check "node a directory" words 3 "--device /: cannot open it: Is a directory" run --device / --kernel k
if [ "$device" = /dev/keel ] && modprobe kvm-amd 2>/dev/null && [ -c /dev/kvm ]; then
	check "another hypervisor is loaded" run 4 "resource busy .*modprobe -r" || true
	modprobe -r kvm-amd
else
	skip "another hypervisor is loaded" "only one here"
fi
check "the node works" run 0 ""

# The report.
check "report" eval 'run 0 "" --status-json r && json r 0'
check "report where no directory is" run 2 "--status-json nowhere/r: cannot write there: No such file" --status-json nowhere/r
check "report a directory" run 2 "--status-json directory: cannot write there: Is a directory" --status-json directory
check "report to a full device" run 13 "the report could not be written: No space" --status-json /dev/full
check "the device is still one" [ -c /dev/full ]
check "report to a full file system" eval '
	mkdir -p tiny && mount -t tmpfs -o size=8k tiny tiny
	head -c 8192 /dev/zero >tiny/fill 2>/dev/null
	run 13 "the report could not be written: No space" --status-json tiny/r && [ "$(ls tiny)" = fill ]
	tap_status=$?
	umount tiny
	[ $tap_status = 0 ]'
cp disk before
check "report is the disk" eval '
	run 2 "is the file of --disk disk too" --disk disk --status-json link && cmp disk before'
cp off.elf copy.elf
check "report is the kernel" eval '
	kernel 2 "is the file of --kernel copy.elf" copy.elf --status-json copy.elf && cmp copy.elf off.elf'
echo old >r
check "report, machine not built: it says why" eval 'run 7 "cannot open it" --disk nowhere --status-json r && json r 7'
echo old >r
check "report, wrong usage: none" eval 'run 2 "not a number" --cpus x --status-json r && [ "$(cat r)" = old ]'
ln -s r symbolic
check "report through a symbolic link" eval 'run 0 "" --status-json symbolic && json r 0 && [ -L symbolic ]'
check "report on standard output, a file" eval '
	try run --device $device --kernel off.elf --memory 32M --status-json /proc/self/fd/1
	grep -q "^R{\"status\": 0" out'
check "report by a pipe" eval '
	keel run --device $device --kernel off.elf --memory 32M --status-json /proc/self/fd/3 \
		3>&1 >/dev/null </dev/null | cat >r
	json r 0'
started one --status-json r
echo new >r
check "the old report stays meanwhile" [ "$(cat r)" = new ]
kill -9 "$pid"
wait "$pid" 2>/dev/null
check "and when the launcher is killed" [ "$(cat r)" = new ]
rm -f r.??????

# Standard streams, signals.
check "files may not grow" limited -f 0 13 "report could not be written: File too large" --status-json limited
check "output to a full device" eval '
	keel run --device $device --kernel off.elf --memory 32M </dev/null >/dev/full 2>err
	status=$?
	is 0 "warning: standard output: No space left on device; the guest runs on"'
check "output closed, report clean" eval '
	keel run --device $device --kernel off.elf --memory 32M --status-json r </dev/null >&- 2>err
	status=$?
	is 0 "warning: standard output: Bad file" && json r 0'
check "errors closed, report clean" eval '
	keel run --device $device --kernel off.elf --memory 32M --disk odd --status-json r </dev/null >out 2>&-
	json r 0'
check "the reader goes away" eval '
	{ keel run --device $device --kernel many.elf --memory 32M </dev/null 2>err; echo $? >code; } | head -c 10 >/dev/null
	status=$(cat code); is 0 "warning: standard output: Broken pipe"'
for number in 1 15; do
	started one
	kill -$number "$pid"
	check "signal $number" ended 15
done
# What the shell has commands in the background ignore.
outlives() {
	started one || return 1
	kill -2 "$pid"
	kill -3 "$pid"
	usleep 500000
	[ -d "/proc/$pid" ] || return 1
	kill "$pid"
	ended 15
}
check "SIGINT and SIGQUIT of a background command" outlives
ignoring() {
	trap '' HUP
	started one
	trap - HUP
	kill -HUP "$pid"
	usleep 500000
	[ -d "/proc/$pid" ] || return 1
	kill "$pid"
	ended 15
}
check "nohup and SIGHUP" ignoring
closed() {
	: >one.out
	keel run --device "$device" --kernel loop.elf --memory 32M <&- >one.out 2>one.err &
	pid=$!
	within 20 grep -q R one.out || return 1
	kill -HUP $pid
	ended 15
}
for _ in 1 2 3 4; do check "standard input closed, a signal" closed; done
for number in 12 14 24 26 27 29 30; do
	started one
	kill -$number "$pid"
	check "signal $number, of no use here" ended 15
done
goes_on() {
	started one || return 1
	for number in 10 13 17 18 23 25 28 10 10; do kill -$number "$pid"; done
	usleep 300000
	[ -d "/proc/$pid" ] || return 1
	before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	kill "$pid"
	ended 15
	echo "$before ticks"
}
check "signals that mean nothing" goes_on
unread() {
	rm -f full
	mkfifo full
	sleep 1000 <full &
	reader=$!
	elf chatty.elf "$say\\356\\353\\375"
	keel run --device "$device" --kernel chatty.elf --memory 32M </dev/null >full 2>one.err &
	pid=$!
	sleep 3
	kill "$pid"
	ended 15
	tap_status=$?
	kill $reader
	return $tap_status
}
check "output full, SIGTERM" unread
flooded() {
	yes | keel run --device "$device" --kernel loop.elf --memory 32M >one.out 2>one.err &
	within 20 grep -q R one.out || return 1
	pid=$(pidof keel)
	kill "$pid"
	within 3 not pidof keel
}
check "input flooded, SIGTERM" flooded

# Limits.
for number in 3 5 7 9; do
	check "$number open files" limited -n $number any "Too many open files"
done
check "address space: little more than the guest's" limited -v 400000 0 "" --memory 256M
check "address space: less than that" limited -v 200000 6 \
	"--memory 256M: the host gives no such mapping: .*ulimit -v" --memory 256M
removed() {
	cp disk gone
	started one --disk gone || return 1
	rm gone
	kill "$pid"
	ended 15
}
check "the image is removed while it is used" removed
end

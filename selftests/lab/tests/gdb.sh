# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --memory 1536 --about 40
# long: --host bochs --module keel --cpus 2 --append nokaslr --about 460
# long: --host bochs --module kvm --cpus 2 --append nokaslr --about 120
# needs: launcher guest debugger selftests/core/debug_test
#
# Stock gdb on a Linux guest with two CPUs, from its first instruction to its power-off: breakpoints in the kernel's functions, steps,
# backtraces, a watchpoint, an interrupt, detach, a second session. The kernel that runs here has the guest's symbols.

. /lab/tap.sh
. /lab/guests.sh

debugger=/debugger
socket=$debugger/tmp/guest.gdb
seconds=60
[ -z "${KEEL_SLOW_HOST:-}" ] || seconds=20	# of its own clock, which instructions drive

start() {
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --cpus 2 \
		--append "$guest_append quiet nokaslr keel.mode=linger keel.seconds=$seconds" \
		--memory 256M --gdb "$socket,wait" </dev/null >/tmp/tour 2>&1 &
	launcher=$!
	within 20 [ -S $socket ]
}

# session FILE - its commands; what gdb says goes to FILE.out
session() {
	{
		printf 'set pagination off\nset confirm off\nset remotetimeout 120\nset tcp connect-timeout 60\n'
		[ "$1" = first ] || echo 'file /tmp/kernel.sym'
		echo 'target remote /tmp/guest.gdb'
		echo "shell : >/tmp/$1.connected"
		cat
	} >"$debugger/tmp/$1"
	chroot $debugger /usr/bin/gdb -nx -batch -x "/tmp/$1" >"/tmp/$1.out" 2>&1
	sed 's/^/gdb: /' "/tmp/$1.out"
	told "$1" '^\[Inferior 1 \(Remote target\) detached\]$'
}

told() { grep -qE "$2" "/tmp/$1.out"; }
said() { tr -d '\r' </tmp/tour | grep -qxE "guest: $1"; }
is_over() { ! kill -0 "$launcher" 2>/dev/null; }
ends() {
	within 600 is_over
	wait "$launcher"
}

# Where the emulator does not let a hypervisor have its breakpoints there is not much of a test.
/selftests/core/debug_test int3 >/tmp/int3 2>&1
has_breakpoints=$?
# Read once: the kernel unpacks each name.
grep -E ' ([tT] |. jiffies_64$)' /proc/kallsyms >/tmp/symbols
$debugger/bin/kernel_symbols $debugger/tmp/kernel.sym </tmp/symbols
jiffies=0x$(sed -n 's/ . jiffies_64$//p' /tmp/symbols)

begin 21
# Bochs leaves a trap behind where an exit comes in the middle of a step (Documentation/differences.rst), as each page's first use is.
check "the launcher listens, the guest waits" start
check "a session before the first instruction" session first <<END
info threads
printf "pc %lx in segment %x, efer %lx\n", \$pc, \$cs, \$efer
stepi 12
printf "rip moved %d\n", \$rip != 0x1000200
thread 2
printf "second cr0 %lx eflags %x\n", \$cr0, \$eflags
thread 1
set \$r15 = 0x1234567890abcdef
printf "r15 %lx\n", \$r15
set \$xmm15.v2_int64[1] = 77
printf "xmm15 %ld mxcsr %x\n", \$xmm15.v2_int64[1], \$mxcsr
set \$r15 = 0
x/2i \$pc
set {long}0x9f000 = 0x1122334455667788
printf "memory %lx\n", {long}0x9f000
x/1xb 0xfee00000
END
check "two vCPUs are two threads" told first '^  2 +Thread 2 \(vCPU 1'
check "it is in 64-bit mode" told first '^pc [0-9a-f]+ in segment 10, efer [0-9a-f]*50[01]$'
check "instructions were stepped" told first '^rip moved 1$'
check "the second CPU is as after reset" told first '^second cr0 60000010 eflags 2$'
check "a general register is written" told first '^r15 1234567890abcdef$'
check "a vector register is written" told first '^xmm15 77 mxcsr 1f80$'
check "memory is written" told first '^memory 1122334455667788$'
check "a device's memory cannot be read" told first 'Cannot access memory at address 0xfee00000'
check "the guest runs on without a client" within 200 grep -q 'guest: alive' /tmp/tour

if [ $has_breakpoints = 0 ]; then
	check "a session with a running guest" session second <<END
set breakpoint always-inserted on
break do_sys_openat2
continue
printf "in thread %d\n", \$_thread
backtrace 3
x/1i do_sys_openat2
stepi
stepi
printf "stepped %d\n", \$pc - (unsigned long)&do_sys_openat2
info registers rip cr3 gs_base
continue
continue
delete
watch *(unsigned long *)$jiffies
continue
delete
hbreak do_exit
continue
info threads
delete
detach
END
	check "the breakpoint in do_sys_openat2 is met" told second '^Thread [12] hit Breakpoint 1, .*in do_sys_openat2 \(\)'
	check "the backtrace has its caller" told second '^#1 +0x[0-9a-f]+ in [a-z_0-9]*sys_open[a-z0-9_]* \(\)'
	check "memory does not show the breakpoint" not told second 'do_sys_openat2>:[[:space:]]*int3'
	check "two steps stay in the function" told second '^stepped [1-9][0-9]?$'
	check "the watchpoint tells old and new" told second '^New value = [0-9]+'
	check "the hardware breakpoint in do_exit is met" told second '^Thread [12] hit (Hardware assisted b|B)reakpoint 3, .*in do_exit \(\)'
else
	(
		within 60 [ -e $debugger/tmp/second.connected ] && sleep 3
		kill -INT "$(pidof gdb)"
	) &
	check "a session with a running guest" session second <<END
continue
info threads
printf "pc %lx in segment %x\n", \$pc, \$cs
stepi
x/1i \$pc
detach
END
	check "an interrupt stops it" told second '^(Thread [12] |Program )received signal SIGINT'
	# Where a guest is that is interrupted nobody knows: mostly in the kernel's idle loop, else in one of its processes.
	check "where its segment says: kernel or process" told second '^pc (ffff[0-9a-f]{12} in segment 10|[0-7]?[0-9a-f]{1,11} in segment 33)$'
	for name in "backtrace" "memory" "steps" "watchpoint"; do
		skip "breakpoints: $name" "this emulator does not let a hypervisor have them"
	done
fi
check "the guest goes on and powers off, status 0" ends
check "it had two CPUs" said "cpus 2"
check "it ended by itself" said "powering off"
comments /tmp/tour
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 40
# long: --kernel 6.12 --module keel --cpus 2 --about 35
# long: --kernel 6.1 --module kvm --cpus 2 --about 35
# long: --host bochs --module keel --about 130
# needs: launcher guest-boot
#
# A disk boots by its own boot loader: SeaBIOS, an MBR, syslinux, Debian's kernel with two CPUs, which finds by what the firmware
# passed on that it has two, where its tables are, and where its disk is; reboots in place, and boots once more.

. /lab/tap.sh

disk=/guest-boot/boot.img

# boot OPTION... - output in /tmp/out
boot() {
	keel run --device "$KEEL_DEVICE" --firmware seabios --disk $disk --memory 192M --cpus 2 "$@" </dev/null >/tmp/out 2>/tmp/err
}

# Without what the BIOS tells the terminal.
words() { tr -d '\r' <"$1" | sed "s/$(printf '\033')\(c\|\[[0-9;?]*[A-Za-z]\)//g"; }
said() { words /tmp/out | grep -qE "$1"; }
told() { grep -qE "$1" /tmp/err; }
show() { words "$1" | comments; }

# refused STATUS WORDS OPTION... - does it say so, and end so?
refused() {
	wanted=$1 words=$2
	shift 2
	keel run --device "$KEEL_DEVICE" "$@" </dev/null >/tmp/out 2>/tmp/err
	[ $? = "$wanted" ] && told "$words"
}

# In the background, until it has said something.
start() {
	boot --name firmware &
	pid=$!
	within 60 said "SeaBIOS"
}

not_saved() { ! keel ctl firmware save /tmp/state 2>/tmp/ctl && grep -q 'with firmware .* cannot be saved' /tmp/ctl && [ ! -e /tmp/state ]; }

# An image that loads an empty interrupt table and takes an interrupt.
triple_fault() {
	head -c 65520 /dev/zero
	printf '\056\017\001\036\000\000\314'
	head -c 9 /dev/zero
}

begin 12
head -c 100000 /dev/zero >/tmp/odd
check "no such image" refused 5 "/tmp/none: cannot open it" --firmware /tmp/none
check "an image of an odd size" refused 5 "not a whole number of 64 KB" --firmware /tmp/odd
triple_fault >/tmp/fault
check "firmware that crashes is not started for ever" refused 24 "reset 10 times in a row .*triple fault" --firmware /tmp/fault --reset reboot
show /tmp/err
check "firmware and a kernel" refused 2 "firmware and --kernel" --firmware seabios --kernel /tmp/odd
start
keel ctl firmware pause
check "it cannot be saved" not_saved
keel ctl firmware quit
wait "$pid"
check "the guest reboots in place, and powers off" boot --reset reboot
check "the firmware speaks on the serial port, twice" [ "$(words /tmp/out | grep -c SeaBIOS)" = 2 ]
check "the boot loader too" [ "$(words /tmp/out | grep -c 'syslinux starts Linux')" = 2 ]
check "Linux reboots" said "guest: rebooting"
check "Linux is here again" said "guest: here again"
check "two CPUs" said "guest: cpus 2"
check "the second one works" said "guest: sum-on-cpu-1 [0-9a-f]{16}"
show /tmp/out
show /tmp/err
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 90
# needs: launcher guest-efi
#
# A disk boots under UEFI: OVMF, GRUB from the disk's EFI system partition, Debian's kernel with two CPUs, which writes a variable
# of the firmware's; it is there after a reset in place, and for the next machine that has the file.

. /lab/tap.sh

disk=/guest-efi/efi.img vars=/tmp/vars

# boot OPTION... - output in /tmp/out
boot() {
	keel run --device "$KEEL_DEVICE" --firmware ovmf --firmware-vars $vars --disk $disk --memory 256M --cpus 2 "$@" \
		</dev/null >/tmp/out 2>/tmp/err
}

# Without what the firmware tells the terminal.
words() { tr -d '\r' <"$1" | sed "s/$(printf '\033')\(c\|\[[=0-9;?]*[A-Za-z]\)//g"; }
said() { words /tmp/out | grep -qE "$1"; }
show() { words "$1" | comments; }
count() { [ "$(words /tmp/out | grep -cE "$1")" = "$2" ]; }

# refused STATUS WORDS OPTION... - does it say so, and end so?
refused() {
	wanted=$1 words=$2
	shift 2
	keel run --device "$KEEL_DEVICE" --firmware ovmf "$@" </dev/null >/tmp/out 2>/tmp/err
	[ $? = "$wanted" ] && grep -qE "$words" /tmp/err
}

begin 11
head -c 4096 /dev/zero >/tmp/other
check "another firmware's variables" refused 5 "it is another firmware's" --firmware-vars /tmp/other
check "nowhere to keep them" refused 5 "cannot create it: No such file" --firmware-vars /none/vars
check "the guest reboots in place, and powers off" boot --reset reboot
check "the boot loader speaks on the serial port, twice" count "GRUB starts Linux" 2
check "Linux finds UEFI, and two CPUs" count "guest: firmware of 64 bits, cpus 2" 2
check "it writes a variable and reboots" count "guest: rebooting" 1
check "which is there then" count "guest: variable kept" 1
show /tmp/out
show /tmp/err
check "the file was made" [ "$(stat -c %s $vars)" = "$(stat -c %s /usr/share/OVMF/OVMF_VARS_4M.fd)" ]
check "the next machine powers off" boot
check "it has the variable" said "guest: variable kept"
check "and began alone with that" count "guest: firmware of 64 bits" 1
show /tmp/out
show /tmp/err
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts here share: packages of a fixed version unpacked into a temporary folder, machines that run a tiny program, and
# the comparison. Nothing is installed and nothing of Keel is used. Exit status: 0 as told, 1 the behaviour is another one, 2 a
# fault of the script, 4 it cannot run here. FINDINGS_DEBS=FOLDER keeps the packages for the next script.

set -u -o pipefail

# Versions as of Debian 12.
qemu_72=(qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3 qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
	qemu-system-data=1:7.2+dfsg-7+deb12u18 seabios=1.16.2-1)
linux_61=(linux-image-6.1.0-56-amd64=6.1.192-2 busybox-static=1:1.35.0-4+deb12u1+b1)
bochs_27=(bochs=2.7+dfsg-4+deb12u1 bochsbios=2.7+dfsg-4+deb12u1 vgabios=0.8a+ds-2 bochs-term=2.7+dfsg-4+deb12u1)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/findings.XXXXXX") || exit 2
root=$work/root debs=${FINDINGS_DEBS:-$work/debs} changed=0 machine=''
mkdir -p "$debs" "$root"
chmod 755 "$work"
trap '[ -z "$machine" ] || kill -9 $machine 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 2' INT TERM HUP

cannot() {
	printf 'cannot run: %s\n' "$*"
	exit 4
}

broken() {
	printf 'the script failed: %s\n' "$*"
	exit 2
}

# need COMMAND... - that the machine itself must have
need() {
	local command
	for command; do
		command -v "$command" >/dev/null || cannot "this machine has no $command"
	done
}

# fetch PACKAGE=VERSION... - download from wherever apt gets its packages, and unpack to $root
fetch() {
	local package file
	need apt-get dpkg
	for package; do
		[ ! -e "$work/has.${package%%=*}" ] || continue
		file=$debs/${package%%=*}_$(printf %s "${package#*=}" | sed 's/:/%3a/')
		ls "$file"_*.deb >/dev/null 2>&1 ||
			(cd "$debs" && timeout 600 apt-get -q -o Acquire::Retries=3 download "$package" >"$work/apt" 2>&1) ||
			cannot "no package $package from apt here: $(grep '^E:' "$work/apt" | head -n 1)"
		dpkg -x "$file"_*.deb "$root" || broken "cannot unpack $package"
		touch "$work/has.${package%%=*}"
	done
}

# fetch_npm PACKAGE VERSION SHA512 - the same from wherever npm gets its packages, to $root/npm/PACKAGE; the sum in base64
fetch_npm() {
	local file=$debs/$1-$2.tgz
	need node npm tar
	[ -e "$file" ] || (cd "$debs" && timeout 600 npm pack --silent "$1@$2" >"$work/npm" 2>&1) || cannot "no package $1 $2 from npm here"
	[ "$(node -p 'crypto.createHash("sha512").update(fs.readFileSync(process.argv[1])).digest("base64")' "$file")" = "$3" ] ||
		broken "another $1 $2 than the one told of"
	mkdir -p "$root/npm/$1"
	tar -xzf "$file" -C "$root/npm/$1" --strip-components=1 || broken "cannot unpack $1"
}

# runs FILE - have the libraries of a program that was fetched? They are the machine's own.
runs() {
	local missing
	missing=$(LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu ldd "$1" | awk '/not found/ { print $1 }' | paste -sd ' ')
	[ -z "$missing" ] || cannot "${1##*/} needs libraries that are not installed: $missing"
}

# ended LIMIT COMMAND... - run in the background until it ends; false when that takes longer
ended() {
	local limit=$1 end
	shift
	"$@" </dev/null >"$work/words" 2>&1 &
	machine=$! end=$((SECONDS + limit))
	while kill -0 $machine 2>/dev/null; do
		[ $SECONDS -lt $end ] || { kill -9 $machine; wait $machine 2>/dev/null; machine=''; return 1; }
		sleep 0.3
	done
	wait $machine 2>/dev/null
	machine=''
}

# qemu OPTION... - the 7.2 that was fetched, without KVM; what the guest writes to port 0xe9 goes to $work/out
qemu() {
	local bin=$root/usr/bin/qemu-system-x86_64
	runs "$bin"
	ended 240 env QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu" "$bin" -L "$root/usr/share/qemu" \
		-L "$root/usr/share/seabios" -accel tcg,thread=single -nodefaults -display none -no-reboot \
		-device isa-debug-exit,iobase=0xf4,iosize=1 -chardev "file,id=out,path=$work/out" \
		-device isa-debugcon,iobase=0xe9,chardev=out "$@" ||
		broken "the machine was still running after 240 s"
}

# user_probe - a C program, from standard input, on TCG's "max" in user mode; what it prints goes to $work/out
user_probe() {
	need gcc
	cat >"$work/probe.c"
	gcc -O1 -static -Wall -Werror -o "$work/probe" "$work/probe.c" || broken "the program does not compile"
	fetch qemu-user=1:7.2+dfsg-7+deb12u18+b3
	"$root/usr/bin/qemu-x86_64" -cpu max "$work/probe" >"$work/out" 2>/dev/null || broken "the program did not end well"
}

# on_this_cpu FLAG - the same program on the machine's own CPU; false where that has no FLAG
on_this_cpu() {
	grep -qw "$1" /proc/cpuinfo || return 1
	"$work/probe" >"$work/out" || broken "the program did not end well on this machine"
}

# on_linux MODULES [WORDS [OPTION...]] - a C program, from standard input, as root in Linux 6.1 on QEMU's EPYC with SVM. MODULES: kvm, or
# none. WORDS: more of the kernel's command line. OPTION: more of QEMU's
on_linux() {
	local words=${2:-}
	local kernel=6.1.0-56-amd64 name box=$work/initrd.d
	need gcc cpio
	cat >"$work/probe.c"
	gcc -O1 -static -Wall -Werror -I"$here" -o "$work/probe" "$work/probe.c" || broken "the program does not compile"
	fetch "${qemu_72[@]}" "${linux_61[@]}"
	mkdir -p "$box"/{bin,dev,proc,sys}
	cp "$root/bin/busybox" "$box/bin"
	cp "$work/probe" "$box"
	[ "$1" != kvm ] || for name in virt/lib/irqbypass arch/x86/kvm/kvm drivers/crypto/ccp/ccp arch/x86/kvm/kvm-amd; do
		cp "$root/lib/modules/$kernel/kernel/$name.ko" "$box" || broken "the kernel's package has no $name.ko"
		echo "insmod /${name##*/}.ko" >>"$work/load"
	done
	{
		printf '#!/bin/busybox sh\n/bin/busybox --install -s /bin\nmount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys\n'
		[ "$1" != kvm ] || cat "$work/load"
		printf '/probe >/dev/ttyS0\necho "status=$?" >/dev/ttyS0\npoweroff -f\n'
	} >"$box/init"
	chmod +x "$box/init"
	(cd "$box" && find . | cpio --quiet -o -H newc >"$work/initrd") || broken "cannot make the initramfs"
	qemu -cpu EPYC,+svm,+npt -m 512 -serial "file:$work/serial" -kernel "$root/boot/vmlinuz-$kernel" -initrd "$work/initrd" \
		-append "console=ttyS1 quiet panic=-1 cryptomgr.notests $words" "${@:3}"
	tr -d '\r' <"$work/serial" >"$work/out"
	[ "$(seen status)" = 0 ] || { cat "$work/out" "$work/words"; broken "the program did not end well"; }
}

# bare_program OPTION... - a freestanding 32-bit C program, from standard input, for a Multiboot loader; see bare.h
bare_program() {
	need gcc
	cat >"$work/probe.c"
	gcc -m32 -O1 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -mno-sse -nostdlib -static -Wall -Werror -I"$here" \
		-Wl,-Ttext=0x100000,--build-id=none,-no-pie,-z,noexecstack "$@" -o "$work/probe" "$work/probe.c" ||
		broken "the program does not compile"
}

# on_bare OPTION... - a bare_program on QEMU
on_bare() {
	bare_program
	fetch "${qemu_72[@]}"
	qemu -m 64 "$@" -kernel "$work/probe"
	[ "$(seen status)" = 0 ] || { cat "$work/out" "$work/words"; broken "the program did not end well"; }
}

# on_v86 - a bare_program on v86 0.5.462, whose words go to the first serial port
on_v86() {
	bare_program -DWORDS=0x3f8
	fetch_npm v86 0.5.462 aKPX7DdzqAKFRv2omDkqSju0uEzlOxzo+II82J5UT7+tZNsboA6kyaNq9NKAnxvo9hzpJ8dQj7vcvcz0J7I2QA==
	ended 240 node "$here/v86.mjs" "$root/npm/v86/build" "$work/probe" "$work/out" || broken "the machine was still running after 240 s"
	[ "$(seen status)" = 0 ] || { cat "$work/words"; broken "the program did not end well"; }
}

# on_virtiofsd HOW SANDBOX [COMMAND...] - the virtiofsd that was fetched, started by COMMAND, shares an empty folder and says no more than
# it must; its front-end hangs up as HOW says, see vhost_user.c. virtiofsd's own words are in $work/words.
on_virtiofsd() {
	need gcc
	fetch qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
	runs "$root/usr/lib/qemu/virtiofsd"
	mkdir -p "$work/shared" && chmod 755 "$root" "$work/shared"
	gcc -O1 -Wall -Werror -o "$work/vhost_user" "$here/vhost_user.c" || broken "the program does not compile"
	timeout 60 "$work/vhost_user" "$1" "${@:3}" "$root/usr/lib/qemu/virtiofsd" -o "source=$work/shared" -o "sandbox=$2" -o log_level=err \
		--thread-pool-size=0 --rlimit-nofile=0 </dev/null >"$work/out" 2>"$work/words" ||
		{ cat "$work/words"; broken "the program did not end well"; }
}

# boot_sector - a disk of 20 cylinders, 16 heads, 63 sectors that starts with a boot sector, from standard input as 16-bit assembly.
# It may call tell (EAX in hexadecimal, a line to port 0xe9) and jumps to done.
boot_sector() {
	need as ld
	{
		# shellcheck disable=SC2016 # assembly
		printf '.code16\n.globl _start\n_start: xor %%ax, %%ax; mov %%ax, %%ds; mov %%ax, %%ss; mov $0x7c00, %%sp\n'
		cat
		cat <<'END'
done:	mov $10, %al; out %al, $0xe9; mov $'@', %al; out %al, $0xe9; mov $'.', %al; out %al, $0xe9; mov $10, %al; out %al, $0xe9
	mov $0, %al; out %al, $0xf4
1:	hlt; jmp 1b
tell:	pusha; mov $8, %cx; mov %eax, %ebx; mov $10, %al; out %al, $0xe9; mov $'@', %al; out %al, $0xe9
1:	rol $4, %ebx; mov %bl, %al; and $15, %al; cmp $10, %al; jb 2f; add $39, %al
2:	add $48, %al; out %al, $0xe9; loop 1b; mov $10, %al; out %al, $0xe9; popa; ret
.org 510; .word 0xaa55
END
	} >"$work/sector.S"
	as -o "$work/sector.o" "$work/sector.S" || broken "the boot sector does not assemble"
	ld -Ttext=0x7c00 --oformat binary -o "$work/disk" "$work/sector.o" || broken "the boot sector does not link"
	truncate -s $((20 * 16 * 63 * 512)) "$work/disk"
}

# told FILE - what a boot sector told, to $work/out
told() { sed -n 's/^@\([0-9a-f]\{8\}\).*/\1/p' "$1" >"$work/told" && mv "$work/told" "$work/out"; }

# on_seabios - a boot_sector on QEMU, whose firmware is SeaBIOS
on_seabios() {
	boot_sector
	fetch "${qemu_72[@]}"
	qemu -m 64 -drive "file=$work/disk,format=raw,if=ide"
	grep -aq '^@[.]' "$work/out" || { cat "$work/out" "$work/words"; broken "the program did not end well"; }
	told "$work/out"
}

# on_bochs MODEL - a boot_sector on Bochs 2.7's CPU model, with Bochs's own firmware. Bochs's own words are in $work/words.
on_bochs() {
	local end=$((SECONDS + 240)) library=$root/usr/lib/x86_64-linux-gnu/bochs/plugins
	boot_sector
	fetch "${bochs_27[@]}"
	runs "$root/usr/bin/bochs-bin"
	cat >"$work/bochsrc" <<END
config_interface: textconfig
display_library: term
cpu: model=$1, count=1, ips=2000000
memory: guest=32, host=32
romimage: file=$root/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$root/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=disk, path=$work/disk, mode=flat, cylinders=20, heads=16, spt=63
boot: disk
port_e9_hack: enabled=1
clock: sync=none
plugin_ctrl: speaker=false, gameport=false, parallel=false
sound: driver=dummy
speaker: enabled=0
log: $work/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
END
	printf 'c\nquit\n' >"$work/commands"
	LTDL_LIBRARY_PATH=$library LD_LIBRARY_PATH=$library TERM=xterm \
		"$root/usr/bin/bochs-bin" -q -f "$work/bochsrc" -rc "$work/commands" </dev/null >"$work/words" 2>&1 &
	machine=$!
	until grep -aq '^@[.]' "$work/words"; do
		kill -0 $machine 2>/dev/null || { tail -n 20 "$work/words" "$work/bochs.log"; broken "Bochs ended before the program"; }
		[ $SECONDS -lt $end ] || broken "the program was not done after 240 s"
		sleep 0.3
	done
	kill -9 $machine
	wait $machine 2>/dev/null
	machine=''
	told "$work/words"
}

# line N - of what the program printed
line() { sed -n "$1p" "$work/out"; }

# seen NAME - what the program in the machine printed as NAME=VALUE
seen() { sed -n "s/^$1=//p" "$work/out" | head -n 1; }

# expect WHAT TOLD SEEN
expect() {
	if [ "$2" = "$3" ]; then
		printf '%s: %s\n' "$1" "$3"
	else
		printf '%s: %s, CHANGED: it was %s\n' "$1" "${3:-nothing}" "$2"
		changed=1
	fi
}

finish() {
	[ $changed = 0 ] && echo "as told" || echo "the behaviour is another one"
	exit $changed
}

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2154
# run: --kernel 6.1 --module keel --host-root --about 40
# long: --kernel 6.12 --module keel --host-root --about 40
# long: --kernel 6.1 --module kvm --host-root --about 40
# needs: launcher guest
#
# Directories shared with a Linux guest by the launcher of an ordinary user, who has supplementary groups, and the virtiofsd that it
# starts: files are read, made, linked and moved, before and after the devices are reset; one directory is read-only;
# one virtiofsd is killed, and the guest and the other share go on; that one is stopped, and does not outlive its device's reset.

. /lab/tap.sh
. /lab/guests.sh

LINES=50000	# of six bytes each
SUM=$(seq -w 1 $LINES | sha256sum | cut -d ' ' -f 1)

# virtiofsd needs a file system of its own: none can be set up on an initramfs.
mkdir -m 755 /tmp/data /tmp/fixed /tmp/own
cp -r /guest /bin/keel /tmp/
seq -w 1 $LINES >/tmp/data/words
seq 1 10 >/tmp/fixed/words
BOTH=$(cat /tmp/data/words /tmp/fixed/words | sha256sum | cut -d ' ' -f 1)
chown -R 1000:1000 /tmp/data /tmp/fixed /tmp/own
chmod -R a+rX /tmp/guest /tmp/keel
chmod 666 "$KEEL_DEVICE"
cat >/tmp/user.sh <<'USER'
cd /host && mount --move . / && exec chroot . /usr/bin/setpriv --reuid 1000 --regid 1000 --groups 1000,2000,2001 /bin/sh -c '
	/tmp/keel run --device "$KEEL_DEVICE" --kernel /tmp/guest/vmlinuz --initrd /tmp/guest/initrd --memory 192M --append "$append" \
		--share /tmp/data --share /tmp/fixed,readonly --control /tmp/own/control </dev/null >/tmp/own/out 2>/tmp/own/err
	echo $? >/tmp/own/status'
USER
export append="$guest_append quiet keel.mode=share keel.lines=$LINES"

says() { grep -q "guest: share $1" /tmp/own/out || { cat /tmp/own/out /tmp/own/err; return 1; }; }
said() { grep -qs "guest: share $1" /tmp/own/out; }
sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# refused STATUS WORDS SHARE - the launcher ends so at once, with one line that has the words
refused() {
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --share "$3" </dev/null >/tmp/refused 2>&1
	got=$?
	cat /tmp/refused
	[ $got = "$1" ] && [ "$(wc -l </tmp/refused)" = 1 ] && grep -qF -e "$2" /tmp/refused
}

# serving DIR - processes of virtiofsd that serve it, one and its child
serving() {
	for process in /proc/[0-9]*; do
		tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF "source=$1 " && echo "${process#/proc/}"
	done
}
nobody_serves() { [ -z "$(serving "$1")" ]; }

not_saved() {
	! keel ctl /tmp/own/control save /tmp/own/state 2>/tmp/ctl && cat /tmp/ctl && grep -q 'shared directory (--share) cannot be saved' /tmp/ctl
}

begin 20
check "no such directory" refused 25 "--share /tmp/none: No such file or directory" /tmp/none
check "no virtiofsd" refused 25 "virtiofsd is not installed (apt-get install qemu-system-common)" /tmp/data
unshare -m sh /tmp/user.sh &
guest=$!
check "the guest has done its work" within 120 said again
check "it read what is shared" says "sums $BOTH"
check "it made a file" [ "$(sum_of /tmp/data/made)" = "$SUM" ]
check "linked it, and moved the link" [ "$(sum_of /tmp/data/below/moved)" = "$SUM" ]
check "which are the user's here" [ "$(stat -c %u:%g /tmp/data/made /tmp/data/below/moved | uniq)" = 1000:1000 ]
check "and root's there" says "owner 0:0 644"
check "what is read-only stays as it is" says "readonly .*Read-only file system"
check "the same files after a reset of the devices" says "again $BOTH"
check "it is not saved" not_saved
# shellcheck disable=SC2046 # words are what is wanted
check "virtiofsd of one directory is killed" kill -9 $(serving /tmp/data)
touch /tmp/fixed/go
check "the guest has seen that" within 60 said stop
# shellcheck disable=SC2046
check "virtiofsd of the other one is stopped" kill -STOP $(serving /tmp/fixed)
wait $guest
check "requests to it fail" says "gone .*not connected"
check "that is told once" [ "$(grep -c 'warning: --share data: the process that serves it has ended' /tmp/own/err)" = 1 ]
check "the other one is still there" says "of one $(sum_of /tmp/fixed/words)"
check "which is killed as its device is reset" grep -q 'warning: --share fixed: .* gave no answer, or a wrong one, and was killed' /tmp/own/err
check "the guest powered off" grep -qx 0 /tmp/own/status
check "no virtiofsd is left" within 5 nobody_serves /tmp/fixed
comments /tmp/own/err
end

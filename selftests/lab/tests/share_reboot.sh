# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2016,SC2154
# long: --kernel 6.1 --module keel --cpus 2 --host-root --about 60
# needs: launcher guest-boot
#
# A machine with a shared directory starts again in place, in the midst of a mount: the same virtiofsd serves whoever comes then.

. /lab/tap.sh

# As in share.sh: virtiofsd needs a file system of its own, and here is an ordinary user's.
mkdir -m 755 /tmp/data /tmp/own
cp /bin/keel /guest-boot/boot.img /tmp/
seq 1 1000 >/tmp/data/words
SUM=$(sha256sum </tmp/data/words | cut -d ' ' -f 1)
chown -R 1000:1000 /tmp/data /tmp/own /tmp/boot.img
chmod a+rx /tmp/keel
chmod 666 "$KEEL_DEVICE"
cat >/tmp/user.sh <<'USER'
cd /host && mount --move . / && exec chroot . /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups /bin/sh -c '
	/tmp/keel run --device "$KEEL_DEVICE" --firmware seabios --reset reboot --disk /tmp/boot.img --memory 192M --cpus 2 \
		--share /tmp/data </dev/null >/tmp/own/out 2>/tmp/own/err
	echo $? >/tmp/own/status'
USER

words() { tr -d '\r' </tmp/own/out | sed "s/$(printf '\033')\(c\|\[[0-9;?]*[A-Za-z]\)//g"; }
said() { words | grep -qE "$1"; }
serving() { cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -qF "source=/tmp/data "; }
nobody_serves() { ! serving; }

begin 7
unshare -m sh /tmp/user.sh
check "the guest powered off" grep -qx 0 /tmp/own/status
check "it read what is shared" said "guest: share before $SUM"
check "it started again" said "guest: here again"
check "and read it once more" said "guest: share after $SUM"
check "what it wrote is here" [ "$(tr '\n' ' ' </tmp/data/made)" = "before after " ]
check "virtiofsd was never missed" [ ! -s /tmp/own/err ]
check "none is left" within 5 nobody_serves
words | comments
comments /tmp/own/err
end

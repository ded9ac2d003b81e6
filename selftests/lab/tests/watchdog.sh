# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 60
# needs: launcher guest
#
# A Linux guest that feeds its watchdog lives, also if it was paused for longer than the watchdog waits; one that does no more is
# ended, with a status that says so.

. /lab/tap.sh

begin 6
: >/tmp/out
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --watchdog --control /tmp/sock \
	--append "console=ttyS0 quiet keel.mode=watchdog" </dev/null >/tmp/out 2>&1 &
pid=$!
check "the guest's driver finds it" within 120 grep -q 'guest: watchdog' /tmp/out
check "paused" keel ctl /tmp/sock pause
sleep 12
check "resumed" keel ctl /tmp/sock resume
check "it lives as long as it is fed" within 60 grep -q 'guest: fed no more' /tmp/out
wait $pid
check "and no longer" [ $? = 23 ]
check "which is told" grep -q 'watchdog ran out' /tmp/out
tr -d '\r' </tmp/out | comments
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 16
# needs: keel launcher guest selftests/robustness/random_bytes_test
#
# While guests of random bytes run in every mode, and others triple-fault, a Linux guest goes
# on; afterwards nothing is left of them.

. /lab/tap.sh
. /lab/guests.sh

random_bytes() { KEEL_DEVICE=/dev/keel KEEL_SEEDS=20 /selftests/robustness/random_bytes_test >/tmp/out 2>&1; }

begin 7
start_guest other
check "the other guest runs" within 180 guest_lives other
check "random bytes, to fill the caches" random_bytes
before=$(free_kb)
check "random bytes in every mode" random_bytes
check "the other guest goes on" guest_goes_on other
after=$(free_kb)
echo "# MemFree $before kB before, $after kB after"
check "the memory is back, but for 2 MB" [ "$after" -ge $((before - 2048)) ]
stop_guest other
check "no launcher is left" not pidof keel
check "the module unloads" modprobe -r keel
end

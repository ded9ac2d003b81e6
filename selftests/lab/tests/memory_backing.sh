# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --memory 2048 --about 500 --timeout 1200
# long: --kernel 6.12 --module keel --cpus 2 --memory 2048 --about 500 --timeout 1200
# needs: launcher guest
#
# Linux guests run on each kind of memory that --memory-backing names. Eight like ones with merge share at least half of what
# they have after the kernel's scanner has run, go on all the same, and each ends alone.

. /lab/tap.sh
. /lab/guests.sh

ksm=/sys/kernel/mm/ksm
huge=/proc/sys/vm/nr_hugepages
eight='1 2 3 4 5 6 7 8'

# kb NAME WORD - what /proc/PID/smaps_rollup or status says of a guest's launcher
kb() { cat "/proc/$(guest_pid "$1")/status" "/proc/$(guest_pid "$1")/smaps_rollup" | awk -v word="$2:" '$1 == word { kb += $2 } END { print kb + 0 }'; }
has() { [ "$(kb "$1" "$2")" -ge "$3" ]; }
all_kb() { for name in $eight; do kb "$name" RssAnon; done | awk '{ kb += $1 } END { print kb }'; }
has_scanned() { [ "$(cat $ksm/full_scans)" -ge "$1" ]; }
refused() { keel run --kernel /guest/vmlinuz --device "$KEEL_DEVICE" "$@" 2>/tmp/refused; [ $? = 6 ] && grep -q nr_hugepages /tmp/refused; }

begin $((8 + 8 * 3 + 3))
check "huge pages that nobody has set aside" refused --memory 64M --memory-backing hugetlb
echo 170 >$huge
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
start_guest thp --memory-backing thp
start_guest shared --memory-backing shared
start_guest hugetlb --memory-backing hugetlb
start_guest huge-shared --memory-backing hugetlb,shared
for name in thp shared hugetlb huge-shared; do
	check "$name: the guest boots" within 300 guest_lives $name
done
check "thp has some" has thp AnonHugePages 2048
check "hugetlb has them" has hugetlb Private_Hugetlb 20480
check "shared ones are a file's" has shared RssShmem 20480
for name in thp shared hugetlb huge-shared; do
	stop_guest $name
done
echo 0 >$huge

echo 0 >$ksm/run
for name in $eight; do
	start_guest "$name" --memory-backing merge
	check "merge: guest $name boots" within 300 guest_lives "$name"
done
check "merge: the launcher says that nothing is merged now" grep -q 'merges nothing now' /tmp/guest.1
before=$(all_kb)
echo 20000 >$ksm/pages_to_scan
echo 10 >$ksm/sleep_millisecs
echo 1 >$ksm/run
for name in $eight; do
	check "merge: guest $name goes on meanwhile" guest_goes_on "$name"
done
check "merge: the scanner has been everywhere, four times" within 300 has_scanned $(($(cat $ksm/full_scans) + 4))
sharing=$(cat $ksm/pages_sharing)
share=$(((sharing + $(cat $ksm/pages_shared)) * 4))
echo "# resident $before kB, $share kB of them in merged pages: $((share * 1000 / before)) of 1000; that saves $((sharing * 4)) kB"
check "merge: half of it is shared" [ $((share * 2)) -ge "$before" ]
for name in $eight; do
	check "merge: guest $name goes on" guest_goes_on "$name"
	stop_guest "$name"
done
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module none --cpu -svm --about 4
# run: --kernel 6.1 --module none --cpu -npt --env KEEL_OPTIONS=paging=nested --env KEEL_LACKS=has.no.nested.paging --about 4
# run: --host bochs --module none --cpu p4_prescott_celeron_336 --env KEEL_LACKS=no.VMX --about 20
# long: --host bochs --module none --cpu core2_penryn_t9600 --env KEEL_OPTIONS=paging=nested --env KEEL_LACKS=has.no.nested.paging --about 20
# long: --host bochs --module none --cpu corei5_lynnfield_750 --env KEEL_OPTIONS=paging=nested --env KEEL_LACKS=has.no.nested.paging --about 20
# needs: keel
#
# On a CPU without SVM or VMX, or without the nested paging that KEEL_OPTIONS ask for, the module
# does not load, and says why: KEEL_LACKS is part of that line.

. /lab/tap.sh
begin 4
check "keel.ko is there" test -e "/lib/modules/$(uname -r)/kernel/keel.ko"
check "keel.ko is refused" not modprobe keel "${KEEL_OPTIONS:-paging=auto}"
check "there is no node" not test -e /dev/keel
check "the kernel's log says why" sh -c "dmesg | grep \"keel: this CPU .*${KEEL_LACKS:-SVM}\""
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 75
# long: --kernel 6.12 --module keel --cpus 2 --about 75
# long: --kernel 6.1 --module kvm --cpus 2 --about 75
# needs: launcher guest selftests/userspace/hvc_test
#
# Debian's kernel on a virtio console: typed to, at a terminal whose size changes, with output that nobody takes for a while;
# saved and restored.

. /lab/tap.sh
. /lab/guests.sh

begin 1
export KEEL_GUEST_APPEND="${guest_append#console=ttyS0}"
# shellcheck disable=SC2086 # the cases, all if none is named
check "userspace/hvc_test" /selftests/userspace/hvc_test ${KEEL_HVC:-}
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --cpu +pku --about 20
# run: --host bochs --module keel --cpus 2 --about 60
# needs: keel nmistate selftests/host/nmi_state_test
#
# The host's NMIs come while a guest has its own XCR0 and PKRU. A host without PKRU would not do.

. /lab/tap.sh

insmod /lab/nmistate.ko

begin 2
check "the host has PKRU" grep -qw ospke /proc/cpuinfo
check "what the handler of an NMI finds" /selftests/host/nmi_state_test
end

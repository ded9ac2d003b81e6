# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --cpu +pku --env FLAG=ospke --about 20
# run: --host bochs --module keel --cpus 2 --env FLAG=xsave --about 100
# needs: keel nmistate selftests/host/nmi_state_test
#
# The host's NMIs come while a guest has its own XCR0 and, on QEMU, PKRU. Of Bochs's models none has both.

. /lab/tap.sh

insmod /lab/nmistate.ko

begin 2
check "the host has what differs" grep -qw "$FLAG" /proc/cpuinfo
check "what the handler of an NMI finds" /selftests/host/nmi_state_test
end

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --about 25
# run: --kernel 6.12 --module keel --about 25
# long: --host bochs --about 50
# needs: launcher guest
#
# While a VM runs the module cannot be unloaded, and the VM does not notice; afterwards it can.
#
# With one CPU: where one emulator thread serves two, TCG now and then delivers an injected interrupt a second time.

. /lab/tap.sh
. /lab/guests.sh

begin 6
start_guest a
check "a guest runs" within 180 guest_lives a
check "the module stays while it does" not modprobe -r keel
check "the guest goes on" guest_goes_on a
stop_guest a
check "the module goes when the guest has gone" modprobe -r keel
check "and comes back" modprobe keel
check "with its node" [ -c "$KEEL_DEVICE" ]
end

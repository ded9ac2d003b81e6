# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2
# run: --kernel 6.1 --module kvm --cpus 1
# run: --kernel 6.12 --module keel --cpus 2
# needs: selftests
#
# All of selftests/ROOM/*_test. The same programs on stock KVM are the reference.
# Where KVM is known to differ, known.kvm names the test and says why.

known=/lab/known.${KEEL_DEVICE#/dev/}
if [ -e "$known" ]; then
	set -- -l "$known"
fi
/selftests/run_tests "$@"

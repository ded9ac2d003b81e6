# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 120
# run: --kernel 6.1 --module kvm --cpus 1 --about 120
# run: --kernel 6.12 --module keel --cpus 2 --about 170
# run: --kernel 6.1 --packaged --cpu +la57 --module keel --cpus 2 --env KEEL_TESTS=ept,host,svm --about 40
# run: --kernel 6.12 --packaged --cpu max --module keel --env KEEL_TESTS=ept,host,svm --about 40
# long: --kernel 6.1 --packaged --cpu +la57 --module kvm --env KEEL_TESTS=ept --about 25
# run: --kernel 6.1 --cpu -nx --module keel --env KEEL_TESTS=ept --about 20
# run: --host bochs --module keel --about 280
# run: --host bochs --kernel 6.12-cloud --module keel --env KEEL_TESTS=host,vmx --about 100
# long: --host bochs --kernel 6.12-cloud --module keel --about 500
# run: --host bochs --module keel --cpus 2 --env KEEL_TESTS=core/migrate_test,host/hotplug_test,ept/reclaim_test --about 120
# run: --host bochs --module keel --params apicv=1 --env KEEL_TESTS=irqchip --about 60
# run: --host bochs --cpu corei3_cnl --module keel --append clearcpuid=avx512f,pku,mpx --env KEEL_TESTS=core/insn_enable_test --about 35
# run: --host bochs --cpu zambezi --module keel --env KEEL_TESTS=core/task_switch_test --about 40
# needs: selftests
#
# All of selftests/ROOM/*_test. The same programs on stock KVM are the reference.
# Where KVM is known to differ, known.kvm names the test and says why. KEEL_TESTS: only these, with commas between.
# Bochs's AMD models intercept task switches, which QEMU does not.
# Without the state of those three features Bochs tells the right size of the compacted XSAVE area, and the kernel uses XSAVES.

known=/lab/known.${KEEL_DEVICE#/dev/}
if [ -e "$known" ]; then
	set -- -l "$known"
fi
# shellcheck disable=SC2086 # words are what is wanted
/selftests/run_tests "$@" $(echo "${KEEL_TESTS:-}" | tr , ' ')

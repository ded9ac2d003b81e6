# SPDX-License-Identifier: GPL-2.0-only
# The emulated hosts: make demo, check, bench, lab. Included by the top Makefile.

export KEEL_BUILD	= $(abspath $(BUILD))
# The kernels under test; may be shared by several work trees.
export KEEL_CACHE	?= $(KEEL_BUILD)/cache

LAB	= $(CURDIR)/selftests/lab

.PHONY: demo check check-models bench suites lab

# What building and testing need: Debian's packages, the kernels under test.
lab:
	@$(LAB)/install

demo: lab
	@$(LAB)/demo

check: lab
	@$(LAB)/check

# Not part of check: takes about an hour.
check-models: lab
	@$(LAB)/check_models

bench: lab
	@$(LAB)/bench

# Not part of check: takes about an hour.
suites: lab module
	@$(LAB)/suite_kvm

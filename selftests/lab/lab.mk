# SPDX-License-Identifier: GPL-2.0-only
# The emulated hosts: make demo, check, bench, lab. Included by the top Makefile.

export KEEL_BUILD	= $(abspath $(BUILD))
# The kernels under test; may be shared by several work trees.
export KEEL_CACHE	?= $(KEEL_BUILD)/cache

LAB	= $(CURDIR)/selftests/lab

.PHONY: demo check check-models check-debug check-dma check-across check-readme bench bench-vmx suites lab

# What building and testing need: Debian's packages, the kernels under test.
lab:
	@$(LAB)/install

demo: lab
	@$(LAB)/demo

# TESTS=NAME[:WORD]...: with the boots of these lab tests alone. The makes that it starts have a TESTS of their own.
check: lab
	@env -u MAKEFLAGS -u MAKEOVERRIDES $(LAB)/check $(TESTS)

# Not part of check: fetches a clean Debian 12, and does in it what README.md says.
check-readme:
	@$(LAB)/install 'mmdebstrap /usr/bin/mmdebstrap'
	@$(LAB)/check_readme

# Not part of check: takes about an hour.
check-models: lab
	@$(LAB)/check_models

# Not part of check: all that has to do with devices and IOMMUs, at length. After make check, which builds for it.
check-dma: lab
	@$(LAB)/check_dma

# Not part of check: a machine goes from a host of one vendor to one of the other.
check-across: lab
	@$(MAKE) module KDIR=$(KEEL_CACHE)/6.1/build
	@$(MAKE) module KDIR=$(KEEL_CACHE)/6.1-cloud/build
	@$(MAKE) launcher
	@$(LAB)/mkguest
	@$(LAB)/check_across

# Not part of check: builds a kernel first.
check-debug: lab
	@$(LAB)/check_debug

# SVM, then VMX; KEEL_BENCH=svm or KEEL_BENCH=vmx for one of them.
bench: lab
	@$(LAB)/bench

# Intel's half of it, and what an exit is made of: VMREADs, VMWRITEs, MSRs.
bench-vmx: lab
	@KEEL_BENCH=vmx $(LAB)/bench
	@$(LAB)/trace_exit

# Not part of check: takes about an hour for each kernel.
suites: lab
	@$(MAKE) module KDIR=$(KEEL_CACHE)/6.1/build
	@$(MAKE) module KDIR=$(KEEL_CACHE)/6.12/build
	@$(LAB)/suite_kvm --kernel 6.1; old=$$?; $(LAB)/suite_kvm --kernel 6.12 && exit $$old

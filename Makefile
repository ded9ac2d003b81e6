# SPDX-License-Identifier: GPL-2.0-only
# Keel: the module, the launcher, the tests. `make help` lists the targets.
#
# Nothing is built in the source tree: $(BUILD)/<uname -r of the kernel>/ holds links to the sources, so that the module
# is built for several kernels side by side.

RUNNING	:= $(shell uname -r)
KDIR	?= /lib/modules/$(RUNNING)/build
BUILD	?= $(CURDIR)/build
W	?= 1
# C=1 runs sparse where it is installed; CF makes its warnings errors.
C	?= $(if $(shell command -v sparse 2>/dev/null),1,0)

# Not kernel.release: Debian has its own version there.
KREL	:= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' $(KDIR)/include/generated/utsrelease.h 2>/dev/null)
MDIR	= $(BUILD)/$(KREL)
ROOMS	= chardev core emulate ept host include iommu irqchip svm vmx
SOURCES	= Kbuild version.mk $(shell find $(ROOMS) selftests/mutate -name '*.[chS]' 2>/dev/null)
# Where things go, below DESTDIR, which is for those who pack. The module goes to MODULES/<uname -r>/updates.
LOCAL	= $(DESTDIR)/usr/local
MODULES	= $(DESTDIR)/lib/modules

.PHONY: all help headers module map launcher install uninstall clean
.DEFAULT_GOAL := help

help:
	@echo 'Keel, a virtual machine monitor for Linux on x86'
	@echo
	@echo '  make demo       install what is needed, build, boot Debian in a Keel VM in an emulated host'
	@echo '  make check      install what is needed, build for every supported kernel, run all tests; TESTS=NAME for those of one'
	@echo '  make check-models  the tests on every CPU model that Bochs has and Debian boots on, VMX and SVM; a table'
	@echo '  make check-dma     devices, IOMMUs and assigned devices, at length'
	@echo '  make check-across  Linux at work, saved on an emulated host with SVM, goes on on one with VMX'
	@echo '  make check-debug  the tests on a kernel, built here, that watches locks, RCU and sleeping'
	@echo '  make check-readme  README.md followed word by word, in a clean Debian 12 and on an emulated host that runs it'
	@echo '  make bench      instructions per operation, Keel beside stock KVM, on SVM, then on VMX; KEEL_BENCH=svm-shadow, ... for a part'
	@echo '  make bench-vmx  only on VMX, and the VMREADs, VMWRITEs, ... of an exit'
	@echo '  make lab        install what all of these need, and fetch the kernels under test'
	@echo '  make suites     KVM'\''s own selftests, from Debian'\''s linux-source-6.1 and 6.12, on stock KVM and on Keel'
	@echo
	@echo '  make all        the module and the launcher'
	@echo '  make module     keel.ko for the kernel headers in KDIR; with KEEL_DEBUG=1 one for tests of what CPUs do not do by themselves'
	@echo '  make map        build the module, and print which function is defined in which file, and who uses it'
	@echo '  make launcher   userspace/keel'
	@echo '  make install    module, launcher, man page, completion and udev rule into this machine, or below DESTDIR'
	@echo '  make uninstall  take these away again, the module of every kernel'
	@echo '  make clean      remove the build directory'
	@echo
	@echo 'Variables: KDIR (kernel headers, now $(KDIR)), BUILD (output, now $(BUILD)), W (warnings, 1), C (sparse, $(C))'

all: module launcher

# No other kernel's headers are taken unasked.
headers:
	$(if $(KREL),,$(error no kernel headers in $(KDIR): install linux-headers-$(RUNNING), or say KDIR=DIRECTORY))

# Links to all sources, refreshed so that removed files disappear.
$(MDIR)/.links: $(SOURCES) Makefile | headers
	@mkdir -p $(MDIR)
	@cd $(MDIR) && find . -type l -name '*.[chS]' -delete
	@for f in $(SOURCES); do mkdir -p $(MDIR)/$$(dirname $$f) && ln -sf $(CURDIR)/$$f $(MDIR)/$$f; done
	@touch $@

$(MDIR)/keel_have.h: host/probe | headers
	@mkdir -p $(MDIR)
	sh host/probe $(KDIR) > $@.tmp && mv $@.tmp $@

module: $(MDIR)/.links $(MDIR)/keel_have.h
	$(MAKE) -C $(KDIR) M=$(MDIR) W=$(W) C=$(C) CF='-Wsparse-error' modules
	@echo 'module: $(MDIR)/keel.ko'

map: module
	@KEEL_BUILD=$(abspath $(BUILD)) KREL=$(KREL) selftests/lab/map_functions

launcher:
	$(MAKE) -C userspace BUILD=$(BUILD)/userspace

# Without System.map, which headers lack, modules_install runs no depmod.
install: all
	$(MAKE) -C $(KDIR) M=$(MDIR) INSTALL_MOD_PATH=$(abspath $(DESTDIR)) INSTALL_MOD_DIR=updates DEPMOD=true modules_install
	$(if $(DESTDIR),,depmod $(KREL))
	install -D -m 755 $(BUILD)/userspace/keel $(LOCAL)/bin/keel
	install -D -m 644 Documentation/keel.1 $(LOCAL)/share/man/man1/keel.1
	install -D -m 644 userspace/keel.bash $(LOCAL)/share/bash-completion/completions/keel
	install -D -m 644 userspace/60-keel.rules $(LOCAL)/lib/udev/rules.d/60-keel.rules

# Of a compressed module the name goes on behind .ko.
uninstall:
	rm -f $(LOCAL)/bin/keel $(LOCAL)/share/man/man1/keel.1 $(LOCAL)/lib/udev/rules.d/60-keel.rules \
		$(LOCAL)/share/bash-completion/completions/keel
	@for module in $(wildcard $(MODULES)/*/updates/keel.ko*); do \
		echo "rm -f $$module"; rm -f $$module; \
		$(if $(DESTDIR),,kernel=$${module%/updates/*}; depmod $${kernel##*/};) \
	done

clean:
	rm -rf $(BUILD)

-include selftests/lab/lab.mk

# SPDX-License-Identifier: GPL-2.0-only
unit_svm_check_test-srcs := svm/check.c
unit_svm_check_test-cflags := -I$(TOP)/selftests/svm/shim -I$(TOP)/svm -include $(TOP)/selftests/lib/rule_count.h

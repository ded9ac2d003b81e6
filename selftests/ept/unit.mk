# SPDX-License-Identifier: GPL-2.0-only
comma := ,
ept-shim := -I$(TOP)/selftests/ept/shim
unit_pgtable_test-srcs := ept/pgtable.c ept/pte_npt.c ept/pte_ept.c
unit_pgtable_test-cflags := $(ept-shim) -I$(TOP)/ept
unit_walk_test-srcs := ept/walk.c
unit_walk_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_vcpu.h
unit_shadow_test-srcs := ept/walk.c ept/pgtable.c ept/pte_npt.c $(patsubst $(TOP)/%,%,$(filter-out %/shadow_vm.c,$(wildcard $(TOP)/ept/shadow_*.c)) \
	$(wildcard $(TOP)/selftests/ept/shadow_*.c))
unit_shadow_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_vcpu.h
# selftests/ept/shadow_bugs.c puts itself between these and their callers in other files.
shadow-wraps := shadow_is shadow_rights shadow_child shadow_direct_child shadow_may_write shadow_leaf shadow_protect_frame \
	shadow_block_has_tables memory_flush shadow_settle shadow_leaf_add shadow_leaf_remove walk_unchanged \
	shadow_sync_all shadow_sync_frame shadow_leaf_fits shadow_mark_synced shadow_let_write shadow_covered \
	shadow_invlpg shadow_quick_invlpg shadow_quick_load shadow_sync_alone shadow_set_leaf shadow_is_ready shadow_root_is_good shadow_root_get host_page_lookup shadow_protect shadow_forget
unit_shadow_test-libs := $(addprefix -Wl$(comma)--wrap=,$(shadow-wraps))
unit_shadow_vm_test-srcs := ept/shadow_vm.c
unit_shadow_vm_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_vcpu.h
unit_slots_test-srcs := ept/memslot.c ept/dirty.c ept/access.c
unit_slots_test-cflags := $(ept-shim) -I$(TOP)/ept -include $(TOP)/selftests/ept/unit_slots.h

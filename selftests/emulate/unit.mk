# SPDX-License-Identifier: GPL-2.0-only
emulate-srcs := $(patsubst %,emulate/%.c,decode opcodes operand segment_limit execute arith muldiv exchange \
	stack branch string segment far task system vector fx native bits fast format) selftests/emulate/unit_machine.c
unit_decode_test-srcs := $(emulate-srcs)
unit_native_test-srcs := $(emulate-srcs) $(patsubst %,selftests/emulate/unit_native_%.c,cpu compose rules)
unit_execute_test-srcs := $(emulate-srcs)
unit_restart_test-srcs := $(emulate-srcs)
unit_segment_test-srcs := $(emulate-srcs)
unit_task_test-srcs := $(emulate-srcs)
unit_fast_test-srcs := $(emulate-srcs)
unit_fuzz_test-srcs := $(emulate-srcs)
unit_fx_test-srcs := $(emulate-srcs)
unit_decoders_test-srcs := $(emulate-srcs) selftests/emulate/unit_decoders_rules.c
unit_decoders_test-libs := -lZydis -lcapstone
unit_untested_test-srcs := $(emulate-srcs)
unit_owner_test-srcs := $(emulate-srcs)
# These leave notes that it reads.
rows-tests := native execute owner restart segment task fast fx

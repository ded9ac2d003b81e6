# SPDX-License-Identifier: GPL-2.0-only
# The launcher's unit tests: its own sources, with a stand-in for the VM.
fake-vm := selftests/userspace/fake_vm.c userspace/gate.c userspace/memory.c userspace/bus.c
virtio-srcs := $(fake-vm) $(patsubst %,userspace/%.c,virtio virtio_turn virtq rate_limit msix pci pci_window)
blk-srcs := $(patsubst %,userspace/%.c,virtio_blk virtio_blk_open disk_lock disk_remote nbd nbd_agree nbd_wire nbd_address socket_address socket_connect children children_start overlay qcow2 qcow2_header)
options := $(patsubst %,userspace/%.c,options option_row guest_options device_options run_options ctl_options jail_options cpu_model cpu_feature nbd_address socket_address fork_options mark_options net_options rate_options share_options memory_options memory size config gdb_listen migrate_address socket_connect put_off socket_file help help_commands help_subjects runtime status)
unit_options_test-srcs := $(options)
unit_options_test-libs := -ljson-c
unit_config_test-srcs := $(options)
unit_config_test-libs := -ljson-c
unit_memory_options_test-srcs := $(patsubst %,userspace/%.c,memory_options memory size status)
unit_bus_test-srcs := userspace/bus.c
unit_files_test-srcs := userspace/files.c userspace/disk_lock.c userspace/nbd_address.c userspace/socket_address.c userspace/status.c
unit_memory_test-srcs := userspace/memory.c
unit_acpi_test-srcs := userspace/acpi.c userspace/aml.c
unit_cpuid_test-srcs := $(fake-vm) userspace/cpuid.c userspace/cpu_feature.c
unit_cpu_model_test-srcs := $(patsubst %,userspace/%.c,cpu_model cpu_leaves cpu_models cpu_feature cpuid memory status)
unit_boot_test-srcs := userspace/boot_image.c userspace/boot_protocol.c userspace/memory.c
unit_virtq_test-srcs := userspace/virtq.c userspace/memory.c
unit_serial_test-srcs := $(fake-vm) userspace/serial.c
unit_rtc_test-srcs := $(fake-vm) userspace/rtc.c
unit_rtc_test-cflags := -Wl,--wrap=pthread_cond_timedwait
unit_watchdog_test-srcs := $(fake-vm) userspace/pci.c userspace/pci_window.c userspace/watchdog.c
unit_power_test-srcs := $(fake-vm) userspace/power.c
unit_generation_test-srcs := $(fake-vm) $(patsubst %,userspace/%.c,generation power status)
unit_pci_test-srcs := $(virtio-srcs)
unit_disk_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/virtio_rng.c userspace/status.c
unit_disk_test-libs := -lzstd -lz
unit_fw_cfg_test-srcs := $(fake-vm) userspace/fw_cfg.c
unit_firmware_test-srcs := $(fake-vm) $(patsubst %,userspace/%.c,firmware firmware_tables variables flash disk_lock directory put_off chipset fw_cfg acpi aml rtc pci pci_window status)
unit_flash_test-srcs := $(fake-vm) $(patsubst %,userspace/%.c,flash variables disk_lock directory put_off status)
unit_flash_test-cflags := -Wl,--wrap=fsync
unit_reset_test-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,power rtc serial console virtio_console virtio_rng virtio_mem hold reset restarts pause fw_cfg variables flash disk_lock directory put_off status watchdog)
unit_reset_test-cflags := -Wl,--wrap=vm_release -Wl,--wrap=clock_gettime -Wl,--wrap=status_warn
unit_reason_test-srcs := $(fake-vm) userspace/exit.c userspace/reason.c \
	$(patsubst %,userspace/gdb_%.c,stop break cpu)
unit_uart_test-srcs := $(fake-vm) userspace/serial.c
unit_qcow2_test-srcs := userspace/qcow2.c userspace/qcow2_header.c
unit_qcow2_test-libs := -lzstd -lz
unit_blk_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/status.c
unit_blk_test-libs := -lzstd -lz
unit_bootloader_test-srcs := $(patsubst %,userspace/%.c,boot boot_image boot_protocol memory acpi aml status)
unit_boot_protocol_test-srcs := $(unit_bootloader_test-srcs)
unit_cpuid_count_test-srcs := $(fake-vm) userspace/cpuid.c userspace/cpu_feature.c
# As the launcher is linked: the C library is part of what is tested, and a sanitizer has calls of its own.
unit_sandbox_test-srcs := $(patsubst %,userspace/%.c,sandbox sandbox_fork crash report runtime status)
unit_sandbox_test-cflags := -fno-sanitize=all -static -pthread
unit_sandbox_test-libs := -lseccomp
unit_jail_test-srcs := $(patsubst %,userspace/%.c,jail jail_keeper ready report runtime status)
unit_dma_test-srcs := userspace/dma.c userspace/status.c
unit_dma_test-cflags := -Wno-override-init
unit_stats_test-srcs := userspace/stats.c userspace/status.c
unit_rtc_sheet_test-srcs := $(fake-vm) userspace/rtc.c
unit_pci_header_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/virtio_rng.c userspace/status.c
unit_pci_header_test-libs := -lzstd -lz
unit_vfio_pci_test-srcs := $(fake-vm) userspace/vfio_pci.c userspace/vfio_irq.c userspace/msix.c userspace/pci.c userspace/pci_window.c userspace/status.c
balloon-srcs := $(patsubst %,userspace/%.c,virtio_balloon virtio_mem balloon_json memory_options size status)
unit_balloon_test-srcs := $(virtio-srcs) $(balloon-srcs)
unit_balloon_test-libs := -ljson-c
unit_mem_test-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,virtio_mem state_mem state_virtio state_fields state_format)
unit_mem_test-cflags := -DKEEL_VERSION='"test"'
unit_mem_test-libs := -lz
unit_virtio_console_test-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,virtio_console state_console state_virtio state_fields state_format)
unit_virtio_console_test-cflags := -DKEEL_VERSION='"test"'
unit_virtio_console_test-libs := -lz -Wl,--wrap=clock_gettime
control-srcs := $(sort selftests/userspace/fake_control.c $(virtio-srcs) $(balloon-srcs) $(patsubst %,userspace/%.c,control control_socket socket_file command command_rows command_migrate migrate_turn runtime generation power stats state_base state_fields state_stream state_format))
unit_control_test-srcs := $(control-srcs)
unit_control_test-cflags := -DKEEL_VERSION='"test"'
unit_control_test-libs := -ljson-c -lz
unit_control_client_test-srcs := $(control-srcs)
unit_control_client_test-cflags := -DKEEL_VERSION='"test"'
unit_control_client_test-libs := -ljson-c -lz
unit_control_migrate_test-srcs := $(control-srcs)
unit_control_migrate_test-cflags := -DKEEL_VERSION='"test"'
unit_control_migrate_test-libs := -ljson-c -lz
unit_control_stand_test-srcs := $(control-srcs)
unit_control_stand_test-cflags := -DKEEL_VERSION='"test"'
unit_control_stand_test-libs := -ljson-c -lz
# The kernel is the test's.
unit_pause_test-srcs := $(patsubst %,userspace/%.c,pause vcpu vm gate exit reason memory bus cpuid cpu_model cpu_leaves cpu_feature status) \
	$(patsubst %,userspace/gdb_%.c,stop break cpu)
unit_pause_test-cflags := -Wl,--wrap=ioctl
unit_ctl_test-srcs = $(sort $(state-srcs) $(patsubst %,userspace/%.c,ctl ctl_ask ctl_fork ctl_migrate ctl_save ctl_tell state_chain net_user put_off migrate_address socket_connect gdb_listen socket_address control_socket socket_file runtime status whole directory disk_lock state_format))
unit_ctl_test-libs = -ljson-c $(state-libs)
unit_ctl_test-cflags := -DKEEL_VERSION='"test"' -Wl,--wrap=flock -Wl,--wrap=ctl_ask
unit_hold_test-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,hold state_format)
unit_hold_test-libs := -lz
unit_hold_test-cflags := -DKEEL_VERSION='"test"' -pthread
# The child's side is the test's.
unit_fork_test-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,fork hold state_board state_fields state_format serial rtc power virtio_rng status)
unit_fork_test-libs := -lz
unit_fork_test-cflags := -DKEEL_VERSION='"test"'
unit_mark_test-srcs := $(fake-vm) $(patsubst %,userspace/%.c,mark dirty generation power overlay state_format status)
unit_mark_test-libs := -lz
unit_mark_test-cflags := -DKEEL_VERSION='"test"' -Wl,--wrap=ioctl
unit_ready_test-srcs := userspace/ready.c userspace/status.c
unit_report_test-srcs := userspace/report.c userspace/status.c
# Saved machines: what is in a stream, without the ioctls.
state-srcs := $(virtio-srcs) $(balloon-srcs) $(patsubst %,userspace/state_%.c,format fields stream image index lazy base memory vcpu_rows board chips virtio balloon mem console)
state-libs := -lzstd -lz
state-cflags := -DKEEL_VERSION='"test"'
unit_state_fields_test-srcs := $(state-srcs)
unit_state_fields_test-libs := $(state-libs)
unit_state_fields_test-cflags := $(state-cflags)
unit_state_stream_test-srcs := $(state-srcs)
unit_state_stream_test-libs := $(state-libs)
unit_state_stream_test-cflags := $(state-cflags)
unit_state_round_test-srcs := $(state-srcs)
unit_state_round_test-libs := $(state-libs)
unit_state_round_test-cflags := $(state-cflags)
unit_state_lazy_test-srcs := $(state-srcs)
unit_state_lazy_test-libs := $(state-libs)
unit_state_lazy_test-cflags := $(state-cflags)
unit_fill_test-srcs := $(state-srcs) userspace/faults.c userspace/fill.c
unit_fill_test-libs := $(state-libs)
unit_fill_test-cflags := $(state-cflags) -pthread
# What serves faults is the test's.
unit_track_test-srcs := $(sort $(state-srcs) $(patsubst %,userspace/%.c,track dirty state_chain state_save state_restore state_file state_vcpu state_cpu cpu_feature whole directory cpuid serial rtc power generation \
	virtio_rng virtio_console) $(blk-srcs))
unit_track_test-libs := $(state-libs)
unit_track_test-cflags := $(state-cflags) -pthread -Wl,--wrap=clock_gettime
unit_migrate_turn_test-srcs := userspace/migrate_turn.c
# Both sides, without the kernel.
move-srcs := $(sort $(state-srcs) $(patsubst %,userspace/%.c,faults fill track state_save state_restore state_file state_vcpu state_cpu cpu_feature cpuid serial rtc power virtio_rng virtio_console \
	dirty generation hold arrive gdb_listen socket_address socket_file migrate migrate_address put_off migrate_guest migrate_pace migrate_turn migrate_word) $(blk-srcs))
unit_migrate_test-srcs := $(move-srcs)
unit_migrate_test-libs := $(state-libs)
unit_migrate_test-cflags := $(state-cflags) -pthread -Wl,--wrap=calloc -Wl,--wrap=clock_gettime -Wl,--wrap=fdatasync -Wl,--wrap=pthread_mutex_clocklock
unit_arrive_test-srcs := $(move-srcs)
unit_arrive_test-libs := $(state-libs)
unit_arrive_test-cflags := $(state-cflags) -pthread -Wl,--wrap=clock_gettime -Wl,--wrap=send
unit_migrate_pace_test-srcs := userspace/migrate_pace.c
unit_migrate_word_test-srcs := $(patsubst %,userspace/%.c,migrate_turn migrate_word migrate_address socket_connect put_off gdb_listen socket_address socket_file state_format)
unit_migrate_word_test-libs := -lz
unit_migrate_word_test-cflags := $(state-cflags)
unit_state_cpu_test-srcs := $(patsubst %,userspace/%.c,state_cpu state_format cpu_feature)
unit_state_cpu_test-libs := -lz
unit_state_cpu_test-cflags := $(state-cflags)
unit_state_vcpu_test-srcs := $(patsubst %,userspace/state_%.c,format fields vcpu vcpu_rows chips)
unit_state_vcpu_test-libs := -lz
unit_state_vcpu_test-cflags := $(state-cflags)
unit_state_devices_test-srcs := $(virtio-srcs) $(balloon-srcs) $(patsubst %,userspace/%.c,state_format state_fields state_board state_virtio \
	state_balloon serial rtc power)
unit_state_devices_test-libs := -lz
unit_state_devices_test-cflags := $(state-cflags)
unit_state_mutate_test-srcs := $(state-srcs) $(patsubst %,userspace/%.c,inspect inspect_diff serial rtc power virtio_console)
unit_state_mutate_test-libs := $(state-libs) -ljson-c
unit_state_mutate_test-cflags := $(state-cflags)
unit_state_golden_test-srcs := $(state-srcs) $(patsubst %,userspace/%.c,inspect inspect_diff serial rtc power virtio_rng) $(blk-srcs)
unit_state_golden_test-libs := $(state-libs) -ljson-c
unit_state_golden_test-cflags := $(state-cflags) -DGOLDEN='"$(SRC)/userspace/saved.keel"'
unit_whole_test-srcs := $(patsubst %,userspace/%.c,whole directory disk_lock state_format status)
unit_whole_test-libs := -lz
unit_whole_test-cflags := $(state-cflags)
unit_state_machine_test-srcs := $(state-srcs) $(patsubst %,userspace/%.c,faults fill track dirty state_save state_restore state_file state_vcpu state_cpu cpu_feature whole directory cpuid serial rtc power generation \
	virtio_rng virtio_console) $(blk-srcs)
unit_state_machine_test-libs := $(state-libs)
unit_state_machine_test-cflags := $(state-cflags)
gdb-srcs := $(fake-vm) selftests/userspace/fake_gdb.c $(patsubst %,userspace/gdb_%.c,break client command layout memory packet query regs resume stop)
unit_gdb_packet_test-srcs := userspace/gdb_packet.c
unit_gdb_regs_test-srcs := userspace/gdb_regs.c userspace/gdb_layout.c
unit_gdb_break_test-srcs := userspace/gdb_break.c userspace/memory.c
unit_gdb_command_test-srcs := $(gdb-srcs)
unit_gdb_listen_test-srcs := userspace/gdb_listen.c userspace/socket_file.c userspace/socket_address.c
unit_gdb_server_test-srcs := $(sort $(gdb-srcs) $(virtio-srcs) $(balloon-srcs) $(patsubst %,userspace/%.c,gdb gdb_listen socket_address gdb_serve put_off pause command command_rows command_migrate migrate_turn runtime \
	control_socket socket_file generation power stats state_base state_fields state_stream state_format))
unit_gdb_server_test-cflags := -pthread -DKEEL_VERSION='"test"'
unit_gdb_server_test-libs := -ljson-c -lz
# As the launcher is linked, like unit_sandbox_test.
unit_gdb_sandbox_test-srcs := $(patsubst %,userspace/%.c,sandbox sandbox_fork report status)
unit_gdb_sandbox_test-cflags := -fno-sanitize=all -static -pthread
unit_gdb_sandbox_test-libs := -lseccomp
net-srcs := $(patsubst %,userspace/%.c,virtio_net net_header net_filter net_control net_deliver vhost net_vhost_kernel route status)
unit_rate_limit_test-srcs := $(patsubst %,userspace/%.c,rate_limit rate_options size)
unit_rate_device_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/status.c
unit_rate_device_test-cflags := -pthread
unit_rate_device_test-libs := -lzstd -lz
unit_net_test-srcs := $(virtio-srcs) $(net-srcs)
unit_net_options_test-srcs := $(patsubst %,userspace/%.c,net_options rate_options size status)
unit_net_user_test-srcs := userspace/net_user.c userspace/status.c
unit_net_vhost_test-srcs := $(virtio-srcs) $(net-srcs)
unit_net_vhost_test-cflags := -Wl,--wrap=open -Wl,--wrap=ioctl
unit_net_tap_test-srcs := userspace/net_tap.c userspace/status.c
unit_net_vhost_user_test-srcs := $(virtio-srcs) $(net-srcs) $(patsubst %,userspace/%.c,net_vhost_user children vhost_user vhost_user_message) \
	selftests/userspace/vhost_user_peer.c
unit_net_vhost_user_test-cflags := -pthread
# virtiofsd is found, started and, where it is installed, spoken to.
share-srcs := $(virtio-srcs) $(patsubst %,userspace/%.c,share share_child children children_start virtio_fs vhost vhost_user vhost_user_message route status)
unit_virtio_fs_test-srcs := $(share-srcs) selftests/userspace/vhost_user_peer.c
unit_virtio_fs_test-cflags := -pthread -Wl,--wrap=status_warn
unit_virtio_fs_test-libs := -lseccomp
unit_share_child_test-srcs := $(patsubst %,userspace/%.c,share_child children children_start status)
unit_share_child_test-libs := -lseccomp
unit_share_test-srcs := $(share-srcs)
unit_share_test-cflags := -pthread
unit_share_test-libs := -lseccomp
unit_share_options_test-srcs := userspace/share_options.c userspace/status.c
# The server is the test's.
nbd-srcs := $(patsubst %,userspace/%.c,nbd nbd_agree nbd_wire)
unit_nbd_test-srcs := $(fake-vm) $(nbd-srcs) selftests/userspace/nbd_peer.c
unit_nbd_test-cflags := -pthread
unit_nbd_address_test-srcs := userspace/nbd_address.c userspace/socket_address.c
unit_blk_remote_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/status.c selftests/userspace/nbd_peer.c
unit_blk_remote_test-cflags := -pthread
unit_blk_remote_test-libs := -lzstd -lz
unit_power_cut_test-srcs := $(virtio-srcs) $(blk-srcs) userspace/status.c
unit_power_cut_test-cflags := -pthread -Wno-format-nonliteral
unit_power_cut_test-libs := -lzstd -lz

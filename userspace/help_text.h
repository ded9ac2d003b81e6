/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The texts of the help, by their subjects.
 */
#ifndef KEEL_HELP_TEXT_H
#define KEEL_HELP_TEXT_H

/* of commands */
extern const char help_run[];
extern const char help_ctl[];
extern const char help_list[];
extern const char help_restore[];
extern const char help_inspect[];
extern const char help_dma[];
extern const char help_cpu_models[];

/* of what needs more than a line there */
extern const char help_cpu[];
extern const char help_memory[];
extern const char help_net[];
extern const char help_share[];
extern const char help_config[];
extern const char help_control[];
extern const char help_fork[];
extern const char help_mark[];
extern const char help_migrate[];
extern const char help_gdb[];
extern const char help_firmware[];
extern const char help_jail[];

#endif

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: Bochs 2.7 (Debian 12), term display, built with its debugger.
# Packages: bochs=2.7+dfsg-4+deb12u1
# Behaviour: the display library "term" draws on the terminal that Bochs was started in, by its documentation. This build, which
#	has the debugger, does not: without being asked it opens a pseudo-terminal of its own, prints its name and draws there, also
#	where there is no terminal at all.
# Seen: started with its standard streams on files it prints: Bochs connected to screen "/dev/pts/N".

. "$(dirname "$0")/lib/lib.sh"

on_bochs corei7_skylake_x <<'END'
	mov $0x12345678, %eax; call tell; jmp done
END
expect "the program ran" 12345678 "$(line 1)"
expect "Bochs's words" 'Bochs connected to screen "/dev/pts/N"' \
	"$(grep -ao 'Bochs connected to screen ".*"' "$work/words" | head -n 1 | sed 's|/[0-9]*"|/N"|')"
finish

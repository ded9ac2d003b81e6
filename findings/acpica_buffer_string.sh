#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: iasl and acpiexec of ACPICA 20200925 (Debian 12).
# Packages: acpica-tools=20200925-8
# Behaviour: a buffer that stands where a string is wanted becomes a string of its bytes in hexadecimal. The specification wants two
#	digits for each and a space between them; ACPICA puts 0x before each, and an integer, which has another row of the same table,
#	gets none. So a comparison with the string that the specification gives fails.
#	Guess: ACPI 6.3, 19.3.5.7 "Data Type Conversion Rules", the table's row from buffer to string.
# Seen: "0x01 0xAB" for the buffer 01 AB; it is not equal to "01 AB".

. "$(dirname "$0")/lib/lib.sh"

fetch acpica-tools=20200925-8
runs "$root/usr/bin/iasl"
cat >"$work/table.asl" <<'END'
DefinitionBlock ("", "DSDT", 2, "OEM", "TABLE", 1)
{
	Method (JOIN) { Local0 = Buffer () { 1, 0xab } Return (Concatenate ("", Local0)) }
	Method (SPEC) { Local0 = Buffer () { 1, 0xab } Return (LEqual ("01 AB", Local0)) }
	Method (PREF) { Local0 = Buffer () { 1, 0xab } Return (LEqual ("0x01 0xAB", Local0)) }
	Method (NUMB) { Local0 = 0xab Return (Concatenate ("", Local0)) }
}
END
"$root/usr/bin/iasl" -p "$work/table" "$work/table.asl" >"$work/words" 2>&1 || { cat "$work/words"; broken "the table does not compile"; }

# value METHOD - what it returns
value() { "$root/usr/bin/acpiexec" -b "evaluate $1" "$work/table.aml" 2>&1 | sed -n '/Evaluation of/{n; s/.* = //p;}'; }

expect "the buffer 01 AB as a string" '"0x01 0xAB"' "$(value JOIN)"
expect "equal to the string 01 AB" 0000000000000000 "$(value SPEC)"
expect "equal to the string 0x01 0xAB" FFFFFFFFFFFFFFFF "$(value PREF)"
expect "the integer 0xAB as a string" '"00000000000000AB"' "$(value NUMB)"
finish

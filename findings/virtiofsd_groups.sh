#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: virtiofsd 7.2.22 (Debian 12), by which an ordinary user shares a folder, as root of a user namespace of the user's own.
# Packages: qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: virtiofsd gives up its supplementary groups first, so that a guest gets nothing by them. In a namespace that a user made
#	without the help of root nobody can (/proc/PID/setgroups is "deny"), and so virtiofsd refuses to serve whoever has such a group,
#	as most users have. The same command serves a user without. sandbox=chroot, for namespaces that somebody else has made, is no
#	way out.
#	Guess: it serves both. virtiofsd(1) wants to be root, offers sandbox=chroot for "container environments where the container
#	runtime has already set up the namespaces", and says nothing of groups; user_namespaces(7), "The /proc/pid/setgroups file".
# Seen: served without groups; with one, "setgroups() failed with error=1:Operation not permitted", status 1 and no answer.

. "$(dirname "$0")/lib/lib.sh"

need unshare setpriv
[ "$(id -u)" = 0 ] || cannot "only root can become a user without groups and one with a group"

# the user 65534, with the groups that the next option names; a namespace where that is root
become=(setpriv --reuid=65534 --regid=65534) in_namespace=(unshare --user --map-root-user)

"${become[@]}" --clear-groups "${in_namespace[@]}" unshare --mount --pid --net --fork true 2>/dev/null ||
	cannot "no user namespaces for ordinary users on this machine"
expect "may groups be changed in the namespace" deny "$("${become[@]}" --groups=65533 "${in_namespace[@]}" cat /proc/self/setgroups)"

# try GROUPS SANDBOX
try() { on_virtiofsd used "$2" "${become[@]}" "$1" "${in_namespace[@]}"; }

for sandbox in namespace chroot; do
	try --clear-groups $sandbox
	expect "sandbox=$sandbox, no supplementary groups: served" 1 "$(seen served)"
	expect "status" 0 "$(seen status)"
	try --groups=65533 $sandbox
	expect "sandbox=$sandbox, one supplementary group: started" 0 "$(seen started)"
	expect "status" 1 "$(seen status)"
	expect "its words" "setgroups() failed with error=1:Operation not permitted" "$(paste -sd ';' "$work/words")"
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Software: virtiofsd 7.2.22 (Debian 12).
# Packages: qemu-system-common=1:7.2+dfsg-7+deb12u18+b3
# Behaviour: vhost-user has no message that ends a connection; the front-end closes it, and virtiofsd ends with status 0, as it should.
#	But first it calls that hangup unexpected, as an error, also behind a front-end that has asked its question and goes, or has
#	had FUSE's last request answered and stopped both rings. One that shuts down its own direction only is left without a word.
#	Guess: status 0 and no word. virtiofsd(1): "log_level=LEVEL - Print only log messages matching LEVEL or more severe", and err
#	is the most severe; nothing has failed here.
# Seen: with log_level=err, "virtio_loop: Unexpected poll revents 11" (hexadecimal: POLLIN and POLLHUP) and status 0.

. "$(dirname "$0")/lib/lib.sh"

need unshare
[ "$(id -u)" = 0 ] || cannot "virtiofsd wants root"
unshare --mount --pid --net --fork true 2>/dev/null || cannot "no namespaces on this machine"

on_virtiofsd asked namespace
expect "it has told its features, the connection is closed: status" 0 "$(seen status)"
expect "its words" "virtio_loop: Unexpected poll revents 11" "$(paste -sd ';' "$work/words")"
on_virtiofsd used namespace
expect "it has served, its rings are stopped, the connection is closed: served" 1 "$(seen served)"
expect "status" 0 "$(seen status)"
expect "its words" "virtio_loop: Unexpected poll revents 11" "$(paste -sd ';' "$work/words")"
on_virtiofsd half namespace
expect "the same, the connection is shut down in one direction: served" 1 "$(seen served)"
expect "status" 0 "$(seen status)"
expect "its words" "" "$(paste -sd ';' "$work/words")"
finish

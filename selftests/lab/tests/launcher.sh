# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.12 --module keel --cpus 2 --about 300
# long: --kernel 6.1 --module keel --cpus 2 --about 300
# long: --host bochs --module keel --about 600
# needs: launcher selftests/userspace/launcher_test selftests/userspace/console_test selftests/userspace/signals_test
# needs: selftests/userspace/stats_option_test selftests/userspace/control_test selftests/userspace/fork_test selftests/userspace/mark_test
#
# The launcher as a program: how its runs end, at a terminal, with output that nobody takes, by signals at any moment;
# and what keel ctl does to a running guest.

. /lab/tap.sh

begin 7
for name in launcher console signals stats_option control fork mark; do
	check "userspace/${name}_test" /selftests/userspace/${name}_test
done
end

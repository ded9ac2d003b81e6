# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --host bochs --module none --about 26
#
# The emulated machine's screen takes whatever is written to it: run_bochs reads what Bochs draws. Where it does not, the
# boot ends at its time limit.

. /lab/tap.sh
begin 1

letters=abcdefghijklmnopqrstuvwxyz
letters=$letters$letters$letters$letters

# pictures N - a new full screen, N times: each letter beside and after another one, since repetitions cost no bytes;
# slower than Bochs draws, 20 times a second of the host's clock
pictures() {
	n=0
	while [ $n -lt "$1" ]; do
		line=$(echo "$letters" | cut -c $((n * 7 % 26 + 1))-$((n * 7 % 26 + 78)))
		for _ in $(seq 24); do echo "$line"; done >/dev/tty0 || return
		usleep 60000
		n=$((n + 1))
	done
}

check "the screen was drawn 80 times" pictures 80
end

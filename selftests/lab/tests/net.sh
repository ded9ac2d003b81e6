# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091,SC2154
# long: --kernel 6.1 --module keel --cpus 2 --host-root --extra tun --extra vhost_net --extra dummy --about 290
# long: --kernel 6.12 --module keel --cpus 2 --host-root --extra tun --extra vhost_net --extra dummy --about 290
# needs: launcher guest vhost-user-tap
#
# The launcher's network device with a Linux guest: on a TAP interface, moved by the kernel
# (vhost-net), by the launcher and by another process (vhost-user); by passt, and a fork by another passt. What is carried each way is compared by its checksum;
# a guest that is paused again and again meanwhile loses none of it;
# the guest lets the network card (here, the host's kernel) cut up what it sends and check what it gets.

. /lab/tap.sh
. /lab/guests.sh

listeners=''
LINES=400000	# of eight bytes each, one way
WORDS=$(seq -w 1 $LINES | sha256sum | cut -d ' ' -f 1)
seq -w 1 $LINES >/tmp/words
modprobe tun
# A pipe that nobody writes to keeps a connection's other direction open.
mkfifo /tmp/open
exec 3<>/tmp/open

# iproute2: busybox makes no tap
of_host() { chroot /host "$@"; }

# Wait for the guest to be done, two minutes at most
guest_ended() { ! kill -0 "$guest" 2>/dev/null; }

# guest NAME NET ADDRESS JOBS [OPTION]... - in the background
guest() {
	name=$1 net=$2 address=$3 jobs=$4
	shift 4
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 192M --stats \
		--append "$guest_append quiet keel.mode=net keel.lines=$LINES keel.address=$address keel.jobs=$jobs" \
		--net "$net" "$@" </dev/null >"/tmp/$name.out" 2>"/tmp/$name.err" &
	guest=$!
}

# says NAME WORDS - did the guest say so? If not, what it said.
says() {
	grep -q "guest: $2" "/tmp/$1.out" || { cat "/tmp/$1.out" "/tmp/$1.err"; return 1; }
}

# serves PORT: the words to who comes; takes PORT FILE: one connection
serves() { nc -ll -p "$1" -e cat /tmp/words & listeners="$listeners $!"; }
takes() { nc -l -p "$1" <&3 >"$2" & listeners="$listeners $!"; }

# Those that nobody came to
hang_up() {
	# shellcheck disable=SC2086 # words are what is wanted
	kill $listeners 2>/dev/null
	listeners=''
}

# both_ways NAME NET [OPTION]... - a guest on tap0 gets and puts the words; exit counts as comments
both_ways() {
	way=$1 net=$2
	shift 2
	rm -f /tmp/got
	serves 5001
	takes 5002 /tmp/got
	guest "$way" "$net" 10.9.0.2/24 get:10.9.0.1:5001,put:10.9.0.1:5002 "$@"
	within 150 guest_ended || kill -9 $guest
	hang_up
	says "$way" "net get $WORDS" && says "$way" "net put done" && says "$way" "powering off" || return
	echo "host got $(sha256sum </tmp/got | cut -d ' ' -f 1), wanted $WORDS"
	[ "$(sha256sum </tmp/got | cut -d ' ' -f 1)" = "$WORDS" ] || return
	grep -E 'guest: (net|interrupts)' "/tmp/$way.out"
}

# Pause the guest and let it go on, from when its network is there until it ends; how often, in /tmp/pauses
pauses() {
	count=0
	within 100 grep -qs "guest: net address" "/tmp/$1.out" || return
	while [ -e /tmp/control ] && keel ctl /tmp/control pause >/dev/null 2>&1; do
		usleep 200000
		keel ctl /tmp/control resume >/dev/null 2>&1 && count=$((count + 1))
		echo $count >/tmp/pauses
		usleep 200000
	done
}

# paused NAME NET - both ways, of a guest that is paused meanwhile
paused() {
	rm -f /tmp/pauses "/tmp/$1.out"
	pauses "$1" &
	pausing=$!
	both_ways "$1" "$2" --control /tmp/control || return
	wait $pausing
	echo "paused $(cat /tmp/pauses) times"
	[ "$(cat /tmp/pauses)" -ge 2 ]
}

# What the packets of a guest cost beside those of one that carried nearly nothing: counters that differ
packets_of() { awk '$2 == "net" && $3 == "packets" { print $4 + $5 }' "/tmp/$1.out"; }
costs() {
	echo "$1: for $(($(packets_of "$1") - $(packets_of base))) packets of $((16 * LINES)) bytes in all"
	awk -v packets=$(($(packets_of "$1") - $(packets_of base))) '
		NF != 2 || $2 !~ /^[0-9]+$/ { next }
		FNR == NR { base[$1] += $2; next }
		{ now[$1] += $2 }
		END { for (name in now) if ((now[name] - base[name]) * 20 > packets) print "  " name, now[name] - base[name] }
	' /tmp/base.err "/tmp/$1.err" | sort
}

# A boot in which next to nothing is carried
base_line() {
	guest base "$1" 10.9.0.2/24 ""
	within 150 guest_ended || kill -9 $guest
	says base "powering off" && costs off && costs on
}

# refused STATUS WORDS OPTION... - the launcher ends so at once, with one line that has the words
refused() {
	wanted=$1 words=$2
	shift 2
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz "$@" </dev/null >/tmp/refused 2>&1
	got=$?
	cat /tmp/refused
	[ $got = "$wanted" ] && [ "$(wc -l </tmp/refused)" = 1 ] && grep -qF -e "$words" /tmp/refused
}

begin 21
of_host /sbin/ip tuntap add tap0 mode tap
ip addr add 10.9.0.1/24 dev tap0
ip link set tap0 up
check "no such interface" refused 18 "ip tuntap add tap9 mode tap" --net tap=tap9
check "an interface of several queues is another one" refused 18 "no tap interface of several queues (ip tuntap del" --net tap=tap0,queues=2
check "vhost=on without the module" refused 18 "modprobe vhost_net" --net tap=tap0,vhost=on
check "tap, without the module: told, and moved by the launcher" both_ways fallback tap=tap0,mac=02:00:00:00:00:09
check "the line says why" grep -q 'no vhost-net, so this process moves the frames: .*modprobe vhost_net' /tmp/fallback.err
check "the address that was given" says fallback "net mac 02:00:00:00:00:09 mtu 1500 link 1"
modprobe vhost_net
check "tap, vhost=off" both_ways off tap=tap0,vhost=off,mtu=1400
check "the MTU that was given" says off "net mac .* mtu 1400 link 1"
check "tap, vhost=on" both_ways on tap=tap0,vhost=on
check "tap, vhost=off, paused meanwhile" paused off-paused tap=tap0,vhost=off
check "tap, vhost=on, paused meanwhile" paused on-paused tap=tap0,vhost=on
check "exits, by packet" base_line tap=tap0,vhost=on
of_host /sbin/ip tuntap del tap0 mode tap
of_host /sbin/ip tuntap add tap0 mode tap multi_queue
ip addr add 10.9.0.1/24 dev tap0
ip link set tap0 up
check "two queues of vhost-net" both_ways pairs tap=tap0,queues=2 --cpus 2
check "the guest has two" says pairs "net queues 2"

# By another process
of_host /sbin/ip tuntap del tap0 mode tap
of_host /sbin/ip tuntap add tap0 mode tap
ip addr add 10.9.0.1/24 dev tap0
ip link set tap0 up
vhost_user_tap /tmp/socket tap0 >/tmp/bridge.out 2>&1 &
within 10 test -S /tmp/socket
check "vhost-user" paused process vhost-user=/tmp/socket
check "the other process saw the frames, and ends" within 5 grep -E 'vhost_user_tap: [0-9]{2,} frames from the guest, [0-9]{2,} to it' /tmp/bridge.out

# By passt, which needs a file system of its own and an interface that leads somewhere.
modprobe dummy numdummies=1
ip addr add 192.0.2.1/24 dev dummy0
ip link set dummy0 up
ip route add default via 192.0.2.254
cat >/tmp/user.sh <<'USER'
cd /host && mount --move . / && exec chroot . /bin/sh -c '
	/tmp/keel run --device "$KEEL_DEVICE" --kernel /tmp/guest/vmlinuz --initrd /tmp/guest/initrd --memory 192M \
		--append "$append" --net user,forward=2222:22 </dev/null >/tmp/user.out 2>/tmp/user.err'
USER
cp -r /guest /bin/keel /tmp/
export append="$guest_append quiet keel.mode=net keel.lines=$LINES keel.address=dhcp keel.jobs=get:192.0.2.254:5001,put:192.0.2.254:5002,take:22"

by_passt() {
	rm -f /tmp/got
	serves 5001
	takes 5002 /tmp/got
	unshare -m sh /tmp/user.sh &
	guest=$!
	within 120 grep -qs "guest: net listens" /tmp/user.out || { hang_up; cat /tmp/user.out /tmp/user.err; return 1; }
	sleep 1
	nc 127.0.0.1 2222 </tmp/words
	within 60 guest_ended || kill -9 $guest
	hang_up
	says user "net get $WORDS" && says user "net put done" && says user "net take $WORDS" || return
	[ "$(sha256sum </tmp/got | cut -d ' ' -f 1)" = "$WORDS" ] || return
	grep 'guest: net' /tmp/user.out
}

no_passt() { ! grep -qs '^passt' /proc/[0-9]*/comm; }

check "passt: both ways, and a port that leads to the guest" by_passt
check "passt: a guest's MTU is passt's" says user "net mac .* mtu 65520 link 1"
check "passt ends with the guest" within 5 no_passt

# A fork has a passt of its own: who knocks at its port reaches it, and nobody else.
cat >/tmp/forked.sh <<'FORKED'
cd /host && mount --move . / && exec chroot . /bin/sh -c '
	/tmp/keel run --device "$KEEL_DEVICE" --kernel /tmp/guest/vmlinuz --initrd /tmp/guest/initrd --memory 192M --append "$append" \
		--net user,forward=2222:22 --forkable --control /tmp/warm </dev/null >/tmp/warm.out 2>/tmp/warm.err &
	until grep -qs "guest: net listens" /tmp/warm.out; do sleep 0.2; done
	exec /tmp/keel ctl --json /tmp/warm fork --net user,forward=2223:22 --wait --serial /tmp/child.out >/tmp/child.json'
FORKED
export append="$guest_append quiet keel.mode=net keel.lines=$LINES keel.address=dhcp keel.jobs=take:22"

forked() {
	unshare -m sh /tmp/forked.sh &
	waiter=$!
	within 120 grep -qs '"pid"' /tmp/child.json || { cat /tmp/warm.out /tmp/warm.err; return 1; }
	sleep 1
	nc 127.0.0.1 2223 </tmp/words
	within 60 grep -q "guest: net take $WORDS" /tmp/child.out || return
	! grep "guest: net take" /tmp/warm.out || return
	nc 127.0.0.1 2222 </tmp/words
	within 60 grep -q "guest: net take $WORDS" /tmp/warm.out || return
	wait $waiter && grep '"name":"poweroff"' /tmp/child.json
}

check "passt: a fork, and the one that it is of" forked
check "each passt ends with its guest" within 10 no_passt
end

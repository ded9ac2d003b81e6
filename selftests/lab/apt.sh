# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Debian's packages, downloaded and unpacked into the cache, never installed; the machine's own package lists stay as
# they are. For fetch_kernels and fetch_qemu; after lib.sh.

apt_dir=$cache_dir/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The machine's own Debian sources, one "URI SUITE" a line.
own_sources() {
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
		'Created-By: Packages' |
		awk '$3 == "main" && $4 == "Debian" { print $1, $2 }' | sort -u
}

# sources WHAT - the suites that have it: a kernel series, or a QEMU that is not Debian 12's own
sources() {
	local codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	case $1 in
	6.1 | 6.1-cloud | gdb-minimal) own_sources | grep -E " $codename(-security|-updates)?\$" ;;
	6.12 | 6.12-cloud | qemu-*) own_sources | awk -v c="$codename" '$2 == c { print $1, c "-backports"; exit }' ;;
	esac
}

# apt WHAT COMMAND... - run apt-get or apt-cache on private lists
apt() {
	local dir=$apt_dir/$1 command=$2
	shift 2
	"$command" -q -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		-o Dir::Etc::SourceList="$dir/sources" -o Dir::Etc::SourceParts=- \
		-o Acquire::Retries=3 -o APT::Sandbox::User=root "$@"
}

# apt_lists WHAT - make its private lists
apt_lists() {
	local key=''
	mkdir -p "$apt_dir/$1"/{lists,cache/archives}/partial
	[ ! -e $keyring ] || key="[signed-by=$keyring] "
	sources "$1" | sed "s|^|deb $key|; s|\$| main|" >"$apt_dir/$1/sources"
	[ -s "$apt_dir/$1/sources" ] || die "no source for $1 in apt's configuration"
	apt "$1" apt-get update >"$apt_dir/$1/log" 2>&1 ||
		note "apt-get update: $(tail -n 1 "$apt_dir/$1/log")"
}

# apt_unpack WHAT INTO PACKAGE... - download, and unpack to INTO/root
apt_unpack() {
	local what=$1 into=$2 package
	shift 2
	mkdir -p "$into/debs"
	note "fetching $*"
	(cd "$into/debs" && apt "$what" apt-get download "$@" >>"$apt_dir/$what/log" 2>&1) ||
		die "download failed: see $apt_dir/$what/log"
	for package in "$into"/debs/*.deb; do
		dpkg -x "$package" "$into/root" || die "cannot unpack $package"
	done
	rm -r "$into/debs"
}

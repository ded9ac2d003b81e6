# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
# Completion of keel's command line for bash.

# Names of running machines.
_keel_names() {
	keel list 2>/dev/null | sed -n '2,$s/ .*//p'
}

# Words that may come, in COMPREPLY.
_keel_words() {
	local IFS=$' \t\n'
	COMPREPLY=($(compgen -W "$1" -- "$word"))
}

_keel_run() {
	case $before in
	--disk)
		compopt -o filenames -o nospace
		local IFS=$'\n'
		COMPREPLY=($(compgen -W $'nbd://\nnbd+unix:///\nnbd:unix:' -- "$word") $(compgen -f -- "$word")) ;;
	--kernel | --initrd | --status-json | --control | --config | --pid-file | --device | --gdb | --firmware-vars)
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$word")) ;;
	--firmware)
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -W "seabios ovmf" -- "$word") $(compgen -f -- "$word")) ;;
	--net)
		compopt -o nospace
		_keel_words "tap= user vhost-user=" ;;
	--share)
		compopt -o filenames -o nospace
		local IFS=$'\n'
		COMPREPLY=($(compgen -W "socket=" -- "$word") $(compgen -d -- "$word")) ;;
	--memory-backing) _keel_words "thp hugetlb shared merge" ;;
	--balloon)
		compopt -o nospace
		_keel_words "size= deflate_on_oom=on deflate_on_oom=off free_page_reporting=on free_page_reporting=off" ;;
	--console) _keel_words "serial virtio" ;;
	--entry) _keel_words "auto linux pvh multiboot" ;;
	--dma) _keel_words "off report enforce" ;;
	--cpu-model)
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -W $'host\nx86-64\nx86-64-v2\nx86-64-v3\nx86-64-v4' -- "$word") $(compgen -f -- "$word")) ;;
	--reset) _keel_words "exit reboot" ;;
	--jail)
		compopt -o nospace
		_keel_words "user=" ;;
	--append | --cpus | --memory | --name | --vfio) COMPREPLY=() ;;
	*)
		_keel_words "--kernel --initrd --append --entry --firmware --firmware-vars --reset --cpus --cpu-model --memory --memory-backing --balloon --disk --net --share --vfio --device --dma
			--console --watchdog --no-rng --no-sandbox --jail --stats --gdb --status-json --control --name --forkable --markable --config --daemon --pid-file --help" ;;
	esac
}

_keel_ctl() {
	local i words=0
	for ((i = 2; i < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} == -* ]] || words=$((words + 1))
	done
	if [ "$before" = --control ] || [ "$before" = --serial ] || [ "$before" = --status-json ]; then
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$word"))
	elif [ "$before" = --name ]; then
		COMPREPLY=()
	elif [ "$before" = --net ]; then
		_keel_words "user"
	elif [[ $word == -* ]]; then
		_keel_words "--json --control --name --serial --paused --wait --status-json --net --to-mark --same --track --incremental --status --cancel --take-back --help"
	elif [ $words = 0 ]; then
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -W "$(_keel_names)" -- "$word") $(compgen -f -- "$word"))
	elif [ $words = 1 ]; then
		_keel_words "status pause resume power-button reset nmi stats balloon memory save mark migrate fork quit"
	elif [ "$before" = reset ]; then
		_keel_words "--to-mark"
	elif [ "$before" = --to-mark ]; then
		_keel_words "--same"
	elif [ "$before" = migrate ]; then
		compopt -o nospace
		_keel_words "unix: tcp: --status --cancel --take-back"
	elif [ "$before" != balloon ] && [ "$before" != memory ]; then
		compopt -o filenames
		local IFS=$'\n'
		COMPREPLY=($(compgen -f -- "$word"))
	fi
}

_keel() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_keel_words "run ctl list restore inspect dma cpu-models help --help --version"
		return
	fi
	# --name=value comes as three words.
	if [ "$word" = = ]; then
		word=''
	elif [ "$before" = = ]; then
		before=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${COMP_WORDS[1]} in
	run) _keel_run ;;
	ctl) _keel_ctl ;;
	list) _keel_words "--json --help" ;;
	restore)
		[[ $word != -* ]] || before=''
		case $before in
		restore | --disk | --status-json | --control | --pid-file | --device)
			compopt -o filenames
			local IFS=$'\n'
			COMPREPLY=($(compgen -f -- "$word")) ;;
		--memory-backing) _keel_words "thp hugetlb shared merge" ;;
		--dma) _keel_words "off report enforce" ;;
		--name) COMPREPLY=() ;;
		--jail)
			compopt -o nospace
			_keel_words "user=" ;;
		--memory) _keel_words "lazy eager" ;;
		--listen)
			compopt -o nospace
			_keel_words "unix: tcp:" ;;
		*)
			if [[ $word == -* ]]; then
				_keel_words "--listen --memory --disk --memory-backing --device --dma --no-sandbox --jail --stats --status-json --control --name --forkable --markable --daemon
					--pid-file --help"
			else
				compopt -o filenames
				local IFS=$'\n'
				COMPREPLY=($(compgen -f -- "$word"))
			fi ;;
		esac ;;
	inspect)
		if [[ $word == -* ]]; then
			_keel_words "--json --diff --help"
		else
			compopt -o filenames
			local IFS=$'\n'
			COMPREPLY=($(compgen -f -- "$word"))
		fi ;;
	dma | cpu-models) if [ "$before" != --device ]; then _keel_words "--json --device --help"; fi ;;
	help) _keel_words "run ctl list restore inspect dma cpu-models cpu memory net share config control fork mark migrate gdb firmware jail" ;;
	esac
}

complete -F _keel keel

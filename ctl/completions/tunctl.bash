# bash completion for tunctl; the words are checked against its tables by tests/unit/test_ctl_docs.c

_tunctl_names()
{
	local i socket=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -s || ${COMP_WORDS[i]} == --socket ]]; then
			socket=(-s "${COMP_WORDS[i + 1]}")
		fi
	done
	tunctl "${socket[@]}" list --names 2>/dev/null
}

_tunctl()
{
	local global="-s --socket --json -h --help"
	local verbs="list inspect up auth down restart add forward drop connections kill nc hostkey import reload version"
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local i operands=0 verb= words=

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket) ((i++)) ;;
		-*) ;;
		*)
			if [[ -n $verb ]]; then
				((operands++))
			else
				verb=${COMP_WORDS[i]}
			fi
			;;
		esac
	done

	case $prev in
	-s | --socket | -i | --unit)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-L | -R | -D | -p | -l | -c | -m | -J | -o | --timeout | --name | --ssh-config | --fingerprint)
		return
		;;
	esac

	case $verb in
	"") words="$global -V --version $verbs" ;;
	list) words="$global -w --watch --names" ;;
	inspect) words="$global --daemon" ;;
	up | restart) words="$global --all --no-wait --timeout" ;;
	auth) words="$global --forget --all --timeout" ;;
	down) words="$global --all" ;;
	add) words="$global --no-wait --timeout -L -R -D -i -p -l -J -C -c -m -b -B -4 -6 -o" ;;
	forward) words="$global -L -R -D -o" ;;
	import) words="$global --name --unit --ssh-config" ;;
	connections) words="$global -w --watch" ;;
	hostkey) words="$global --fingerprint --no-wait --timeout" ;;
	*) words=$global ;;
	esac

	case $verb in
	list | inspect | up | auth | down | restart | drop | connections)
		[[ $cur == -* ]] || words=$(_tunctl_names)
		;;
	forward | nc)
		if [[ $cur != -* ]]; then
			words=
			((operands == 0)) && words=$(_tunctl_names)
			[[ $verb == forward ]] && ((operands == 1)) && words="add drop"
		fi
		;;
	hostkey)
		if [[ $cur != -* ]]; then
			words=
			((operands == 0)) && words="show accept"
			((operands == 1)) && words=$(_tunctl_names)
		fi
		;;
	add | kill)
		[[ $cur == -* ]] || words=
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _tunctl tunctl

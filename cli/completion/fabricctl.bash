# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for fabricctl: the program itself says what may come next.

_fabricctl()
{
	local words=() word before='' joined=() i cword=$COMP_CWORD line

	# bash cuts words at ":" and "="; put them together again, up to the one being written
	for ((i = 1; i <= cword; i++)); do
		word=${COMP_WORDS[i]}
		if ((${#joined[@]})) && { [[ $word == [:=]* ]] || [[ ${joined[-1]} == *: ]]; }; then
			joined[-1]+=$word
		else
			joined+=("$word")
		fi
	done
	words=("${joined[@]}")
	word=${words[-1]-}
	((${#words[@]} < 2)) || before=${words[-2]} # [-2] of one word is an error, even with a default
	COMPREPLY=()
	case $before in
	--socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--from)
		case $word in
		dump:* | sysfs:*)
			mapfile -t COMPREPLY < <(compgen -f -- "${word#*:}")
			return
			;;
		esac
		;;
	submit)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	while IFS= read -r line; do
		COMPREPLY+=("${line#"${word%"${word##*:}"}"}")
	done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
	[[ ${COMPREPLY[0]-} == *: ]] && compopt -o nospace 2>/dev/null
	return 0
}

complete -o default -F _fabricctl fabricctl

#!/bin/bash
# curl in a loop: what a script needs of the protocol.
#
#     curl.sh URL TOKEN header|cookie|none
url=$1 last_id='' retry=1000
case $3 in
header) carried=(-H "Authorization: Bearer $2") ;;
cookie) carried=(-H "Cookie: rowcast_token=$2") ;;
*) carried=() ;;
esac

json() {
	local text=${1//\\/\\\\}
	text=${text//\"/\\\"}
	printf '"%s"' "${text//$'\n'/\\n}"
}

while :; do
	event='' data='' id=$last_id status=000
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		'')
			last_id=$id
			[ -z "$data" ] ||
				printf '{"event": %s, "data": %s, "id": %s}\n' "$(json "${event:-message}")" "$(json "${data%$'\n'}")" "$(json "$id")"
			event='' data=''
			;;
		event:*) event=${line#event: } ;;
		data:*) data+=${line#data: }$'\n' ;;
		id:*) id=${line#id: } ;;
		'retry: '*[!0-9]*) ;;
		'retry: '*) retry=${line#retry: } ;;
		esac
		# What curl says itself stands behind whatever came last: in a line of its own
		# it would end half a block that was cut off there.
		case $line in *:status\ ???) status=${line##*:status } ;; esac
	done < <(curl -sN -H 'Accept: text/event-stream' ${last_id:+-H "Last-Event-ID: $last_id"} "${carried[@]}" \
		-w ':status %{http_code}' "$url")
	# 200 has ended, 000 was cut before it began; a refusal stays one, and 204 is the end.
	case $status in 204 | 4??) break ;; esac
	sleep "$((retry / 1000)).$(printf %03d $((retry % 1000)))"
done
echo '{"closed": true}'

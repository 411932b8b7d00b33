#!/usr/bin/env bash
# What curl does through Sluice, with every API that it has.
set -uo pipefail
mail=ana@example.com
hi='{"role": "user", "content": "Write to '$mail'."}'
tools='[{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]'
failed=0

# ask PATH JSON [FLAG...]: the answer's head and body, without carriage returns.
ask() { curl -sS -i --max-time 60 -H "authorization: Bearer ${key-$SLUICE_KEY}" "${@:3}" -d "$2" "$SLUICE_URL$1" 2>&1 | tr -d '\r'; }

# check NAME TEXT PATTERN...: each pattern must be in the text.
check() {
	local name=$1 text=$2 pattern
	shift 2
	for pattern in "$@"; do
		grep -qiE -- "$pattern" <<<"$text" && continue
		failed=1
		printf 'FAILED %s: no %s in %s\n' "$name" "$pattern" "${text//$'\n'/ | }"
		return
	done
	echo "ok     $name"
}

# chat MODEL [MORE]: the body of a chat.
chat() { echo '{"model": "'"$1"'", "messages": ['"$hi"']'"${2:+, $2}"'}'; }

chats=/v1/chat/completions
check "plain" "$(ask $chats "$(chat good)")" '^HTTP/1.1 200' "You said: Write to $mail"
check "/inference" "$(ask /inference '{"model_name": "good", "inputs": "Write to '$mail'."}')" '^HTTP/1.1 200' "\"output\": ?\"You said: Write to $mail"
check "response" "$(ask /v1/responses '{"model": "good", "input": "Write to '$mail'."}')" '^HTTP/1.1 200' "You said: Write to $mail"
check "message" "$(ask /v1/messages "$(chat claude '"max_tokens": 9')")" '^HTTP/1.1 200' '^Request-Id: ' "You said: Write to $mail"
check "stream" "$(ask $chats "$(chat good '"stream": true')" -N)" '^HTTP/1.1 200' '^data: .*ana@example\.com' '^data: \[DONE\]$'
check "streamed response" "$(ask /v1/responses '{"model": "good", "input": "Write to '$mail'.", "stream": true}' -N)" '^event: response.completed$' "You said: Write to $mail"
check "streamed message" "$(ask /v1/messages "$(chat claude '"max_tokens": 9, "stream": true')" -N)" '^event: message_stop$' '^data: .*ana@example\.com'
check "tool call" "$(ask $chats "$(chat good '"tools": '"$tools")")" '"finish_reason": ?"tool_calls"' 'Write to \[EMAIL_1\]'
check "embedding" "$(ask /v1/embeddings '{"model": "good", "input": "a"}')" '\[0.25, ?-0.5, ?1.0\]'

check "401" "$(key=slk_wrong ask $chats "$(chat good)")" '^HTTP/1.1 401' '^Www-Authenticate: Bearer$' '^X-Should-Retry: false$' '"code":"unauthenticated"'
check "403" "$(ask $chats "$(chat denied)")" '^HTTP/1.1 403' '^X-Should-Retry: false$' '"code":"denied_by_policy"'
# curl takes Retry-After to heart and knows nothing of x-should-retry; without --retry it asks once.
check "429" "$(ask $chats "$(chat limited)")" '^HTTP/1.1 429' '^Retry-After: 1$' '^X-Should-Retry: false$' '"code":"rate_limited"'
check "500 there" "$(ask $chats "$(chat broken)")" '^HTTP/1.1 502' '^X-Should-Retry: false$' '"code":"upstream_error"'
check "503 there" "$(ask $chats "$(chat busy)")" '^HTTP/1.1 502' '^X-Should-Retry: false$'
paused=$(ask $chats "$(chat paused)" --retry 2 --retry-delay 1)
check "503" "$paused" '^HTTP/1.1 503' '"code":"no_endpoint"'
check "503 is not said to be final" "$(grep -ci x-should-retry <<<"$paused")" '^0$'
check "another endpoint's answer" "$(ask $chats "$(chat failover)")" '^HTTP/1.1 200' "You said: Write to $mail"

begun=$SECONDS
check "a stream that is left" "$(ask $chats "$(chat slow '"stream": true')" -N --max-time 2)" '^data: .*slowly' 'timed out'
check "in time" "$((SECONDS - begun < 20))" '^1$'
check "and after it" "$(ask $chats "$(chat good)")" '^HTTP/1.1 200'
exit "$failed"

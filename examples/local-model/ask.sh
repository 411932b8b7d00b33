#!/usr/bin/env bash
# Asks Sluice with curl, by /inference and by the OpenAI API. Called by run.sh, which sets SLUICE_URL, SLUICE_KEY,
# SLUICE_OTHER_KEY, RUN, and what prompts hold: EMAIL, CARD, PHONE.
set -uo pipefail

failed=0
# check NAME COMMAND...: passes if the command does.
check() {
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then
		echo "ok     curl: $name"
	else
		echo "FAILED curl: $name: $* (status $status, answer: $(head -c 600 "$RUN/body" | tr "\n" " "))"
		failed=1
	fi
}

# ask PATH BODY [CURL OPTION...]: leaves the status in $status, the head in $RUN/head, the body in $RUN/body.
ask() {
	local path=$1 body=$2
	shift 2
	status=$(curl --silent --show-error --no-buffer --max-time 120 --dump-header "$RUN/head" --output "$RUN/body" --write-out '%{http_code}' \
		--header "x-api-key: $SLUICE_KEY" "$@" --data "$body" "$SLUICE_URL$path")
}

header() { sed -n "s/^$1: //Ip" "$RUN/head" | tr -d '\r'; }
is() { [ "$1" = "$2" ]; }
differ() { [ "$1" != "$2" ]; }
holds() { grep -qF -- "$2" <<<"$1"; }
lacks() { ! grep -qF -- "$2" <<<"$1"; }

# read_answer PYTHON: a value out of the answer, which is `a`; of a stream `events` are its parsed events before [DONE].
read_answer() {
	python3 -c '
import json, sys
raw = open(sys.argv[1], encoding="utf-8").read()
if raw.startswith("data:"):
    datas = [line[6:] for line in raw.splitlines() if line.startswith("data: ")]
    events = [json.loads(d) for d in datas if d != "[DONE]"]
    done = datas[-1] == "[DONE]"
else:
    a = json.loads(raw)
print(eval(sys.argv[2]))' "$RUN/body" "$1"
}

# ---- the built-in contract: /inference ----

question='{"model_name":"smollm2","inputs":"What is the sea made of?","parameters":{"temperature":0,"max_tokens":24}}'
ask /inference "$question"
text=$(read_answer 'a["output"]')
check "/inference answers 200" is "$status" 200
check "/inference answers with text" differ "$text" ""
check "the text is a model's, not the demo's" lacks "$text" "demo"
check "x-sluice-model names the model" is "$(header x-sluice-model)" smollm2
check "the first call is a miss" is "$(header x-sluice-cache)" miss
check "there is a request id" differ "$(header x-request-id)" ""

ask /inference "$question"
check "the second call is a hit" is "$(header x-sluice-cache)" hit
check "the hit has the same text" is "$(read_answer 'a["output"]')" "$text"

ask /inference "$question" --header "Cache-Control: no-cache"
check "Cache-Control: no-cache goes past the cache" is "$(header x-sluice-cache)" bypass
check "the model gives the same text again at temperature 0" is "$(read_answer 'a["output"]')" "$text"

ask /inference "${question%\}},\"stream\":true}"
check "a stream of the same question is a hit" is "$(header x-sluice-cache)" hit
check "the stream has the same text" is "$(read_answer '"".join(e["output"] for e in events)')" "$text"
check "the stream ends with [DONE]" is "$(read_answer done)" True

SLUICE_KEY=$SLUICE_OTHER_KEY ask /inference "$question"
check "another tenant's identical question is a miss" is "$(header x-sluice-cache)" miss

ask /inference '{"inputs":"Name one colour.","parameters":{"temperature":0,"max_tokens":8}}'
check "without model_name the policy picks, and the answer says which" is "$(read_answer 'a["model"]')" smollm2

ask /inference '{"model_name":"smollm2","inputs":"Tell me about the moon.","stream":true,"parameters":{"temperature":0,"max_tokens":40}}'
check "a stream that is made live has text" differ "$(read_answer '"".join(e["output"] for e in events)')" ""
check "it came in pieces" test "$(read_answer 'len(events)')" -gt 3

# ---- the OpenAI API ----

chat() { # chat MESSAGES [MORE]
	printf '{"model":"smollm2","temperature":0,"max_tokens":24,"messages":%s%s}' "$1" "${2-}"
}

greeting='[{"role":"user","content":"Say hello in one sentence."}]'
ask /v1/chat/completions "$(chat "$greeting")"
whole=$(read_answer 'a["choices"][0]["message"]["content"]')
check "a chat answers with text" differ "$whole" ""
check "its usage adds up" is "$(read_answer 'a["usage"]["prompt_tokens"]+a["usage"]["completion_tokens"]==a["usage"]["total_tokens"]>0')" True
check "it has a finish_reason" is "$(read_answer 'a["choices"][0]["finish_reason"] in ("stop","length")')" True

ask /v1/chat/completions "$(chat "$greeting" ',"stream":true')" --header "Cache-Control: no-cache"
check "the stream made by the model says the same" is "$(read_answer '"".join(c["delta"].get("content") or "" for e in events for c in e["choices"])')" "$whole"
check "a stream whose caller wants no usage has none" is "$(read_answer 'any(e.get("usage") for e in events)')" False
check "every event of it has a choice" is "$(read_answer 'all(e["choices"] for e in events)')" True

# ---- what the model sees, and what the caller gets back ----

# A small model is good at one thing: going on as the chat went before. So it is shown twice what to do.
turn="{\"role\":\"user\",\"content\":\"Repeat: $EMAIL and $CARD\"}"
said="{\"role\":\"assistant\",\"content\":\"$EMAIL and $CARD\"}"
echoing="[$turn,$said,$turn,$said,$turn]"
for more in '' ',"stream":true'; do
	ask /v1/chat/completions "$(chat "$echoing" "$more")" --header "Cache-Control: no-cache"
	if [ -z "$more" ]; then
		how=whole
		text=$(read_answer 'a["choices"][0]["message"]["content"]')
	else
		how=streamed
		text=$(read_answer '"".join(c["delta"].get("content") or "" for e in events for c in e["choices"])')
	fi
	check "$how: the caller gets the address back" holds "$text" "$EMAIL"
	check "$how: the caller gets the card number back" holds "$text" "$CARD"
	check "$how: no token is left" lacks "$text" "_1]"
done
ask /inference "{\"model_name\":\"smollm2\",\"inputs\":\"Call $PHONE, or write to $EMAIL.\",\"parameters\":{\"temperature\":0,\"max_tokens\":16}}"
check "a prompt with a phone number is answered" is "$status" 200

# ---- errors, each in its surface's own shape ----

SLUICE_KEY=wrong ask /inference "$question"
check "a wrong key is a 401" is "$status:$(read_answer 'a["code"]')" 401:unauthenticated
ask /inference '{"model_name":"smollm2-restricted","inputs":"Hello"}'
check "a model the policy forbids is a 403 with a reason" is "$status:$(read_answer 'a["code"]+" "+str(bool(a["detail"]))')" "403:denied_by_policy True"
ask /inference '{"model_name":"no-such-model","inputs":"Hello"}'
check "an unknown model is a 400" is "$status:$(read_answer 'a["detail"]')" "400:Unknown model: no-such-model"
ask /inference '{"model_name":"smollm2"}'
check "a request without inputs is a 400" is "$status:$(read_answer 'a["detail"]')" "400:Missing 'inputs' field"
ask /v1/chat/completions '{"model":"smollm2","model":"smollm2-restricted","messages":[]}'
check "a duplicate key is a 400" is "$status:$(read_answer 'a["error"]["code"]')" 400:duplicate_key
ask /v1/chat/completions "$(chat "[{\"role\":\"user\",\"content\":\"$(printf 'many words %.0s' {1..2000})\"}]")"
check "a prompt beyond the model's context is a 400" is "$status:$(read_answer 'a["error"]["code"]')" 400:upstream_rejected

# ---- a caller who goes away ----

# cancelled COUNT: the model server says that it stopped early, that many times in all.
cancelled() {
	local i
	for ((i = 0; i < 50; i++)); do
		[ "$(grep -c '^--- [0-9]* cancelled after' "$RUN/model-server.log")" -ge "$1" ] && return
		sleep 0.1
	done
	return 1
}

before=$(grep -c '^--- [0-9]* cancelled after' "$RUN/model-server.log")
long='"messages":[{"role":"user","content":"Write a very long story about a lighthouse."}],"model":"smollm2","temperature":0,"max_tokens":1500'
ask /v1/chat/completions "{$long,\"stream\":true}" --max-time 2 2>/dev/null
check "the cancelled stream had begun" test "$(grep -c '^data: ' "$RUN/body")" -gt 1
check "it has no [DONE]" lacks "$(cat "$RUN/body")" "[DONE]"
check "a cancelled stream stops the model" cancelled $((before + 1))
ask /v1/chat/completions "{$long}" --max-time 2 2>/dev/null
check "a cancelled call that is not streamed stops the model too" cancelled $((before + 2))

exit "$failed"

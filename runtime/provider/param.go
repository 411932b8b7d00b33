package provider

import (
	"strings"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// paramNames are the names that a path to a field at fault may be made of. A model server's error can quote anything, so
// only a path of these and of indexes goes on to the caller.
var paramNames = wordSet(`
		arguments audio best_of budget_tokens cache_control chat_template_kwargs citations content data detail dimensions echo effort encoding_format
		enable_thinking extra_body file file_data filename format frequency_penalty function function_call functions
		guided_choice guided_grammar guided_json guided_regex ignore_eos image_url include_usage index input input_audio input_schema
		input_type json_schema length_penalty logit_bias logprobs max_completion_tokens max_tokens media_type message messages
		metadata min_p min_tokens modalities model n name nvext parallel_tool_calls parameters prediction presence_penalty
		prompt reasoning_effort refusal repetition_penalty response_format role schema seed service_tier source stop stop_sequences system
		stop_token_ids stream stream_options strict suffix temperature text thinking tool_call_id tool_calls tool_choice tool_result tool_use tool_use_id tools ttl user_id
		top_k top_logprobs top_p truncate truncation type url user verbosity voice`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

// errorParam finds the field at fault in an error's body: OpenAI's error.param, or "" if there is none that is safe.
func errorParam(body []byte) string {
	r, err := strictjson.ReadReply(body)
	if err != nil {
		return ""
	}
	defer r.Release()
	param := r.Root().Get("error", "param").Bytes()
	if len(param) == 0 {
		param = r.Root().Get("param").Bytes()
	}
	return safeParam(string(param))
}

// safeParam gives p if it is a path such as messages[0].content or tools.0.function.name of known names, else "".
func safeParam(p string) string {
	if p == "" || len(p) > 128 {
		return ""
	}
	flat := strings.NewReplacer("[", ".", "]", "").Replace(p)
	first := true
	for name := range strings.SplitSeq(flat, ".") {
		if !paramNames[name] && (first || !isIndex(name)) {
			return ""
		}
		first = false
	}
	return p
}

func isIndex(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 6
}

package translate

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
	"github.com/sluicegate/sluice/runtime/wire"
)

// chat is the OpenAI API's chat completions. Source: the API reference and the request types of its Go SDK (v3.96).
var chat = &format{
	name: "openai.chat", operation: wire.ChatCompletions,
	says: imageURLs | imageDetail | files | anyFiles | reasons | stops | topKs | penalties | seeds | hot | objects | described |
		subset | strictness | metadatas | users | verbosities | cacheKeys | tiers | effortOff | thinking | schemas | uncalled | choices | standard | serial | names | empties,
	read: readChat, write: writeChat, readAnswer: readChatAnswer, writeAnswer: writeChatAnswer,
	reader: func() eventReader { return new(chatReader) }, writer: func(*Asked) eventWriter { return new(chatWriter) },
}

// readChat reads a request.
func readChat(root strictjson.Node, c *conversation) *wire.Fault {
	return object(root, func(key []byte, v strictjson.Node) *wire.Fault {
		if fault, ok := readSampling(c, key, v); ok {
			return under(fault, string(key))
		}
		fault, known := readChatField(c, string(key), v)
		if !known {
			return unknown(key)
		}
		return under(fault, string(key))
	})
}

// readSampling reads what all formats spell alike.
func readSampling(c *conversation, key []byte, v strictjson.Node) (fault *wire.Fault, ok bool) {
	for i, name := range sampleNames {
		if string(key) != name {
			continue
		}
		if fault := num(v, &c.sampling[i]); fault != nil {
			return fault, true
		}
		return sampled(c, i), true
	}
	return nil, false
}

// sampled refuses a sampling parameter that the other format lacks. One that changes nothing is left out.
func sampled(c *conversation, i int) *wire.Fault {
	f, err := strconv.ParseFloat(string(c.sampling[i]), 64)
	if err != nil {
		return invalid("", "is out of range")
	}
	switch i {
	case temperature:
		return unless(f <= 1 || c.can(hot))
	case topK:
		return unless(c.can(topKs))
	case seed:
		return unless(c.can(seeds))
	case frequency, presence:
		if c.can(penalties) {
			return nil
		}
		c.sampling[i] = nil
		return unless(f == 0)
	}
	return nil
}

// readChatField reads one member; known is false for one that is not of the format.
func readChatField(c *conversation, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "model":
		return str(v, &c.model), true
	case "messages":
		i, last := 0, v.Len()-1
		return list(v, func(m strictjson.Node) *wire.Fault {
			i++
			return readChatMessage(c, m, i > last)
		}), true
	case "stream":
		c.stream, _ = v.Bool()
		return nil, true
	case "stream_options":
		return object(v, func(key []byte, _ strictjson.Node) *wire.Fault {
			if string(key) == "include_usage" || string(key) == "include_obfuscation" {
				return nil // whoever answers the caller sees to it
			}
			return unknown(key)
		}), true
	case "max_tokens", "max_completion_tokens":
		return readLimit(c, v), true
	case "stop":
		return readStop(c, v), true
	case "tools":
		return list(v, func(t strictjson.Node) *wire.Fault { return readChatTool(c, t) }), true
	case "tool_choice":
		return readChatChoice(c, v), true
	case "parallel_tool_calls":
		return readSerial(c, v), true
	case "response_format":
		return readChatForm(c, v), true
	case "reasoning_effort":
		return readEffort(c, v), true
	default:
		return readChatRest(c, key, v)
	}
}

// readChatRest reads the members that matter less.
func readChatRest(c *conversation, key string, v strictjson.Node) (fault *wire.Fault, known bool) {
	switch key {
	case "user", "safety_identifier":
		return readUser(c, v), true
	case "metadata":
		return readMetadata(c, v), true
	case "verbosity":
		return readVerbosity(c, v), true
	case "service_tier":
		return readTier(c, v), true
	case "prompt_cache_key":
		return readCacheKey(c, v), true
	case "n", "best_of":
		one, ok := v.Int64()
		return unless(ok && one == 1), true
	case "modalities":
		return list(v, func(m strictjson.Node) *wire.Fault { return unless(m.Is("text")) }), true
	case "logprobs", "top_logprobs", "store", "logit_bias", "min_tokens", "min_p", "audio", "prediction", "web_search_options",
		"functions", "ignore_eos", "echo", "background":
		return unless(zero(v)), true
	case "repetition_penalty", "length_penalty":
		f, err := strconv.ParseFloat(string(v.Raw()), 64)
		return unless(err == nil && f == 1), true
	case "function_call":
		return unless(v.Is("none") || v.Is("auto")), true
	default:
		return nil, false
	}
}

func readLimit(c *conversation, v strictjson.Node) *wire.Fault {
	var limit []byte
	if fault := num(v, &limit); fault != nil {
		return fault
	}
	if c.maxOutput != nil && string(c.maxOutput) != string(limit) {
		return refuse("") // given in two ways
	}
	c.maxOutput = limit
	return nil
}

func readStop(c *conversation, v strictjson.Node) *wire.Fault {
	if !c.can(stops) && !zero(v) {
		return refuse("")
	}
	one := func(v strictjson.Node) *wire.Fault {
		var s []byte
		fault := str(v, &s)
		c.stop = append(c.stop, s)
		return fault
	}
	if v.Kind() == strictjson.String {
		return one(v)
	}
	return list(v, one)
}

func readSerial(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := boolean(v, &c.parallel); fault != nil {
		return fault
	}
	return unless(c.parallel == yes || c.can(serial))
}

// efforts are the words for how much to think (reasoning_effort).
const efforts = " none minimal low medium high xhigh max "

func readEffort(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := str(v, &c.effort); fault != nil {
		return fault
	}
	if !isWord(efforts, c.effort) {
		return invalid("", "must be one of"+efforts)
	}
	return unless(c.can(thinking) && (string(c.effort) != "none" || c.can(effortOff)))
}

// isWord tells whether w is one of words, which are parted by spaces, a space before the first and behind the last.
func isWord(words string, w []byte) bool {
	for i := 0; i+len(w)+1 < len(words); i++ {
		if words[i] == ' ' && words[i+len(w)+1] == ' ' && words[i+1:i+1+len(w)] == string(w) {
			return true
		}
	}
	return false
}

func readUser(c *conversation, v strictjson.Node) *wire.Fault {
	was := c.user
	if fault := str(v, &c.user); fault != nil {
		return fault
	}
	if was != nil && string(was) != string(c.user) {
		return refuse("") // user and safety_identifier name two
	}
	return unless(c.can(users) || len(c.user) == 0)
}

func readMetadata(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := rawObject(v, &c.metadata); fault != nil {
		return fault
	}
	if c.can(metadatas) {
		return nil
	}
	c.metadata = nil
	return unless(v.Len() == 0)
}

func readVerbosity(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := str(v, &c.verbosity); fault != nil {
		return fault
	}
	if c.can(verbosities) {
		return nil
	}
	was := c.verbosity
	c.verbosity = nil
	return unless(string(was) == "medium") // the default
}

func readTier(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := str(v, &c.tier); fault != nil {
		return fault
	}
	return unless(c.can(tiers) || string(c.tier) == "auto" || string(c.tier) == "default" && c.can(standard))
}

func readCacheKey(c *conversation, v strictjson.Node) *wire.Fault {
	if fault := str(v, &c.cacheKey); fault != nil {
		return fault
	}
	return unless(c.can(cacheKeys))
}

// readChatTool reads one of the tools.
func readChatTool(c *conversation, n strictjson.Node) *wire.Fault {
	if t := n.Get("type"); t.Kind() == strictjson.String && !t.Is("function") {
		return refuse("type")
	}
	var t tool
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "cache_control":
			return under(rawObject(v, &t.cache), "cache_control")
		case "function":
			return under(readFunction(c, v, &t), "function")
		default:
			return unknown(key)
		}
	})
	c.tools = append(c.tools, t)
	return fault
}

// readFunction reads a function's definition.
func readFunction(c *conversation, n strictjson.Node, t *tool) *wire.Fault {
	return object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "name":
			return under(str(v, &t.name), "name")
		case "description":
			return under(str(v, &t.description), "description")
		case "parameters":
			return under(rawObject(v, &t.schema), "parameters")
		case "strict":
			if fault := boolean(v, &t.strict); fault != nil {
				return under(fault, "strict")
			}
			return under(unless(t.strict == no || c.can(strictness)), "strict")
		default:
			return unknown(key)
		}
	})
}

// readChatChoice reads tool_choice.
func readChatChoice(c *conversation, v strictjson.Node) *wire.Fault {
	if v.Kind() == strictjson.String {
		return readMode(c, v)
	}
	switch t := v.Get("type"); {
	case t.Is("function"):
		c.choice.how = named
		return under(under(str(v.Get("function").Get("name"), &c.choice.name), "name"), "function")
	case t.Is("allowed_tools"):
		return under(readAllowed(c, v.Get("allowed_tools"), "function"), "allowed_tools")
	default:
		return refuse("type")
	}
}

// readMode reads which tools are to be called where it is one word.
func readMode(c *conversation, v strictjson.Node) *wire.Fault {
	switch {
	case v.Is("auto"):
		c.choice.how = auto
	case v.Is("none"):
		c.choice.how = none
		return unless(c.can(uncalled))
	case v.Is("required"), v.Is("any"):
		c.choice.how = required
		return unless(c.can(choices))
	default:
		return refuse("")
	}
	return nil
}

// readAllowed reads which of the tools may be called; in is the member of a tool that holds its name, "" the tool itself.
func readAllowed(c *conversation, v strictjson.Node, in string) *wire.Fault {
	if !c.can(subset) {
		return refuse("")
	}
	if fault := readMode(c, v.Get("mode")); fault != nil {
		return under(fault, "mode")
	}
	return under(list(v.Get("tools"), func(t strictjson.Node) *wire.Fault {
		if !t.Get("type").Is("function") {
			return refuse("type")
		}
		if in != "" {
			t = t.Get(in)
		}
		var name []byte
		fault := str(t.Get("name"), &name)
		c.choice.allowed = append(c.choice.allowed, name)
		return under(fault, "name")
	}), "tools")
}

// readChatForm reads response_format.
func readChatForm(c *conversation, v strictjson.Node) *wire.Fault {
	switch t := v.Get("type"); {
	case t.Is("text"):
		return nil
	case t.Is("json_object"):
		c.form.shape = jsonObject
		return under(unless(c.can(objects)), "type")
	case t.Is("json_schema"):
		return under(readSchema(c, v.Get("json_schema")), "json_schema")
	default:
		return refuse("type")
	}
}

// readSchema reads the response format of a JSON Schema.
func readSchema(c *conversation, n strictjson.Node) *wire.Fault {
	c.form.shape = jsonSchema
	if !c.can(schemas) {
		return refuse("")
	}
	fault := object(n, func(key []byte, v strictjson.Node) *wire.Fault {
		switch string(key) {
		case "type":
			return nil
		case "name":
			return under(str(v, &c.form.name), "name")
		case "description":
			if !c.can(described) {
				return refuse("description")
			}
			return under(str(v, &c.form.description), "description")
		case "strict":
			return under(boolean(v, &c.form.strict), "strict")
		case "schema":
			return under(rawObject(v, &c.form.schema), "schema")
		default:
			return unknown(key)
		}
	})
	if fault == nil && c.form.schema == nil {
		return refuse("schema")
	}
	return fault
}

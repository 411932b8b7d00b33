package modelserver

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
)

// Gemini answers as the Gemini API's generateContent does: whole with the one body, or streamed with the others, as the
// path asks.
func Gemini(whole string, events ...string) Step { return byPath(JSON(whole), Events(0, events...)) }

// Converse answers as Amazon Bedrock's Converse does: whole with the one body, or as ConverseStream with event messages,
// each a type and its payload.
func Converse(whole string, events ...string) Step { return byPath(JSON(whole), AWSEvents(events...)) }

// byPath answers whole, or with a stream where the path asks for one.
func byPath(whole, stream Step) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if strings.Contains(strings.ToLower(r.URL.Path), "stream") {
			stream(w, r, body)
			return
		}
		whole(w, r, body)
	}
}

// AWSEvents streams event messages (Amazon Transcribe developer guide, "Event stream encoding"): type, payload, ...
func AWSEvents(pairs ...string) Step {
	var all []byte
	for i := 0; i < len(pairs); i += 2 {
		headers := awsHeader(awsHeader(nil, ":message-type", "event"), ":event-type", pairs[i])
		m := binary.BigEndian.AppendUint32(nil, uint32(16+len(headers)+len(pairs[i+1])))
		m = binary.BigEndian.AppendUint32(m, uint32(len(headers)))
		m = binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))
		m = append(append(m, headers...), pairs[i+1]...)
		all = append(all, binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))...)
	}
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = w.Write(all)
	}
}

// Claude answers as Claude at Amazon Bedrock does by InvokeModel: whole with the one body, or with the events of the
// Anthropic API in event messages.
func Claude(whole string, events ...string) Step {
	var pairs []string
	for _, e := range events {
		pairs = append(pairs, "chunk", fmt.Sprintf(`{"bytes":%q,"p":"abcdefgh"}`, base64.StdEncoding.EncodeToString([]byte(e))))
	}
	return byPath(JSON(whole), AWSEvents(pairs...))
}

// awsHeader appends a header of a message: a string.
func awsHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, byte(len(name))), name...)
	return append(binary.BigEndian.AppendUint16(append(dst, 7), uint16(len(value))), value...)
}

// Workbench answers as a model of Cloudera AI Workbench does whose function gives text, to those who know the access key.
func Workbench(key, text string) Step {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if !bytes.Contains(body, []byte(`"accessKey":`+quoted(key))) {
			Status(http.StatusUnauthorized, `{"success":false}`)(w, r, body)
			return
		}
		JSON(fmt.Sprintf(`{"success":true,"response":{"output":%s}}`, quoted(text)))(w, r, body)
	}
}

package openai

import (
	"strconv"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// AppendModels appends the body of GET /v1/models. created is Unix time in seconds.
func AppendModels(dst []byte, names []string, created int64) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, name, created)
	}
	return append(dst, `]}`...)
}

// AppendModel appends one of them, which is the body of GET /v1/models/{id}.
func AppendModel(dst []byte, name string, created int64) []byte {
	dst = strictjson.AppendString(append(dst, `{"id":`...), name)
	dst = strconv.AppendInt(append(dst, `,"object":"model","created":`...), created, 10)
	return append(dst, `,"owned_by":"sluice"}`...)
}

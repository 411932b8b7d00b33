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
		dst = append(dst, `{"id":`...)
		dst = strictjson.AppendString(dst, name)
		dst = append(dst, `,"object":"model","created":`...)
		dst = strconv.AppendInt(dst, created, 10)
		dst = append(dst, `,"owned_by":"sluice"}`...)
	}
	return append(dst, `]}`...)
}

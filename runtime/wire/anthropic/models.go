package anthropic

import (
	"time"

	"github.com/sluicegate/sluice/runtime/strictjson"
)

// AppendModels appends the body of GET /v1/models: all of them on one page. created is when they came to be.
func AppendModels(dst []byte, names []string, created time.Time) []byte {
	dst = append(dst, `{"data":[`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, name, created)
	}
	dst = append(dst, `],"has_more":false,"first_id":`...)
	dst = end(dst, names, 0)
	dst = append(dst, `,"last_id":`...)
	return append(end(dst, names, len(names)-1), '}')
}

// AppendModel appends one of them, which is the body of GET /v1/models/{id}.
func AppendModel(dst []byte, name string, created time.Time) []byte {
	dst = strictjson.AppendString(append(dst, `{"type":"model","id":`...), name)
	dst = strictjson.AppendString(append(dst, `,"display_name":`...), name)
	dst = created.UTC().AppendFormat(append(dst, `,"created_at":"`...), time.RFC3339)
	return append(dst, `"}`...)
}

// end appends one of the names; null where there are none.
func end(dst []byte, names []string, i int) []byte {
	if len(names) == 0 {
		return append(dst, "null"...)
	}
	return strictjson.AppendString(dst, names[i])
}

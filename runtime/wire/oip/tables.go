package oip

import "github.com/sluicegate/sluice/runtime/wire/walk"

// The tables. What no row names is text. Sources: the Open Inference Protocol's REST specification
// (open-inference-protocol, inference_rest.md) and Triton's extensions of it (binary data, classification, sequence,
// shared memory, parameters).

// datatypes are the protocol's types of tensors, and Triton's BF16.
const datatypes = "BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BF16 BYTES"

// placed are parameters that say where a tensor's bytes are, if not in the JSON: in Triton's shared memory, or behind it.
func placed(place string) []walk.Row {
	return []walk.Row{
		{Path: place + "shared_memory_region", Class: walk.Refused},
		{Path: place + "shared_memory_offset", Class: walk.Refused},
		{Path: place + "shared_memory_byte_size", Class: walk.Refused},
		{Path: place + "binary_data_size", Class: walk.Refused},
		{Path: place + "binary_data", Class: walk.Refused},
	}
}

var requestRule = walk.Compile([]walk.Row{
	{Path: "id", Class: walk.Ident},
	{Path: "inputs[].name", Class: walk.Ident},
	{Path: "inputs[].datatype", Class: walk.Enum, Words: datatypes},
	{Path: "inputs[].shape"},
	{Path: "inputs[].data", Scope: walk.Asked},
	{Path: "inputs[].parameters.content_type", Class: walk.Ident}, // MLServer
	{Path: "outputs[].name", Class: walk.Ident},
	{Path: "outputs[].parameters.classification"},
	{Path: "parameters.priority"},
	{Path: "parameters.timeout"},
	{Path: "parameters.sequence_id", Class: walk.Refused},
	{Path: "parameters.sequence_start", Class: walk.Refused},
	{Path: "parameters.sequence_end", Class: walk.Refused},
	{Path: "parameters.binary_data_output", Class: walk.Refused},
}, placed("inputs[].parameters."), placed("outputs[].parameters."))

var answerRule = walk.Compile([]walk.Row{
	{Path: "id", Class: walk.Ident},
	{Path: "model_name", Class: walk.Skip},
	{Path: "model_version", Class: walk.Skip},
	{Path: "outputs[].name", Class: walk.Ident},
	{Path: "outputs[].datatype", Class: walk.Skip},
	{Path: "outputs[].shape"},
	{Path: "outputs[].parameters.content_type", Class: walk.Ident},
})

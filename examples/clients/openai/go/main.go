// Command go does through Sluice what applications do with the OpenAI SDK for Go, and checks what they get.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

const (
	ask    = "Write to ana@example.com."
	answer = "You said: " + ask
)

var failed bool

// check prints the result of one check: got must be want.
func check(name string, got, want any) {
	if reflect.DeepEqual(got, want) {
		fmt.Println("ok    ", name)
		return
	}
	failed = true
	fmt.Printf("FAILED %s: %v, want %v\n", name, got, want)
}

// fails wants an error of the API with a status and a code.
func fails(name string, err error, status int, code string) {
	var e *openai.Error
	if !errors.As(err, &e) {
		check(name, err, "an error of the API")
		return
	}
	check(name, []any{e.StatusCode, e.Code}, []any{status, code})
}

// hi is the request of every check, for a model.
func hi(model string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(ask)}}
}

// withTool offers the one tool.
func withTool(p openai.ChatCompletionNewParams) openai.ChatCompletionNewParams {
	p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name: "look", Parameters: openai.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}},
	})}
	return p
}

// text is what the model said, or the error.
func text(c *openai.ChatCompletion, err error) string {
	if err != nil {
		return err.Error()
	}
	return c.Choices[0].Message.Content
}

// arguments are those of the call of a tool.
func arguments(calls []openai.ChatCompletionMessageToolCallUnion) map[string]any {
	var out map[string]any
	if len(calls) == 1 {
		_ = json.Unmarshal([]byte(calls[0].Function.Arguments), &out)
	}
	return out
}

// read takes a stream to its end.
func read(ctx context.Context, c openai.Client, p openai.ChatCompletionNewParams) (openai.ChatCompletionMessage, error) {
	stream := c.Chat.Completions.NewStreaming(ctx, p)
	defer func() { _ = stream.Close() }()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	if stream.Err() != nil || len(all.Choices) == 0 {
		return openai.ChatCompletionMessage{}, stream.Err()
	}
	return all.Choices[0].Message, nil
}

func answers(ctx context.Context, c openai.Client) {
	chat := c.Chat.Completions
	check("plain", text(chat.New(ctx, hi("good"))), answer)
	check("a chat of another dialect", text(chat.New(ctx, hi("claude"))), answer)
	said, err := read(ctx, c, hi("good"))
	check("stream", []any{said.Content, err}, []any{answer, error(nil)})

	want := map[string]any{"city": "Graz", "note": "Write to [EMAIL_1]."}
	got, err := chat.New(ctx, withTool(hi("good")))
	if err != nil {
		check("tool call", err, nil)
		return
	}
	check("tool call", arguments(got.Choices[0].Message.ToolCalls), want)
	said, err = read(ctx, c, withTool(hi("good")))
	check("streamed tool call", []any{arguments(said.ToolCalls), err}, []any{want, error(nil)})
	p := withTool(hi("good"))
	p.Messages = append(p.Messages, got.Choices[0].Message.ToParam(), openai.ToolMessage("Sunny.", got.Choices[0].Message.ToolCalls[0].ID))
	check("tool result", text(chat.New(ctx, p)), answer)
}

func others(ctx context.Context, c openai.Client) {
	p := responses.ResponseNewParams{Model: "good", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(ask)}}
	if r, err := c.Responses.New(ctx, p); err != nil {
		check("response", err, nil)
	} else {
		check("response", r.OutputText(), answer)
	}
	var said strings.Builder
	stream := c.Responses.NewStreaming(ctx, p)
	for stream.Next() {
		if e := stream.Current(); e.Type == "response.output_text.delta" {
			said.WriteString(e.Delta)
		}
	}
	check("streamed response", []any{said.String(), stream.Err()}, []any{answer, error(nil)})

	e, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: "good", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("a")}})
	if err != nil {
		check("embedding", err, nil)
		return
	}
	check("embedding", e.Data[0].Embedding, []float64{0.25, -0.5, 1})
}

func refusals(ctx context.Context, c openai.Client) {
	for _, f := range []struct {
		name, model string
		status      int
		code        string
		opts        []option.RequestOption
	}{
		{"401", "good", 401, "unauthenticated", []option.RequestOption{option.WithAPIKey("slk_wrong")}},
		{"403", "denied", 403, "denied_by_policy", nil},
		{"429", "limited", 429, "rate_limited", nil},
		{"500 there", "broken", 502, "upstream_error", nil},
		{"503", "paused", 503, "no_endpoint", nil},
	} {
		_, err := c.Chat.Completions.New(ctx, hi(f.model), f.opts...)
		fails(f.name, err, f.status, f.code)
	}
	_, err := read(ctx, c, hi("busy"))
	fails("503 there", err, 502, "upstream_error")
	check("another endpoint's answer", text(c.Chat.Completions.New(ctx, hi("failover"))), answer)
}

// leaves begins to read the slow stream, and cancels it.
func leaves(ctx context.Context, c openai.Client) {
	begun := time.Now()
	left, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := c.Chat.Completions.NewStreaming(left, hi("slow"))
	first := ""
	for first == "" && stream.Next() {
		if chunk := stream.Current(); len(chunk.Choices) > 0 {
			first = chunk.Choices[0].Delta.Content
		}
	}
	cancel()
	for stream.Next() { // what had arrived already
	}
	check("a stream that is left", []any{strings.HasPrefix(first, "slowly"), errors.Is(stream.Err(), context.Canceled), time.Since(begun) < 20*time.Second}, []any{true, true, true})
	check("and after it", text(c.Chat.Completions.New(ctx, hi("good"))), answer)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := openai.NewClient(option.WithBaseURL(os.Getenv("SLUICE_URL")+"/v1"), option.WithAPIKey(os.Getenv("SLUICE_KEY")))
	answers(ctx, c)
	others(ctx, c)
	refusals(ctx, c)
	leaves(ctx, c)
	if failed {
		os.Exit(1)
	}
}

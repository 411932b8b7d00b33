// What the OpenAI SDK for JavaScript does through Sluice: node check.mjs BASE_URL KEY
//
// BASE_URL ends in /v1. Exits with 1 at the first thing that is not as it should be. The models are those of
// ../sluice.yaml.
import OpenAI from "openai";

const [base, key] = process.argv.slice(2);
const text = "Hello from the model server.";
const user = [{ role: "user", content: "Say hello." }];
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tool = { type: "function", name: "get_weather", parameters, strict: false };
const client = new OpenAI({ baseURL: base, apiKey: key });

function want(what, got, expected) {
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    console.log(`FAILED  ${what}: ${JSON.stringify(got)}, want ${JSON.stringify(expected)}`);
    process.exit(1);
  }
  console.log(`ok  ${what}`);
}

/** fails checks that a call fails with the SDK's own error of that kind. */
async function fails(what, kind, status, code, call) {
  const e = await call().then(() => null, (e) => e);
  want(what, [e?.constructor?.name, e?.status, e?.code, !!e?.requestID], [kind.name, status, code, true]);
}

want("models", (await client.models.list()).data.some((m) => m.id === "model"), true);
want("one model", (await client.models.retrieve("model")).id, "model");

let c = await client.chat.completions.create({ model: "model", messages: user });
want("chat", [c.choices[0].message.content, c.usage.total_tokens], [text, 12]);
let said = "";
for await (const x of await client.chat.completions.create({ model: "model", messages: user, stream: true })) said += x.choices[0]?.delta.content ?? "";
want("chat, streamed", said, text);
c = await client.chat.completions.create({ model: "model", messages: user, tools: [{ type: "function", function: { name: "get_weather", parameters } }] });
want("chat, a tool", c.choices[0].message.tool_calls[0].function.arguments, '{"city": "Oslo"}');

want("embeddings", (await client.embeddings.create({ model: "model", input: ["a", "b"] })).data[1].embedding, [1, 2]);
want("embeddings, as numbers", (await client.embeddings.create({ model: "model", input: "a", encoding_format: "float" })).data[0].embedding, [1, 2]);

let r = await client.responses.create({ model: "model", input: "Say hello.", instructions: "Be short." });
want("responses", [r.output_text, r.status, r.store, r.usage.total_tokens], [text, "completed", false, 12]);
const stream = client.responses.stream({ model: "model", input: "Write to ana@example.com" });
let deltas = "";
for await (const e of stream) if (e.type === "response.output_text.delta") deltas += e.delta;
want("responses, streamed", [deltas, (await stream.finalResponse()).output_text], [`${text} ana@example.com`, `${text} ana@example.com`]);
r = await client.responses.create({ model: "model", input: "What is the weather?", tools: [tool] });
want("responses, a tool", [r.output[0].type, r.output[0].arguments], ["function_call", '{"city": "Oslo"}']);
r = await client.responses.create({
  model: "model", tools: [tool],
  input: [{ role: "user", content: "What is the weather?" }, r.output[0], { type: "function_call_output", call_id: r.output[0].call_id, output: "rain" }],
});
want("responses, its result", r.output_text, text);

const ask = (more, c = client) => () => c.responses.create({ model: "model", input: "a", ...more });
await fails("a wrong key", OpenAI.AuthenticationError, 401, "unauthenticated", ask({}, new OpenAI({ baseURL: base, apiKey: "slk_wrong" })));
await fails("a model that is denied", OpenAI.PermissionDeniedError, 403, "denied_by_policy", ask({ model: "denied" }));
await fails("an unknown model", OpenAI.BadRequestError, 400, "unknown_model", ask({ model: "none" }));
await fails("a model that is not there", OpenAI.NotFoundError, 404, "unknown_model", () => client.models.retrieve("none"));
await fails("state", OpenAI.BadRequestError, 400, "unsupported_field", ask({ store: true }));
await fails("a model server at its limit", OpenAI.RateLimitError, 429, "rate_limited", ask({ model: "limited" }));
await fails("a model server that fails", OpenAI.InternalServerError, 502, "upstream_error", ask({ model: "broken" }));
const cut = await client.responses.create({ model: "cut", input: "a", stream: true });
const err = await (async () => { for await (const _ of cut); })().then(() => null, (e) => e);
want("a stream that is cut", [err instanceof OpenAI.APIError, err?.code], [true, "stream_interrupted"]);

for await (const e of await client.responses.create({ model: "slow", input: "a", stream: true })) {
  if (e.type === "response.output_text.delta") break; // leaving the loop ends the call
}
console.log("ok  a stream that is left");
process.exit(0);

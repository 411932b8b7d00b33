// What the Anthropic SDK for JavaScript does through Sluice: node check.mjs BASE_URL KEY
//
// Exits with 1 at the first thing that is not as it should be. The models are those of ../sluice.yaml.
import Anthropic from "@anthropic-ai/sdk";

const [base, key] = process.argv.slice(2);
const hi = [{ role: "user", content: "Say hello." }];
const weather = [{
  name: "get_weather", description: "The weather of a city.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}];
let sent = 0;

function client(apiKey = key) {
  const counting = (...args) => { sent++; return fetch(...args); };
  return new Anthropic({ baseURL: base, apiKey, fetch: counting });
}

function want(what, got, expected) {
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    console.error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(expected)}`);
    process.exit(1);
  }
  console.log(`ok  ${what}`);
}

// The call fails as the API's own errors do, after one request: whether to try again is said by the gateway.
async function fails(what, kind, status, code, ask, c = client()) {
  sent = 0;
  try {
    await c.messages.create({ model: "claude", max_tokens: 64, messages: hi, ...ask });
  } catch (e) {
    want(what, [e.constructor.name, e.status, e.error?.error?.code, sent], [kind, status, code, 1]);
    want(what + ": its id", e.requestID === e.error.request_id && e.requestID.length === 36, true);
    return;
  }
  want(what, "no error", kind);
}

const c = client();
let m = await c.messages.create({ model: "claude", max_tokens: 64, messages: hi, system: "Be short." });
want("plain", [m.content[0].text, m.stop_reason, m.usage.input_tokens], ["Hello from the model server.", "end_turn", 12]);
want("its id", m._request_id?.length, 36);

let text = "";
const stream = c.messages.stream({ model: "claude", max_tokens: 64, messages: hi }).on("text", (t) => { text += t; });
let final = await stream.finalMessage();
want("stream", [text, final.content[0].text, final.usage.output_tokens], [m.content[0].text, m.content[0].text, 9]);
const names = [];
for await (const e of await c.messages.create({ model: "claude", max_tokens: 64, messages: hi, stream: true })) names.push(e.type);
want("its events", [names[0], names.at(-1)], ["message_start", "message_stop"]);

m = await c.messages.create({ model: "claude", max_tokens: 64, messages: hi, tools: weather, tool_choice: { type: "any" } });
want("tool call", [m.stop_reason, m.content[1].name, m.content[1].input], ["tool_use", "get_weather", { city: "Graz", days: [1, 2] }]);
final = await c.messages.stream({ model: "claude", max_tokens: 64, messages: hi, tools: weather }).finalMessage();
want("streamed tool call", final.content[1].input, { city: "Graz", days: [1, 2] });
const turns = [...hi, { role: "assistant", content: final.content },
  { role: "user", content: [{ type: "tool_result", tool_use_id: final.content[1].id, content: "Sunny." }] }];
m = await c.messages.create({ model: "claude", max_tokens: 64, messages: turns });
want("tool result", m.content[0].text, "Hello from the model server.");

want("count_tokens", (await c.messages.countTokens({ model: "claude", messages: hi })).input_tokens, 14);
const models = [];
for await (const model of c.models.list()) models.push(model.id);
want("models", models.includes("claude"), true);

await fails("no such key", "AuthenticationError", 401, "unauthenticated", {}, client("slk_wrong"));
await fails("denied", "PermissionDeniedError", 403, "denied_by_policy", { model: "claude-denied" });
await fails("no such model", "BadRequestError", 400, "unknown_model", { model: "claude-none" });
await fails("a tool of the vendor's", "BadRequestError", 400, "unsupported_field", { tools: [{ type: "web_search_20250305", name: "web_search" }] });
await fails("limited", "RateLimitError", 429, "rate_limited", { model: "claude-limited" });
await fails("broken", "InternalServerError", 502, "upstream_error", { model: "claude-broken" });
await fails("busy", "ServiceUnavailableError", 503, "overloaded", { model: "claude-busy" });

const begun = Date.now();
const slow = await c.messages.create({ model: "claude-slow", max_tokens: 64, messages: hi, stream: true });
let first = "";
for await (const e of slow) {
  if (e.type !== "content_block_delta") continue;
  first = e.delta.text;
  break;
}
want("a stream that is left", [first.slice(0, 6), Date.now() - begun < 20000], ["slowly", true]);
want("and after it", (await c.messages.create({ model: "claude", max_tokens: 64, messages: hi })).stop_reason, "end_turn");

// What the Anthropic SDK for JavaScript does through Sluice.
import Anthropic from "@anthropic-ai/sdk";
import { answer, args, ask, check, fails, key, parameters, url } from "./checks.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key });
const hi = [{ role: "user", content: ask }];
const tools = [{ name: "look", input_schema: parameters }];
const create = (model = "claude", more = {}, c = client) => c.messages.create({ model, max_tokens: 64, messages: hi, ...more });
const stream = (model = "claude", more = {}) => client.messages.stream({ model, max_tokens: 64, messages: hi, ...more });
const read = (err) => [err.constructor.name, err.status, err.error?.error?.code];

let m = await create("claude", { system: "Be short." });
check("plain", [m.content[0].text, m.stop_reason, m.usage.input_tokens], [answer, "end_turn", 12]);
check("its id", m._request_id?.length, 36);
const names = [];
for await (const model of client.models.list()) names.push(model.id);
check("models", names.includes("claude"), true);

let text = "";
let final = await stream().on("text", (t) => { text += t; }).finalMessage();
check("stream", [text, final.content[0].text, final.usage.output_tokens], [answer, answer, 9]);
const events = [];
for await (const e of await create("claude", { stream: true })) events.push(e.type);
check("its events", [events[0], events.at(-1)], ["message_start", "message_stop"]);

m = await create("claude", { tools, tool_choice: { type: "any" } });
check("tool call", [m.stop_reason, m.content[1].name, m.content[1].input], ["tool_use", "look", args]);
final = await stream("claude", { tools }).finalMessage();
check("streamed tool call", final.content[1].input, args);
const result = { role: "user", content: [{ type: "tool_result", tool_use_id: final.content[1].id, content: "Sunny." }] };
m = await create("claude", { tools, messages: [...hi, { role: "assistant", content: final.content }, result] });
check("tool result", [m.stop_reason, m.content[0].text], ["end_turn", answer]);

check("usage tokens counted", (await client.messages.countTokens({ model: "claude", messages: hi })).input_tokens, 14);
check("a message of another dialect", (await create("good")).content[0].text, answer);

const wrong = new Anthropic({ baseURL: url, apiKey: "slk_wrong" });
const search = [{ type: "web_search_20250305", name: "web_search" }];
await fails("400", ["BadRequestError", 400, "unsupported_field"], () => create("claude", { tools: search }), read);
await fails("401", ["AuthenticationError", 401, "unauthenticated"], () => create("claude", {}, wrong), read);
await fails("403", ["PermissionDeniedError", 403, "denied_by_policy"], () => create("denied"), read);
await fails("429", ["RateLimitError", 429, "rate_limited"], () => create("claude-limited"), read);
await fails("500 there", ["InternalServerError", 502, "upstream_error"], () => create("claude-broken"), read);
await fails("529 there", ["ServiceUnavailableError", 503, "overloaded"], () => create("claude-busy", { stream: true }), read);
await fails("503", ["ServiceUnavailableError", 503, "no_endpoint"], () => create("paused"), read);
check("another endpoint's answer", (await create("failover")).content[0].text, answer);

const begun = Date.now();
let first = "";
for await (const e of await create("claude-slow", { stream: true })) {
  if (e.type !== "content_block_delta") continue;
  first = e.delta.text;
  break; // which aborts the request
}
check("a stream that is left", [first.slice(0, 6), Date.now() - begun < 20000], ["slowly", true]);
check("and after it", (await create()).stop_reason, "end_turn");

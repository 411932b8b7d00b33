// What the OpenAI SDK for JavaScript does through Sluice.
import OpenAI from "openai";
import { answer, args, ask, check, fails, key, parameters, url, vector } from "./checks.mjs";

const client = new OpenAI({ baseURL: url + "/v1", apiKey: key });
const hi = [{ role: "user", content: ask }];
const tools = [{ type: "function", function: { name: "look", parameters } }];
const create = (model = "good", more = {}, c = client) => c.chat.completions.create({ model, messages: hi, ...more });
const read = (err) => [err.constructor.name, err.status, err.code];

const chat = await create();
check("plain", [chat.choices[0].message.content, chat.usage.total_tokens], [answer, 21]);
check("its id", chat._request_id?.length, 36);
const names = [];
for await (const model of client.models.list()) names.push(model.id);
check("models", names.includes((await client.models.retrieve("good")).id), true);

let text = "";
for await (const chunk of await create("good", { stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
check("stream", text, answer);

const call = (await create("good", { tools })).choices[0];
check("tool call", [call.finish_reason, JSON.parse(call.message.tool_calls[0].function.arguments)], ["tool_calls", args]);
const streamed = await client.chat.completions.stream({ model: "good", messages: hi, tools }).finalMessage();
check("streamed tool call", JSON.parse(streamed.tool_calls[0].function.arguments), args);
const messages = [...hi, call.message, { role: "tool", tool_call_id: call.message.tool_calls[0].id, content: "Sunny." }];
check("tool result", (await create("good", { messages, tools })).choices[0].message.content, answer);

const response = await client.responses.create({ model: "good", input: ask });
check("response", [response.output_text, response.usage.total_tokens], [answer, 21]);
text = "";
for await (const e of await client.responses.create({ model: "good", input: ask, stream: true })) text += e.type === "response.output_text.delta" ? e.delta : "";
check("streamed response", text, answer);
const item = (await client.responses.create({ model: "good", input: ask, tools: [{ type: "function", name: "look", parameters, strict: false }] })).output[0];
check("response's tool call", [item.name, JSON.parse(item.arguments)], ["look", args]);
check("a chat of another dialect", (await create("claude")).choices[0].message.content, answer);

check("embedding", (await client.embeddings.create({ model: "good", input: "a" })).data[0].embedding, vector);
check("embedding in numbers", (await client.embeddings.create({ model: "good", input: "a", encoding_format: "float" })).data[0].embedding, vector);

const stored = await client.responses.create({ model: "kept", input: ask, store: true });
const tokens = "Write to [EMAIL_]."; // what the model server keeps; values come back in the answer to the request that has them
const unnumbered = (text) => text.replace(/(?<=\[EMAIL_)\d{7}(?=\])/, "");
const again = await client.responses.retrieve(stored.id);
check("stored response", [stored.output_text, unnumbered(again.output_text)], [answer, "You said: " + tokens]);
check("its ids", [again.id, again.output[0].id], [stored.id, stored.output[0].id]);
const inputs = [];
for await (const i of client.responses.inputItems.list(stored.id)) inputs.push(unnumbered(i.content[0].text));
check("its input", inputs, [tokens]);
check("it is cancelled", (await client.responses.cancel(stored.id)).id, stored.id);
const references = [{ type: "item_reference", id: stored.output[0].id }, ...hi];
const then = await client.responses.create({ model: "kept", previous_response_id: stored.id, input: references });
check("one that goes on from it", then.output_text, answer);
check("one with its items", (await client.responses.create({ model: "kept", input: [...hi, ...stored.output, ...hi] })).output_text, answer);
await client.responses.delete(stored.id);
await fails("deleted", ["NotFoundError", 404, "not_found"], () => client.responses.retrieve(stored.id), read);
await fails("never stored", ["NotFoundError", 404, "not_found"], () => client.responses.delete("resp_1"), read);

const respond = (more) => client.responses.create({ model: "good", input: ask, ...more });
await fails("state", ["BadRequestError", 400, "unsupported_field"], () => respond({ store: true }), read);
await fails("state of others", ["BadRequestError", 400, "unsupported_field"], () => respond({ previous_response_id: "resp_1" }), read);
await fails("404", ["NotFoundError", 404, "unknown_model"], () => client.models.retrieve("none"), read);
const wrong = new OpenAI({ baseURL: url + "/v1", apiKey: "slk_wrong" });
await fails("401", ["AuthenticationError", 401, "unauthenticated"], () => create("good", {}, wrong), read);
await fails("403", ["PermissionDeniedError", 403, "denied_by_policy"], () => create("denied"), read);
await fails("429", ["RateLimitError", 429, "rate_limited"], () => create("limited"), read);
await fails("500 there", ["InternalServerError", 502, "upstream_error"], () => create("broken"), read);
await fails("503 there", ["InternalServerError", 502, "upstream_error"], () => create("busy", { stream: true }), read);
await fails("503", ["InternalServerError", 503, "no_endpoint"], () => create("paused"), read);
check("another endpoint's answer", (await create("failover")).choices[0].message.content, answer);

await fails("a stream that is cut", "stream_interrupted", async () => {
  for await (const _ of await create("cut", { stream: true }));
}, (err) => err.code);

const begun = Date.now();
let first = "";
for await (const chunk of await create("slow", { stream: true })) {
  first = chunk.choices[0]?.delta?.content ?? "";
  if (first) break; // which aborts the request
}
check("a stream that is left", [first.slice(0, 6), Date.now() - begun < 20000], ["slowly", true]);
check("and after it", (await create()).choices[0].message.content, answer);

// Asks Sluice with the OpenAI SDK for JavaScript, as an application would. Called by run.sh.
import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";

const { SLUICE_URL, SLUICE_KEY, RUN, EMAIL, CARD } = process.env;
const client = new OpenAI({ baseURL: `${SLUICE_URL}/v1`, apiKey: SLUICE_KEY });
const user = (content) => [{ role: "user", content }];

function ok(name, passed, found = "") {
  if (passed) return console.log(`ok     javascript: ${name}`);
  process.exitCode = 1;
  console.log(`FAILED javascript: ${name}: ${JSON.stringify(found?.error ?? found)} ${found instanceof Error ? found : ""}`);
}

/** seen keeps what a caller saw of an exchange, to be compared with the audit log when all is over. */
function seen(headers, usage, stream, text) {
  const line = {
    id: headers.get("x-request-id"), input: usage.prompt_tokens, output: usage.completion_tokens, cache: headers.get("x-sluice-cache"), stream, text,
  };
  appendFileSync(`${RUN}/seen.jsonl`, JSON.stringify(line) + "\n");
}

/** ask makes one call that is not streamed. */
async function ask(messages, more) {
  const { data, response } = await client.chat.completions
    .create({ model: "smollm2", messages, temperature: 0, max_tokens: 24, ...more }).withResponse();
  const text = data.choices[0].message.content;
  seen(response.headers, data.usage, false, text);
  return { text, usage: data.usage, finish: data.choices[0].finish_reason, cache: response.headers.get("x-sluice-cache") };
}

/** stream makes one streamed call and reads it to its end. */
async function stream(messages, more) {
  const { data, response } = await client.chat.completions
    .create({ model: "smollm2", messages, temperature: 0, max_tokens: 24, stream: true, stream_options: { include_usage: true }, ...more })
    .withResponse();
  let text = "", usage, finish;
  for await (const chunk of data) {
    usage = chunk.usage ?? usage;
    text += chunk.choices[0]?.delta.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  seen(response.headers, usage, true, text);
  return { text, usage, finish, cache: response.headers.get("x-sluice-cache") };
}

const addsUp = (u) => u && u.prompt_tokens > 0 && u.completion_tokens > 0 && u.prompt_tokens + u.completion_tokens === u.total_tokens;

async function answers() {
  const names = (await client.models.list()).data.map((m) => m.id);
  ok("models.list() names the models this key may use", names.join() === "smollm2", names);

  const question = user("What do cows eat?");
  const first = await ask(question);
  ok("a chat answers with text", first.text.trim(), first);
  ok("usage adds up", addsUp(first.usage), first);
  ok("the first call is a miss", first.cache === "miss", first);
  const second = await ask(question);
  ok("an identical call is a hit with the same text", second.cache === "hit" && second.text === first.text, second);

  const live = await stream(user("What is a forest?"));
  ok("a stream has text", live.text.trim() && live.cache === "miss", live);
  ok("its usage adds up", addsUp(live.usage), live);
  ok("it has a finish_reason", ["stop", "length"].includes(live.finish), live);
  const kept = await stream(user("What is a forest?"));
  ok("an identical stream is a hit with the same text and usage",
    kept.cache === "hit" && kept.text === live.text && kept.usage.total_tokens === live.usage.total_tokens, kept);

  const helper = client.chat.completions.stream({ model: "smollm2", messages: user("Name an animal."), temperature: 0, max_tokens: 12 });
  const final = await helper.finalChatCompletion();
  ok("the SDK's stream helper puts a whole answer together", final.choices[0].message.content.trim(), final);
}

async function redaction() {
  const shown = (text) => [...user(`Repeat: ${text}`), { role: "assistant", content: text }];
  const chat = (text) => [...shown(text), ...shown(text), ...user(`Repeat: ${text}`)]; // a small model is shown twice what to do
  const whole = await ask(chat(`${EMAIL} and ${CARD}`));
  ok("the caller gets both values back", whole.text.includes(EMAIL) && whole.text.includes(CARD), whole);
  ok("the answer ended by itself: finish_reason is stop", whole.finish === "stop", whole);
  const live = await stream(chat(`${CARD} and ${EMAIL}`));
  ok("streamed, the caller gets both values back", live.text.includes(EMAIL) && live.text.includes(CARD), live);
}

/** fails checks that a call fails with a class and a code. */
async function fails(name, kind, code, body, c = client) {
  const err = await c.chat.completions.create({ model: "smollm2", messages: user("Hello"), max_tokens: 8, ...body }).then(() => null, (e) => e);
  ok(`${name} throws ${kind.name}`, err?.constructor === kind && err.code === code && err.requestID, err);
}

async function errors() {
  const stranger = new OpenAI({ baseURL: `${SLUICE_URL}/v1`, apiKey: "slk_wrong" });
  await fails("a wrong key", OpenAI.AuthenticationError, "unauthenticated", {}, stranger);
  await fails("a forbidden model", OpenAI.PermissionDeniedError, "denied_by_policy", { model: "smollm2-restricted" });
  await fails("a forbidden model, streamed,", OpenAI.PermissionDeniedError, "denied_by_policy", { model: "smollm2-restricted", stream: true });
  await fails("an unknown model", OpenAI.BadRequestError, "unknown_model", { model: "no-such-model" });
  await fails("a request to keep state on the model server", OpenAI.BadRequestError, "unsupported_field", { store: true });
}

const cancellations = () => readFileSync(`${RUN}/model-server.log`, "utf8").split(" cancelled after ").length - 1;

async function leaving() {
  const before = cancellations();
  const s = await client.chat.completions.create({
    model: "smollm2", messages: user("Write a very long story about a desert."), temperature: 0, max_tokens: 1500, stream: true,
  });
  let n = 0;
  for await (const _ of s) if (++n === 5) break; // leaving the loop aborts the call
  const start = performance.now();
  while (cancellations() === before && performance.now() - start < 5000) await sleep(5);
  const took = Math.round(performance.now() - start);
  ok(`leaving a stream stops the model (${took} ms)`, cancellations() > before && took < 1000, took);
}

await answers();
await redaction();
await errors();
await leaving();

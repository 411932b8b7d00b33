// What the Vercel AI SDK does through Sluice, with its providers for the OpenAI and the Anthropic API.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { embed, generateText, RetryError, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { answer, args, ask, check, fails, key, url, vector } from "./checks.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false; // it knows no model of this name, and says so each time
const openai = createOpenAI({ baseURL: url + "/v1", apiKey: key });
const anthropic = createAnthropic({ baseURL: url + "/v1", apiKey: key });
const models = { chat: openai.chat("good"), responses: openai.responses("good"), messages: anthropic("claude") };
const look = tool({ description: "Looks out.", inputSchema: z.object({ city: z.string(), note: z.string() }), execute: async () => "Sunny." });
const prompt = ask;

// read gives the first error that a call got, if it was repeated, and how many there were.
function read(err) {
  const all = RetryError.isInstance(err) ? err.errors : [err];
  const body = JSON.parse(all[0].responseBody ?? "{}");
  return [all.length, all[0].statusCode, body.error?.code];
}

for (const [name, model] of Object.entries(models)) {
  check(`${name}: plain`, (await generateText({ model, prompt })).text, answer);
  let text = "";
  for await (const part of streamText({ model, prompt }).textStream) text += part;
  check(`${name}: stream`, text, answer);
  const called = await generateText({ model, prompt, tools: { look } });
  check(`${name}: tool call`, called.toolCalls.map((c) => [c.toolName, c.input]), [["look", args]]);
  const streamed = streamText({ model, prompt, tools: { look } });
  check(`${name}: streamed tool call`, (await streamed.toolCalls).map((c) => c.input), [args]);
  check(`${name}: tool result`, (await generateText({ model, prompt, tools: { look }, stopWhen: stepCountIs(2) })).text, answer);
}
check("embedding", (await embed({ model: openai.embedding("good"), value: "a" })).embedding, vector);

const wrong = createOpenAI({ baseURL: url + "/v1", apiKey: "slk_wrong" });
const generate = (model) => generateText({ model, prompt });
await fails("401", [1, 401, "unauthenticated"], () => generate(wrong.chat("good")), read);
await fails("403", [1, 403, "denied_by_policy"], () => generate(openai.chat("denied")), read);
// It repeats 429 and 5xx twice, whatever x-should-retry says, and waits as Retry-After says.
await fails("429", [3, 429, "rate_limited"], () => generate(openai.chat("limited")), read);
await fails("500 there, not repeated", [1, 502, "upstream_error"], () => generateText({ model: openai.chat("broken"), prompt, maxRetries: 0 }), read);
await fails("503 there, not repeated", [1, 502, "upstream_error"], () => generateText({ model: openai.chat("busy"), prompt, maxRetries: 0 }), read);
await fails("503", [3, 503, "no_endpoint"], () => generate(openai.chat("paused")), read);
check("another endpoint's answer", (await generate(openai.chat("failover"))).text, answer);

const begun = Date.now();
const leave = new AbortController();
let first = "";
for await (const part of streamText({ model: openai.chat("slow"), prompt, abortSignal: leave.signal }).textStream) {
  first += part;
  leave.abort();
}
check("a stream that is left", [first.slice(0, 6), Date.now() - begun < 20000], ["slowly", true]);
check("and after it", (await generate(openai.chat("good"))).text, answer);

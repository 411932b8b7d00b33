// A small inference server: the OpenAI chat API on loopback, answered by llama.cpp from a GGUF file.
//
//   node server.mjs MODEL.gguf LOG
//
// It prints "listening on URL" once it can answer, and takes its credential from MODEL_SERVER_TOKEN. LOG is the model
// server's own log: every request's head and body exactly as they came over the wire, and how each one ended. It stands
// for everything a model server might keep, so what is not in it never left the gateway.
//
// One request is computed at a time, on one thread: llama.cpp's threads wait for each other by spinning, which on a busy
// machine with few cores costs a factor of a thousand. What is not supported is refused, never ignored.
import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const MODEL = "smollm2-135m-instruct";
const CONTEXT = 2048; // tokens, prompt and answer together
const DEFAULT_TOKENS = 256; // of an answer, where the request states no limit
const MAX_BODY = 1 << 20; // bytes
const CREATED = Math.floor(Date.now() / 1000);

const [weights, logFile] = process.argv.slice(2);
const credential = process.env.MODEL_SERVER_TOKEN;
if (!weights || !logFile || !credential) {
  console.error("usage: MODEL_SERVER_TOKEN=... node server.mjs MODEL.gguf LOG");
  process.exit(2);
}

/** Refusal is an error as the OpenAI API tells it. */
class Refusal extends Error {
  constructor(status, code, message, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }

  get body() {
    const type = this.status === 401 ? "authentication_error" : this.status < 500 ? "invalid_request_error" : "server_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

// ---- the model ----

const llama = await getLlama({ build: "never", gpu: false, logLevel: LlamaLogLevel.error, progressLogs: false });
const model = await llama.loadModel({ modelPath: weights });
const context = await model.createContext({ contextSize: CONTEXT, sequences: 1, threads: 1 });

// The template that the model was trained with; the system text is what it was given where a chat has none.
const SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

/** promptOf gives the tokens of a chat. Text never becomes a control token: only the template's own marks do. */
function promptOf(messages) {
  const turns = messages[0].role === "system" ? messages : [{ role: "system", text: SYSTEM }, ...messages];
  const mark = (text) => model.tokenize(text, true);
  const tokens = turns.flatMap((t) => [
    ...mark("<|im_start|>"), ...model.tokenize(`${t.role}\n${t.text}`), ...mark("<|im_end|>"), ...model.tokenize("\n"),
  ]);
  return [...tokens, ...mark("<|im_start|>"), ...model.tokenize("assistant\n")];
}

/** generate yields pieces of text and returns {finish, tokens}. It stops at the next token once signal is aborted. */
async function* generate(prompt, { limit, temperature, topP, seed }, signal) {
  const sequence = context.getSequence();
  try {
    let finish = "length";
    let tokens = 0;
    let pending = []; // tokens that end inside a character
    for await (const token of sequence.evaluate(prompt, { temperature, topP, seed, yieldEogToken: true })) {
      if (signal.aborted) return { finish: "cancelled", tokens };
      tokens++; // an end mark is computed like any other token, and counted like one
      if (model.isEogToken(token)) {
        finish = "stop";
        break;
      }
      pending.push(token);
      const text = model.detokenize(pending);
      if (!text.endsWith("\uFFFD")) {
        pending = [];
        yield text;
      }
      if (tokens === limit) break;
    }
    if (pending.length > 0) yield model.detokenize(pending);
    return { finish, tokens };
  } finally {
    await sequence.dispose();
  }
}

let last = Promise.resolve();

/** turn waits until those who came before are done and returns what ends this turn. */
async function turn() {
  const before = last;
  let done;
  last = new Promise((resolve) => (done = resolve));
  await before;
  return done;
}

// ---- the requests ----

const TAKEN = new Set([
  "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stream", "stream_options", "n", "user",
]);

/** read checks a request's body and gives what generate needs. */
function read(body) {
  let q;
  try {
    q = JSON.parse(body);
  } catch {
    throw new Refusal(400, "invalid_json", "the body is not JSON");
  }
  if (typeof q !== "object" || q === null) throw new Refusal(400, "invalid_json", "the body is not a JSON object");
  const odd = Object.keys(q).find((k) => !TAKEN.has(k));
  if (odd) throw new Refusal(400, "unsupported_parameter", `this server does not take ${odd}`, odd);
  if (q.model !== MODEL) throw new Refusal(404, "model_not_found", `the model here is ${MODEL}`, "model");
  if ((q.n ?? 1) !== 1) throw new Refusal(400, "unsupported_value", "n must be 1", "n");
  if (!Array.isArray(q.messages) || q.messages.length === 0) {
    throw new Refusal(400, "invalid_value", "messages must be a list of at least one", "messages");
  }
  const prompt = promptOf(q.messages.map(message));
  const room = CONTEXT - prompt.length - 1;
  if (room < 1) {
    const text = `the context is ${CONTEXT} tokens, and the messages alone have ${prompt.length}`;
    throw new Refusal(400, "context_length_exceeded", text, "messages");
  }
  return {
    prompt,
    options: {
      limit: Math.min(room, number(q, "max_completion_tokens", 1, Infinity) ?? number(q, "max_tokens", 1, Infinity) ?? DEFAULT_TOKENS),
      temperature: number(q, "temperature", 0, 2) ?? 1,
      topP: number(q, "top_p", 0, 1) ?? 1,
      seed: number(q, "seed", -Infinity, Infinity),
    },
    stream: q.stream === true,
    usageWanted: q.stream_options?.include_usage === true,
  };
}

function number(q, name, least, most) {
  const v = q[name] ?? undefined;
  if (v === undefined || (typeof v === "number" && v >= least && v <= most)) return v;
  throw new Refusal(400, "invalid_value", `${name} must be a number from ${least} to ${most}`, name);
}

const ROLES = { system: "system", developer: "system", user: "user", assistant: "assistant" };

function message(m, i) {
  const role = ROLES[m?.role];
  const parts = typeof m?.content === "string" ? [{ type: "text", text: m.content }] : m?.content;
  if (!role || !Array.isArray(parts) || !parts.every((p) => p?.type === "text" && typeof p.text === "string")) {
    throw new Refusal(400, "invalid_value", "a message has a role and text; this server takes nothing else", `messages[${i}]`);
  }
  return { role, text: parts.map((p) => p.text).join("") };
}

/** chat answers POST /v1/chat/completions, whole or as a stream, and returns what the log says about it. */
async function chat(body, res, signal) {
  const q = read(body);
  const done = await turn();
  try {
    const base = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: MODEL, system_fingerprint: "llama.cpp" };
    const reply = q.stream ? streamed(res, base, q.usageWanted) : whole(res, base);
    const pieces = generate(q.prompt, q.options, signal);
    let text = "";
    for (;;) {
      const { value, done: ended } = signal.aborted ? { value: { finish: "cancelled", tokens: 0 }, done: true } : await pieces.next();
      if (!ended) {
        text += value;
        reply.piece(value);
        continue;
      }
      const usage = {
        prompt_tokens: q.prompt.length, completion_tokens: value.tokens, total_tokens: q.prompt.length + value.tokens,
      };
      if (value.finish !== "cancelled") reply.end(text, value.finish, usage);
      await pieces.return();
      return `${value.finish} after ${value.tokens} of at most ${q.options.limit} tokens\n${text}`;
    }
  } finally {
    done();
  }
}

/** whole writes one answer when it is complete. */
function whole(res, base) {
  return {
    piece() {},
    end(text, finish, usage) {
      const choice = { index: 0, message: { role: "assistant", content: text, refusal: null }, logprobs: null, finish_reason: finish };
      json(res, 200, { ...base, object: "chat.completion", choices: [choice], usage });
    },
  };
}

/** streamed writes server-sent events: the role, each piece, the finish, the usage if it was asked for, [DONE]. */
function streamed(res, base, usageWanted) {
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const send = (data) => res.write(`data: ${data}\n\n`);
  const chunk = (more) => send(JSON.stringify({ ...base, object: "chat.completion.chunk", ...(usageWanted && { usage: null }), ...more }));
  const delta = (d, finish = null) => chunk({ choices: [{ index: 0, delta: d, logprobs: null, finish_reason: finish }] });
  delta({ role: "assistant", content: "" });
  return {
    piece: (text) => delta({ content: text }),
    end(_, finish, usage) {
      delta({}, finish);
      if (usageWanted) chunk({ choices: [], usage });
      send("[DONE]");
      res.end();
    },
  };
}

// ---- HTTP ----

function json(res, status, value) {
  res.writeHead(status, { "content-type": "application/json" });
  res.end(JSON.stringify(value));
}

const log = (text) => appendFileSync(logFile, text + "\n");
const digest = (text) => createHash("sha256").update(text).digest();
const admitted = (req) => timingSafeEqual(digest(req.headers.authorization ?? ""), digest(`Bearer ${credential}`));

async function bodyOf(req) {
  const parts = [];
  let size = 0;
  for await (const part of req) {
    if ((size += part.length) > MAX_BODY) throw new Refusal(413, "body_too_large", `the body is over ${MAX_BODY} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

/** headOf is a request's head as it came, less our own credential. */
function headOf(req) {
  const lines = [`${req.method} ${req.url}`];
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const value = req.rawHeaders[i + 1];
    lines.push(`${req.rawHeaders[i]}: ${value.replaceAll(credential, "(this server's credential)")}`);
  }
  return lines.join("\n");
}

let count = 0;

async function serve(req, res) {
  const gone = new AbortController();
  res.on("close", () => res.writableFinished || gone.abort());
  const n = ++count;
  try {
    const body = await bodyOf(req);
    log(`--- ${n} asked\n${headOf(req)}\n\n${body}`);
    if (!admitted(req)) throw new Refusal(401, "invalid_api_key", "no valid credential");
    switch (`${req.method} ${req.url}`) {
      case "GET /v1/models":
        json(res, 200, { object: "list", data: [{ id: MODEL, object: "model", created: CREATED, owned_by: "local" }] });
        return log(`--- ${n} answered the list of models`);
      case "POST /v1/chat/completions":
        return log(`--- ${n} ${await chat(body, res, gone.signal)}`);
      default:
        throw new Refusal(404, "not_found", "there are GET /v1/models and POST /v1/chat/completions");
    }
  } catch (err) {
    const refusal = err instanceof Refusal ? err : new Refusal(500, "internal", "the model failed");
    log(`--- ${n} refused with ${refusal.status} ${refusal.code}${err === refusal ? "" : `: ${err.stack}`}`);
    if (res.headersSent) res.destroy();
    else json(res, refusal.status, refusal.body);
  }
}

const server = createServer(serve);
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}/v1`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));

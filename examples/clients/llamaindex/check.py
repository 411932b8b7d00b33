"""What LlamaIndex's clients for OpenAI-compatible servers do through Sluice."""

import openai
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai_like import OpenAILike

from checks import ANSWER, ARGUMENTS, ASK, CODES, KEY, URL, VECTOR, Watch, check, fails, finish

hi = [ChatMessage(role="user", content=ASK)]


def model(name="good", key=KEY, retries=2):
    # It tries as often as max_retries says, and has the OpenAI SDK beneath it repeat as often each time.
    return OpenAILike(model=name, api_base=URL + "/v1", api_key=key, is_chat_model=True, is_function_calling_model=True, max_retries=retries)


def look(city: str, note: str) -> str:
    """Looks out of the window."""
    return f"Sunny in {city}; {note}"


def read(err):
    return err.status_code, err.code


check("plain", model().chat(hi).message.content, ANSWER)
check("stream", "".join(c.delta for c in model().stream_chat(hi)), ANSWER)
check("completion", model().complete(ASK).text, ANSWER)

tool = FunctionTool.from_defaults(look)
llm = model()
call = llm.get_tool_calls_from_response(llm.chat_with_tools([tool], user_msg=ASK))[0]
check("tool call", (call.tool_name, call.tool_kwargs), ("look", ARGUMENTS))
last = list(llm.stream_chat_with_tools([tool], user_msg=ASK))[-1]
check("streamed tool call", llm.get_tool_calls_from_response(last)[0].tool_kwargs, ARGUMENTS)
check("tool called", llm.predict_and_call([tool], ASK).response, "Sunny in Graz; Write to [EMAIL_1].")

embedding = OpenAIEmbedding(model_name="good", api_base=URL + "/v1", api_key=KEY)
check("embedding", embedding.get_text_embedding_batch(["a", "b"]), [VECTOR, VECTOR])

fails("401", openai.AuthenticationError, 401, "unauthenticated", lambda: model(key="slk_wrong").chat(hi), read)
fails("403", openai.PermissionDeniedError, *CODES["denied"], lambda: model("denied").chat(hi), read)
fails("429", openai.RateLimitError, *CODES["limited"], lambda: model("limited").chat(hi), read)
fails("500 there, not repeated", openai.InternalServerError, *CODES["broken"], lambda: model("broken", retries=0).chat(hi), read)
fails("503 there", openai.InternalServerError, *CODES["busy"], lambda: list(model("busy").stream_chat(hi)), read)
fails("503", openai.InternalServerError, *CODES["paused"], lambda: model("paused").chat(hi), read)
check("another endpoint's answer", model("failover").chat(hi).message.content, ANSWER)

with Watch() as watch:
    stream = model("slow").stream_chat(hi)
    first = next(c.delta for c in stream if c.delta)
    stream.close()
check("a stream that is left", (first[:6], watch.short), ("slowly", True))
check("and after it", model().chat(hi).message.content, ANSWER)
finish()

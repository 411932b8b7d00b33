"""What LangChain's and LangGraph's clients do through Sluice: a model, an agent that calls a tool, embeddings, errors."""

import openai
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from checks import ANSWER, ARGUMENTS, ASK, CODES, KEY, URL, VECTOR, Watch, check, fails, finish


def model(name="good", key=KEY, **more):
    return ChatOpenAI(model=name, base_url=URL + "/v1", api_key=key, **more)


@tool
def look(city: str, note: str) -> str:
    """Looks out of the window."""
    return f"Sunny in {city}; {note}"


def read(err):
    return err.status_code, err.code


answer = model().invoke(ASK)
check("plain", (answer.content, answer.usage_metadata["total_tokens"]), (ANSWER, 21))
check("stream", "".join(c.content for c in model().stream(ASK)), ANSWER)
check("response", model(use_responses_api=True).invoke(ASK).text, ANSWER)
check("streamed response", "".join(c.text for c in model(use_responses_api=True).stream(ASK)), ANSWER)
call = model().bind_tools([look]).invoke(ASK).tool_calls[0]
check("tool call", (call["name"], call["args"]), ("look", ARGUMENTS))
call = None
for chunk in model().bind_tools([look]).stream(ASK):
    call = chunk if call is None else call + chunk
check("streamed tool call", call.tool_calls[0]["args"], ARGUMENTS)

bound = model().bind_tools([look])
graph = StateGraph(MessagesState)
graph.add_node("model", lambda state: {"messages": [bound.invoke(state["messages"])]})
graph.add_node("tools", ToolNode([look]))
graph.add_edge(START, "model")
graph.add_conditional_edges("model", tools_condition)
graph.add_edge("tools", "model")
graph = graph.compile()
said = graph.invoke({"messages": [HumanMessage(ASK)]})["messages"]
check("a graph's turns", [type(m) for m in said], [HumanMessage, AIMessage, ToolMessage, AIMessage])
check("what its tool and its model said", [m.content for m in said[2:]], ["Sunny in Graz; Write to [EMAIL_1].", ANSWER])
parts = [c for c, _ in graph.stream({"messages": [HumanMessage(ASK)]}, stream_mode="messages")]
check("a graph's stream", "".join(c.content for c in parts if not isinstance(c, ToolMessage)), ANSWER)

# Without check_embedding_ctx_length=False it looks for a vocabulary of OpenAI's on the network.
embeddings = OpenAIEmbeddings(model="good", base_url=URL + "/v1", api_key=KEY, check_embedding_ctx_length=False)
check("embedding", embeddings.embed_documents(["a", "b"]), [VECTOR, VECTOR])

fails("401", openai.AuthenticationError, 401, "unauthenticated", lambda: model(key="slk_wrong").invoke(ASK), read)
fails("403", openai.PermissionDeniedError, *CODES["denied"], lambda: model("denied").invoke(ASK), read)
fails("429", openai.RateLimitError, *CODES["limited"], lambda: model("limited").invoke(ASK), read)
fails("500 there", openai.APIStatusError, *CODES["broken"], lambda: model("broken").invoke(ASK), read)
fails("503 there", openai.APIStatusError, *CODES["busy"], lambda: list(model("busy").stream(ASK)), read)
fails("503", openai.APIStatusError, *CODES["paused"], lambda: model("paused").invoke(ASK), read)
check("another endpoint's answer", model("failover").invoke(ASK).content, ANSWER)

with Watch() as watch:
    stream = model("slow").stream(ASK)
    first = next(c.content for c in stream if c.content)
    stream.close()
check("a stream that is left", (first[:6], watch.short), ("slowly", True))
check("and after it", model().invoke(ASK).content, ANSWER)
finish()

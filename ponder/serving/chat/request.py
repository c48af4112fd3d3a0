"""The body of `POST /v1/chat/completions`: every field of the protocol is taken, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from ponder.policy.native.formats import ToolFormat
from ponder.serving.caller import Caller
from ponder.serving.dial import Budget, Dial
from ponder.serving.errors import ApiError, refused
from ponder.serving.settings import Limits
from ponder.serving.thinking.ask import Ask, Show, Turn
from ponder.serving.thinking.schema import Form, form_of
from ponder.serving.tools import (
    MOST,
    Called,
    Function,
    Piece,
    Result,
    ending_with_the_user,
    form_with,
    toolset,
    woven,
)
from ponder.serving.wanted import (
    Effort,
    Metadata,
    Own,
    Wire,
    budget_of,
    check_strategy,
    deadline_of,
    seed_of,
    shown,
)

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class TextPart(Wire):
    """A piece of text in a message."""

    type: Literal["text"]
    text: str


class Message(Wire):
    """A turn, or what a tool gave.

    The thinking of earlier answers is taken under both of its names, and not shown to the model again.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(min_length=1)] | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = Field(default=None, max_length=0)
    audio: None = None
    function_call: None = None
    tool_calls: Annotated[list[Called], Field(max_length=MOST)] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """What was said."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content if self.content is not None else self.refusal or ""


class StreamOptions(Wire):
    """`include_usage`: a last chunk with the usage. `include_obfuscation` is taken as false only."""

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class JsonSchema(Wire):
    """A schema that the answer must match; `strict` or not, it is checked."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    schema_: Any = Field(default=None, alias="schema")
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Wire):
    """Text, any JSON object, or JSON by a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Reasoning(Wire):
    """The dial as OpenRouter writes it."""

    effort: Effort | None = None
    max_tokens: int | None = None
    exclude: bool | None = None
    enabled: bool | None = None


class Thinking(Wire):
    """The switch as DeepSeek writes it."""

    type: Literal["enabled", "disabled"]


class Tool(Wire):
    """A function that the model may call."""

    type: Literal["function"]
    function: Function


class ChatRequest(Wire):
    """See `docs/serving.md` for each field. What is not listed here is refused."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    model: str
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1)] | None = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning_effort: Effort | None = None
    thinking_token_budget: int | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    include_reasoning: bool | None = None
    separate_reasoning: bool | None = None
    stream_reasoning: bool | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    modalities: list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    verbosity: str | None = None
    ponder: Own = Field(default_factory=Own)


# Fields that are taken at the value that means "as usual", and refused at any other.
_USUAL: dict[str, tuple[Any, ...]] = {
    "store": (False,),
    "service_tier": ("auto", "default"),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "verbosity": ("medium",),
    "top_logprobs": (0,),
    "separate_reasoning": (True,),
}


def refuse_unsupported(request: ChatRequest, model: str, logprobs: bool) -> None:
    """ApiError, naming the field, for what this server does not do."""
    if request.model != model:
        why = f"there is no model {request.model!r} here; GET /v1/models lists it"
        raise ApiError(404, why, param="model", code="model_not_found")
    for name, usual in _USUAL.items():
        value = getattr(request, name)
        if value is not None and value not in usual:
            allowed = " or ".join(map(repr, usual))
            why = f"{name} is not supported by this server; leave it out or give {allowed}"
            raise refused(name, why, "unsupported_parameter")
    if request.logprobs and not logprobs:
        raise refused("logprobs", "the engine of this server gives no log-probabilities", "unsupported_parameter")
    if request.stream_options is not None and not request.stream:
        raise refused("stream_options", "stream_options goes with stream=true only")
    if isinstance(request.stop, list) and len(request.stop) > 4:
        raise refused("stop", f"stop holds {len(request.stop)} strings; at most 4 are taken")


def asks(
    request: ChatRequest, dial: Dial, caller: Caller, limits: Limits, format: ToolFormat | None = None
) -> tuple[Ask, ...]:
    """One ask for each choice. The budget is that of the whole request, shared out equally over its choices.

    `format` is how the model writes calls of tools (None: it cannot be told of any).
    """
    n = request.n or 1
    if n > limits.choices:
        raise refused("n", f"n={n}: this server makes at most {limits.choices} choices")
    budget = _budget(request, dial, caller)
    each = budget.tokens // n
    longest = request.max_completion_tokens or request.max_tokens
    if longest is not None:
        each = min(each, longest)
    if each < 1:
        raise refused("n", f"n={n}: a budget of {budget.tokens} token-equivalents is too small for so many choices")
    show = _show(request, caller, limits)
    functions = [tool.function for tool in request.tools or []]
    tools = toolset(functions, request.tool_choice, request.parallel_tool_calls, format)
    form = form_with(_form(request.response_format), tools, "response_format")
    seed = seed_of(request.seed)
    given = Ask(
        turns=_turns(request.messages),
        budget=Budget(each, budget.effort, budget.limited_by),
        deadline=deadline_of(request.ponder.seconds, limits),
        strategy=check_strategy(request.ponder.strategy),
        seed=seed,
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        longest=limits.max_tokens,
        stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        logprobs=bool(request.logprobs),
        form=form,
        tools=tools,
        show=show,
        progress=bool(request.stream),
        settings=request.ponder.settings,
    )
    return tuple(_numbered(given, number) for number in range(n))


def _numbered(ask: Ask, number: int) -> Ask:
    return ask if not number else replace(ask, seed=ask.seed + 1_000_003 * number)


def _budget(request: ChatRequest, dial: Dial, caller: Caller) -> Budget:
    reasoning = request.reasoning or Reasoning()
    off = reasoning.enabled is False or (request.thinking is not None and request.thinking.type == "disabled")
    efforts = {
        "reasoning_effort": request.reasoning_effort,
        "reasoning.effort": reasoning.effort,
        "thinking": "none" if off else None,
    }
    numbers = {"thinking_token_budget": request.thinking_token_budget, "reasoning.max_tokens": reasoning.max_tokens}
    return budget_of(dial, caller, efforts, numbers)[0]


def _show(request: ChatRequest, caller: Caller, limits: Limits) -> Show:
    """Hidden, unless the request asks to see it in one of the ways that clients have for that."""
    wanted: Show = request.ponder.show or "hidden"
    param = "ponder.show"
    if request.include_reasoning or request.stream_reasoning:
        wanted, param = "full", "include_reasoning" if request.include_reasoning else "stream_reasoning"
    if request.reasoning is not None and request.reasoning.exclude is not None:
        wanted, param = ("hidden" if request.reasoning.exclude else "full"), "reasoning.exclude"
    return shown(wanted, caller, limits, param)


def _turns(messages: list[Message]) -> tuple[Turn, ...]:
    pieces = list[Piece]()
    for place, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id is None:
                raise refused(f"messages.{place}.tool_call_id", "what a tool gave needs the tool_call_id of its call")
            pieces.append(Result(message.tool_call_id, message.text))
            continue
        pieces.append((_ROLES[message.role], message.text))
        if message.tool_calls and message.role != "assistant":
            raise refused(f"messages.{place}.tool_calls", "only the assistant calls tools")
        pieces += message.tool_calls or []
    return ending_with_the_user(woven(pieces, (), "messages"), "messages")


def _form(given: ResponseFormat | None) -> Form | None:
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return Form()
    if given.json_schema is None or given.json_schema.schema_ is None:
        raise refused("response_format.json_schema", "type json_schema needs json_schema with a schema in it")
    return form_of(given.json_schema.schema_, "response_format.json_schema.schema")

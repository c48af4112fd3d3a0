"""The body of `POST /v1/responses`: every field of the protocol is taken, or refused by name."""

from __future__ import annotations

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
    Called,
    CalledFunction,
    Function,
    Piece,
    Result,
    ending_with_the_user,
    form_with,
    toolset,
    woven,
)
from ponder.serving.wanted import Effort, Metadata, Own, Wire, budget_of, check_strategy, deadline_of, seed_of, shown

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class Part(Wire):
    """A piece of text in an item."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: list[Any] | None = Field(default=None, max_length=0)
    logprobs: list[Any] | None = None


class MessageItem(Wire):
    """A turn of the conversation; `type` may be left out, as clients do."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part]
    id: str | None = None
    status: str | None = None

    @property
    def text(self) -> str:
        """What was said."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ReasoningItem(Wire):
    """The thinking of an earlier answer, as clients send it back; it is not shown to the model again."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: list[Any] = Field(default_factory=list)
    content: list[Any] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class CallItem(Wire):
    """A call of an earlier answer; its arguments are a JSON object as text."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class OutputItem(Wire):
    """What a tool gave."""

    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Part]
    id: str | None = None
    status: str | None = None

    @property
    def text(self) -> str:
        """What it gave."""
        return self.output if isinstance(self.output, str) else "".join(part.text for part in self.output)


class Tool(Function):
    """A function that the model may call."""

    type: Literal["function"]


class Reasoning(Wire):
    """The dial, and how much of the thinking is summarised."""

    effort: Effort | None = None
    max_tokens: int | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    exclude: bool | None = None


class TextFormat(Wire):
    """Text, any JSON object, or JSON by a schema."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema_: Any = Field(default=None, alias="schema")
    strict: bool | None = None
    description: str | None = None


class Text(Wire):
    """The form of the answer."""

    format: TextFormat | None = None
    verbosity: Literal["medium"] | None = None


class StreamOptions(Wire):
    """Taken as false only."""

    include_obfuscation: Literal[False] = False


Item = MessageItem | ReasoningItem | CallItem | OutputItem


class ResponsesRequest(Wire):
    """See `docs/serving.md` for each field. What is not listed here is refused."""

    input: str | Annotated[list[Item], Field(min_length=1, max_length=1000)]
    model: str
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    reasoning: Reasoning | None = None
    thinking_token_budget: int | None = None
    text: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)]] | None = None
    metadata: Metadata | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    include: list[str] | None = None
    background: bool | None = None
    truncation: str | None = None
    service_tier: str | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    conversation: Any = None
    prompt: Any = None
    ponder: Own = Field(default_factory=Own)


_USUAL: dict[str, tuple[Any, ...]] = {
    "background": (False,),
    "truncation": ("disabled",),
    "service_tier": ("auto", "default"),
    "top_logprobs": (0,),
    "include": ([],),
    "max_tool_calls": (),
    "conversation": (),
    "prompt": (),
}


def refuse_unsupported(request: ResponsesRequest, model: str) -> None:
    """ApiError, naming the field, for what this server does not do."""
    if request.model != model:
        why = f"there is no model {request.model!r} here; GET /v1/models lists it"
        raise ApiError(404, why, param="model", code="model_not_found")
    for name, usual in _USUAL.items():
        value = getattr(request, name)
        if value is not None and value not in usual:
            allowed = f" or give {' or '.join(map(repr, usual))}" if usual else ""
            why = f"{name} is not supported by this server; leave it out{allowed}"
            raise refused(name, why, "unsupported_parameter")


def ask_of(
    request: ResponsesRequest,
    before: tuple[Turn, ...],
    dial: Dial,
    caller: Caller,
    limits: Limits,
    format: ToolFormat | None = None,
) -> Ask:
    """What is asked for, after the turns `before` of the stored conversation. `format`: as for a chat."""
    reasoning = request.reasoning or Reasoning()
    budget, _ = budget_of(
        dial,
        caller,
        {"reasoning.effort": reasoning.effort},
        {"thinking_token_budget": request.thinking_token_budget, "reasoning.max_tokens": reasoning.max_tokens},
    )
    if request.max_output_tokens is not None and request.max_output_tokens < budget.tokens:
        budget = Budget(request.max_output_tokens, budget.effort, "max_output_tokens")
    turns = ending_with_the_user(said(request, before), "input")
    tools = toolset(
        [Function(**tool.model_dump(exclude={"type"})) for tool in request.tools or []],
        request.tool_choice,
        request.parallel_tool_calls,
        format,
    )
    stop = (request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ())
    return Ask(
        turns=((("system", request.instructions),) if request.instructions else ()) + turns,
        budget=budget,
        deadline=deadline_of(request.ponder.seconds, limits),
        strategy=check_strategy(request.ponder.strategy),
        seed=seed_of(request.seed),
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        longest=limits.max_tokens,
        stop=stop,
        form=form_with(_form(request.text), tools, "text.format"),
        tools=tools,
        show=_show(request, reasoning, caller, limits),
        progress=bool(request.stream),
        settings=request.ponder.settings,
    )


def said(request: ResponsesRequest, before: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns up to this request's last; its instructions are not carried on."""
    if isinstance(request.input, str):
        return woven([("user", request.input)], before, "input")
    pieces = list[Piece]()
    for item in request.input:
        if isinstance(item, MessageItem):
            pieces.append((_ROLES[item.role], item.text))
        elif isinstance(item, CallItem):
            pieces.append(Called(id=item.call_id, function=CalledFunction(name=item.name, arguments=item.arguments)))
        elif isinstance(item, OutputItem):
            pieces.append(Result(item.call_id, item.text))
    return woven(pieces, before, "input")


def _show(request: ResponsesRequest, reasoning: Reasoning, caller: Caller, limits: Limits) -> Show:
    wanted: Show = request.ponder.show or "hidden"
    param = "ponder.show"
    summary = reasoning.summary or reasoning.generate_summary
    if summary and wanted == "hidden":
        wanted, param = "summary", "reasoning.summary"
    if reasoning.exclude is not None:
        wanted, param = ("hidden" if reasoning.exclude else "full"), "reasoning.exclude"
    if summary == "auto" and not (limits.show_thinking and caller.tier.show_thinking):
        return "hidden"  # auto leaves it to the server
    return shown(wanted, caller, limits, param)


def _form(text: Text | None) -> Form | None:
    given = None if text is None else text.format
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return Form()
    if given.schema_ is None:
        raise refused("text.format.schema", "type json_schema needs a schema")
    return form_of(given.schema_, "text.format.schema")

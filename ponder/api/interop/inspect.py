"""Ponder as a model of the package `inspect-ai`, so that its tasks are answered by a search under a budget.

    from inspect_ai import eval
    from ponder.api.interop.inspect import ponder_model
    eval("task.py", model=ponder_model("RUN/model", strategy="vote", budget=2048))

Every generation is one search. The answer is what the strategy chose, without the thinking before it, and the usage is
the search's own account. A conversation is put as a question with its history; tools of a task are refused, for a
search has no place where it could wait for them.
"""

from __future__ import annotations

from typing import Any

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    get_model,
    modelapi,
)

from ponder.api.policies import Policy, Source, source_of
from ponder.api.verifiers.loading import Verifier, verifier_of
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.seeds import derive_seed
from ponder.thinking import final_answer, reading_of
from ponder.types import PonderError, Question


def ponder_model(
    policy: str | Policy | Source = "tiny",
    *,
    strategy: str = "vote",
    budget: float = 1024.0,
    verifier: Verifier | None = None,
    temperature: float | None = None,
    max_tokens: int = 400,
    device: str = "cpu",
    seed: int = 0,
) -> Model:
    """A model for `inspect_ai.eval`. Raises PonderError for a strategy that lacks its verifier or its budget."""
    name = policy if isinstance(policy, str) else policy.name
    options = {"strategy": strategy, "budget": budget, "temperature": temperature, "max_tokens": max_tokens}
    given: dict[str, Any] = {**options, "device": device, "seed": seed}
    _GIVEN[name] = policy
    model: Model = get_model(f"ponder/{name}", memoize=False, verifier=verifier, **given)
    return model


_GIVEN: dict[str, str | Policy | Source] = {}  # policies that are no name, by theirs


class Thinking(ModelAPI):  # type: ignore[misc]
    """One search a generation. Made by `ponder_model`, or by `--model ponder/NAME -M strategy=vote -M budget=2048`."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        *,
        strategy: str = "vote",
        budget: float = 1024.0,
        verifier: Verifier | None = None,
        temperature: float | None = None,
        max_tokens: int = 400,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self._strategy = make(strategy, max_tokens=max_tokens)
        if self._strategy.needs_judge and verifier is None:
            raise PonderError(f"strategy {strategy} needs a verifier to choose with; give verifier=FOLDER, or use vote")
        if budget < self._strategy.least:
            raise PonderError(
                f"budget={budget:g}: smaller than one answer; the least is {self._strategy.least} token-equivalents"
            )
        self._source = source_of(_GIVEN.get(model_name, model_name), device=device, temperature=temperature)
        self._budget, self._verifier, self._seed, self._calls = float(budget), verifier, seed, 0

    async def generate(self, input: list[ChatMessage], tools: list[Any], tool_choice: Any, config: Any) -> ModelOutput:
        """Answer the last message of a user; see the base."""
        if tools:
            raise PonderError("the task gives tools, and a search cannot wait for them; use a task without tools")
        self._calls += 1
        question = _question(input, self._calls)
        judge = verifier_of(self._verifier, self._source, [question])
        seed = derive_seed("inspect", self._seed if config.seed is None else config.seed, question.text, self._calls)
        propose = self._source.propose
        result = await self._strategy(question, propose, judge, Budget(self._budget), seed=seed)
        chosen = result.trajectory
        said = "" if chosen is None else final_answer(reading_of(propose)(chosen)) or ""
        output = ModelOutput.from_content(self.model_name, said, "stop" if said else "max_tokens")
        spent = round(result.usage.spent)
        output.usage = ModelUsage(output_tokens=spent, total_tokens=spent)
        return output

    def max_connections(self) -> int:
        """How many searches run at once; the engine batches them."""
        return 64


def _question(messages: list[ChatMessage], number: int) -> Question:
    """A conversation as a question with its history."""
    roles = {ChatMessageSystem: "system", ChatMessageUser: "user", ChatMessageAssistant: "assistant"}
    turns = []
    for message in messages:
        role = roles.get(type(message))
        if role is None or not isinstance(message.text, str):
            raise PonderError(f"a message of the role {message.role} cannot be put as a question")
        turns.append((role, message.text))
    system = "\n\n".join(text for role, text in turns if role == "system")
    spoken = [turn for turn in turns if turn[0] != "system"]
    if not spoken or spoken[-1][0] != "user":
        raise PonderError("the conversation does not end with a message of the user, so nothing is asked")
    return Question(f"inspect-{number}", "inspect", spoken[-1][1], system, history=tuple(spoken[:-1]))


@modelapi(name="ponder")  # type: ignore[untyped-decorator]
def _ponder() -> type[ModelAPI]:
    return Thinking

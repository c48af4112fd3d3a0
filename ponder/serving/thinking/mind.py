"""What a search thinks with: the source of thoughts, the verifier, and what the engine behind them counts."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
from functools import cached_property, lru_cache

from ponder.api.policies import Source
from ponder.policy.chat import TextPropose
from ponder.policy.grammar import Grammar, Vocabulary, call_rules, json_rules
from ponder.policy.native.formats import ToolFormat
from ponder.policy.prompts import Prompts
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Judge
from ponder.serving.thinking.schema import Form
from ponder.serving.thinking.toolset import MustCall
from ponder.types import PonderError

_GRAMMARS = 32  # schemas that are remembered
_log = logging.getLogger(__name__)
_PROMPTS = 256  # prompts that are remembered: the texts of a server's users do not come back


class Mind:
    """A source with its verifier; `name` is that of the model as clients write it."""

    def __init__(self, source: Source, judge: Judge | None, name: str, *, verifier: str | None = None) -> None:
        if not isinstance(source.propose, PolicyPropose | TextPropose):
            raise PonderError(f"{source.name} cannot be served: its searches cannot be counted")
        self.source, self.judge, self.name, self.verifier = source, judge, name, verifier
        self.propose: PolicyPropose | TextPropose = copy.copy(source.propose)
        self._grammar = lru_cache(maxsize=_GRAMMARS)(self._compiled)
        if isinstance(self.propose, PolicyPropose):
            known = self.propose.prompts
            self.propose.prompts = Prompts(known.codec, known.briefing, _PROMPTS, known.frame)

    @property
    def version(self) -> int:
        """The version of the weights; 0 where the engine does not tell."""
        return self.propose.engine.version if isinstance(self.propose, PolicyPropose) else 0

    @property
    def gives_logprobs(self) -> bool:
        """Whether the engine tells log-probabilities."""
        return isinstance(self.propose, PolicyPropose)

    @property
    def tool_format(self) -> ToolFormat | None:
        """How the model writes calls of tools; None where it cannot be told of any."""
        return self.propose.prompts.tool_format if isinstance(self.propose, PolicyPropose) else None

    async def grammar(self, form: Form | MustCall | None) -> Grammar | None:
        """What bounds answers of this form while they are drawn; None where nothing can, so that they are checked."""
        if form is None or not isinstance(self.propose, PolicyPropose):
            return None
        if not getattr(self.propose.engine, "constrains", False):
            return None
        return await asyncio.to_thread(self._grammar, form.grammar)

    def _compiled(self, grammar: str) -> Grammar | None:
        assert isinstance(self.propose, PolicyPropose)
        told = json.loads(grammar)
        try:
            rules = json_rules(told["schema"]) if "schema" in told else call_rules(told["calls"], told["kind"])
            return Grammar(self._vocabulary, rules, self.propose.frame.close)
        except PonderError as error:
            _log.warning("answers are checked and not bounded: %s", error)
            return None

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        assert isinstance(self.propose, PolicyPropose)
        return Vocabulary(self.propose.codec)

    @property
    def counters(self) -> dict[str, int]:
        """What the engine counted since it was made."""
        names = ("tokens_generated", "tokens_prefilled", "tokens_reused")
        engine = self.propose.engine
        return {name: int(getattr(engine, name)) for name in names if hasattr(engine, name)}

    @property
    def seconds_busy(self) -> float:
        """Seconds that the engine worked since it was made; 0 where it does not tell."""
        return float(getattr(self.propose.engine, "seconds_busy", 0.0))

    @property
    def active(self) -> int | None:
        """Draws that hold a row of the engine now; None where it does not tell."""
        return getattr(self.propose.engine, "active", None)

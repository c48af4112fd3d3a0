"""What a search thinks with: the source of thoughts, the verifier, and what the engine behind them counts."""

from __future__ import annotations

import copy

from ponder.api.policies import Source
from ponder.policy.chat import TextPropose
from ponder.policy.prompts import Prompts
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Judge
from ponder.types import PonderError

_PROMPTS = 256  # prompts that are remembered: the texts of a server's users do not come back


class Mind:
    """A source with its verifier; `name` is that of the model as clients write it."""

    def __init__(self, source: Source, judge: Judge | None, name: str, *, verifier: str | None = None) -> None:
        if not isinstance(source.propose, PolicyPropose | TextPropose):
            raise PonderError(f"{source.name} cannot be served: its searches cannot be counted")
        self.source, self.judge, self.name, self.verifier = source, judge, name, verifier
        self.propose: PolicyPropose | TextPropose = copy.copy(source.propose)
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

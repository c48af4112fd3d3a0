"""What training has cost so far, in floating-point operations from the architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Ledger:
    """Work by purpose; `credit` is that of other models and of auxiliary rollouts which a credit rule asks for.

    `sampled` counts generated tokens. A checkpoint carries it, so a resumed run goes on adding.
    """

    sampling: float = 0.0
    labelling: float = 0.0
    policy: float = 0.0
    verifier: float = 0.0
    credit: float = 0.0
    sampled: int = 0
    seconds: float = 0.0

    @property
    def flops(self) -> float:
        return self.sampling + self.labelling + self.policy + self.verifier + self.credit

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(state: dict[str, Any]) -> Ledger:
        return Ledger(**state)

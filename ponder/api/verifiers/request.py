"""What the training of a verifier is asked, and what of it can be refused before a model is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ponder.types import PonderError
from ponder.verifiers.aggregation import AGGREGATIONS
from ponder.verifiers.learned.folder import Spec
from ponder.verifiers.learned.kinds import kind as kind_of

TRUNKS = ("separate", "shared", "frozen")


@dataclass(frozen=True)
class Request:
    """What to train. `labels` is a label file, or None to collect from `problems`.

    `critiques` above 0 trains a generative verifier on critiques that the labels ask for; with `own_critiques` it then
    writes one for every trajectory and learns from those of which each verdict is that of the labels (2504.16828).
    `trunk`: "separate" weights; "shared" with the policy, which learns along; "frozen", a head on the policy as it is.
    `depth` below 1 keeps only the first part of the layers of a separate trunk, which is as much cheaper to ask.
    `learning_rate` None takes the vetted one, 5e-4, or 1e-2 for a head alone.
    """

    kind: str
    out: Path
    model: str = "tiny"
    labels: Path | None = None
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown")
    groups: int = 150
    samples: int = 8
    rollouts: int = 4
    most_steps: int = 5
    max_tokens: int = 400
    trunk: str = "separate"
    depth: float = 1.0
    hard: bool = False
    aggregation: str | None = None
    critiques: int = 0
    own_critiques: bool = False
    learning_rate: float | None = None
    batch: int = 16
    epochs: int = 1
    separator: str = "\n"
    seed: int = 0
    device: str = "cpu"


def spec_of(request: Request) -> Spec:
    """The spec that the request asks for, without the tokenizer; PonderError for settings that do not go together."""
    kind = kind_of(request.kind)
    if request.trunk not in TRUNKS:
        raise PonderError(f"--trunk {request.trunk!r}; allowed are {', '.join(TRUNKS)}")
    if request.depth != 1 and (request.trunk != "separate" or kind.form == "causal"):
        raise PonderError(
            f"--depth {request.depth:g} cuts a separate trunk with a head; kind {request.kind} with --trunk "
            f"{request.trunk} has none to cut"
        )
    if request.trunk == "frozen" and kind.form == "causal":
        raise PonderError(
            f"--trunk frozen trains a head alone, and kind {request.kind} has none; use separate or shared"
        )
    if request.aggregation is not None and (kind.aggregation is None or request.aggregation not in AGGREGATIONS):
        raise PonderError(
            f"--aggregation {request.aggregation!r} with kind {request.kind}; allowed are {', '.join(AGGREGATIONS)}, "
            "for kinds that score steps"
        )
    if request.critiques and request.kind != "generative":
        raise PonderError(f"--critiques is for kind generative, not for {request.kind}")
    if request.own_critiques and not request.critiques:
        raise PonderError("--own-critiques needs --critiques: how many a judgement is to write")
    if request.hard and request.kind != "process":
        raise PonderError(f"--hard is for kind process, not for {request.kind}")
    how = request.aggregation or kind.aggregation
    return Spec(request.kind, "", request.separator, how, trunk=request.trunk, critiques=request.critiques)

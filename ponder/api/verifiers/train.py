"""`ponder.train_verifier`: a verifier from step labels or outcomes, in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.api.machine import check_device
from ponder.api.verifiers import training
from ponder.api.verifiers.request import Request

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class TrainedVerifier:
    """The folder of a trained verifier, for `load_verifier`, and what it is worth on problems it did not learn from."""

    folder: Path
    report: dict[str, Any]


def train_verifier(
    kind: str,
    out: Path | str,
    *,
    model: str = "tiny",
    labels: Path | None = None,
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown"),
    groups: int = 150,
    seed: int = 0,
    device: str = "cpu",
    tell: Tell | None = None,
    **more: Any,
) -> TrainedVerifier:
    """Train a verifier of `kind` (see `ponder.available("verifiers")`) and save it in `out`.

    `labels` is a label file of `ponder label`; without one, labels are collected on `groups` training problems of the
    families `problems`. `more` are the other settings of `ponder verifier train`: samples, rollouts, trunk, depth,
    epochs, batch, learning_rate, aggregation, critiques. Raises PonderError for settings that do not go together.
    """
    check_device(device)
    request = Request(
        kind,
        Path(out),
        model=model,
        labels=labels,
        problems=tuple(problems),
        groups=groups,
        seed=seed,
        device=device,
        **more,
    )
    return TrainedVerifier(Path(out), training.train(request, tell or (lambda *_: None)))

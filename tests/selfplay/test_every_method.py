"""Every algorithm with its loss, every loss with its algorithm, and every preset makes a real update on a tiny model.

The cases are read from the registries, so a new file is covered by itself.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ponder.algorithms import ALGORITHMS
from ponder.api import policies
from ponder.api.problems import load_families
from ponder.api.training.presets import PRESETS
from ponder.api.training.stage import curriculum, prepared
from ponder.config import load
from ponder.engines.loop import run as run_async
from ponder.losses import LOSSES
from ponder.models.load import Loaded
from ponder.models.load import load as load_model
from ponder.protocols import Family
from ponder.selfplay import needs
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from ponder.types import Problem, Verdict
from tests.selfplay.small import model_folder

SMALL = [
    "threads=1",
    "parity.every=0",
    "sampling.problems=2",
    "sampling.group_size=4",
    "sampling.max_tokens=24",
    "critic.warmup=0",
    "critic.distrust=-1e9",
]
# A search of a tiny budget, so that answers of a group can share steps.
SEARCH = 'sampling.draws={kind="search", strategy="beam?width=2&answer_reserve=8", budget=400}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that often ends its answers by itself, though it was never trained."""
    made = model_folder(tmp_path_factory.mktemp("model"))
    loaded = load_model(str(made))
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight[loaded.tokenizer.eos_token_id] *= 40
    loaded.model.save_pretrained(made)
    return made


@pytest.fixture(scope="module", autouse=True)
def read_once(folder: Path) -> Iterator[None]:
    """Half of the time went into reading the same folder again for each case."""
    known = load_model(str(folder))

    def copied(name: str, **options: Any) -> Loaded:
        return (
            Loaded(copy.deepcopy(known.model), known.tokenizer) if name == str(folder) else load_model(name, **options)
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policies, "load", copied)
        yield


@pytest.fixture(scope="module")
def families() -> list[Family]:
    return load_families(["arithmetic?terms=2"])


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    """An untrained model is never right, so every other text is called so."""
    return [Verdict(outcome=float(sum(map(ord, response)) % 2)) for response in responses]


def updated(folder: Path, families: list[Family], *settings: str) -> tuple[SelfPlay, Any, bool]:
    """One update; the loop, what it says, and whether the policy's weights moved."""
    config = load(Run, None, [f'model="{folder}"', *SMALL, *settings])
    if not needs.needs_verifier_scores(config, config.rewards) and SEARCH not in settings:
        # An update that asks no verifier needs none to be made.
        config = config.model_copy(update={"verifier": config.verifier.model_copy(update={"enabled": False})})
    needs.check(config)
    start = prepared(config, families)
    before = {name: p.detach().clone() for name, p in start.policy.model.named_parameters()}
    play = SelfPlay(
        config,
        start.generator,
        start.verifier,
        curriculum(config, families),
        grade,
        [],
        run_async,
        lambda *_: None,
        start.critic,
        start.scorers,
    )
    improvement = play.update(0, 0)  # a round would measure and train the verifier too
    moved = any(not torch.equal(p, before[n]) for n, p in start.policy.model.named_parameters())
    return play, improvement, moved


def check(play: SelfPlay, improvement: Any, moved: bool) -> None:
    report = improvement.report
    assert report.skipped is None
    assert report.steps >= 1 and report.samples >= 2
    assert moved
    assert report.loss is not None and math.isfinite(report.loss)
    assert all(math.isfinite(value) for value in [*improvement.metrics.values(), *report.metrics.values()])
    # All that was computed is in the ledger, and nothing is in it that was not.
    parts = [part for name, part in play.parts.items() if name != "measuring"]
    assert play.ledger.flops == pytest.approx(sum(part.flops for part in parts))


@pytest.mark.parametrize("kind", list(ALGORITHMS))
def test_every_algorithm_learns_with_its_loss(kind: str, folder: Path, families: list[Family], tmp_path: Path):
    more = [f'teacher.model="{model_folder(tmp_path / "teacher", seed=1)}"'] if kind == "distillation" else []
    cls = ALGORITHMS[kind]
    check(*updated(folder, families, f"algorithm.kind={kind}", f"loss.kind={cls.loss}", *more))


@pytest.mark.parametrize(
    "kind", [kind for kind in LOSSES if kind not in {cls.loss for cls in ALGORITHMS.settings_classes}]
)
def test_every_loss_learns_with_its_algorithm(kind: str, folder: Path, families: list[Family]):
    algorithm = LOSSES[kind].algorithm
    check(*updated(folder, families, f"loss.kind={kind}", f"algorithm.kind={algorithm}", "trainer.minibatches=2"))


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_a_run_that_may_begin(name: str):
    more = ["teacher.model=tiny"] if name == "distil" else []
    needs.check(load(Run, None, [*PRESETS[name].settings, *more]))


def test_a_tree_of_a_search_is_credited_by_its_nodes(folder: Path, families: list[Family]):
    play, improvement, moved = updated(folder, families, "algorithm.kind=tree", SEARCH)
    check(play, improvement, moved)
    assert improvement.metrics["steps_per_node"] >= 1


def test_auxiliary_rollouts_are_paid_for_and_not_trained_on(folder: Path, families: list[Family]):
    many = ["algorithm.rollouts=3", "algorithm.mixed_only=false"]
    play, improvement, _ = updated(folder, families, "algorithm.kind=vineppo", *many)
    assert improvement.metrics["auxiliary_rollouts"] >= 3 * 2
    assert play.parts["auxiliary_rollouts"].flops == play.ledger.credit > 0
    answers = sum(len(group.judged) for group in improvement.groups)
    assert improvement.report.samples <= answers == 8


def test_another_prover_draws_the_rollouts_and_its_work_is_counted(
    folder: Path, families: list[Family], tmp_path: Path
):
    prover = model_folder(tmp_path / "prover", seed=2)
    more = ["algorithm.mixed_only=false", "algorithm.best_of=2", f'algorithm.prover="{prover}"']
    play, improvement, moved = updated(folder, families, "algorithm.kind=pav", *more)
    check(play, improvement, moved)
    assert play.scorers.prover is not None
    assert play.ledger.credit > 0


def test_prime_starts_as_rloo_and_its_reward_model_learns(folder: Path, families: list[Family]):
    play, improvement, _ = updated(folder, families, "algorithm.kind=prime")
    assert improvement.metrics["implicit_reward"] == pytest.approx(0.0, abs=1e-6)
    implicit = play.scorers.implicit
    assert implicit is not None and implicit.updates == 1
    groups = list(improvement.groups)
    again = play.credit(groups)
    assert abs(again.metrics["implicit_reward"]) > 1e-6
    other = replace(play.credit, algorithm=ALGORITHMS.parse("rloo"))
    assert again.credits.credits_PG[0][0].advantages_T != other(groups).credits.credits_PG[0][0].advantages_T


def test_kl_can_be_taken_off_the_reward(folder: Path, families: list[Family]):
    play, improvement, _ = updated(folder, families, 'rewards=[{kind="outcome"}, {kind="kl", weight=1.0}]')
    # The start is the policy itself, up to the rounding between engine and trainer.
    assert improvement.metrics["reward/kl"] == pytest.approx(0.0, abs=1e-2)
    assert play.parts["reference_scoring"].flops > 0

"""`ponder verifier audit`: how far a verifier can be trusted with a policy's answers, measured against ground truth.

Samples are drawn once, graded and scored; everything else is computed from them (`evaluation.audit`). The verifier is
the folder of a learned one, or `truth`: ground truth behind the noise dial, which says of a known verifier what the
audit ought to say. Written: `audit.json`, `samples.jsonl` (outcome, score, answer of each sample), a page, a picture.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ponder.api.machine import check_device
from ponder.api.outputs import result_folder
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.loop import run as run_async
from ponder.evaluation.audit.audit import Sampled, audit
from ponder.protocols import Judge
from ponder.reports.audit.page import render
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import write_json, write_text
from ponder.search.session.verifier_cost import VerifierCost
from ponder.seeds import derive_seed
from ponder.thinking import Reading, reading_of
from ponder.types import Group, PonderError
from ponder.verifiers.noise import Noise, NoisyGrade, NoisyJudge
from ponder.verifiers.truth import GroundTruth

TRUTH = "truth"
WRITTEN = ("audit.json", "samples.jsonl", "audit.html", "audit.png")
FEWEST = 4  # samples a problem and problems a family
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Request:
    """What to audit. `limit` problems of each family, `samples` answers to each."""

    verifier: str
    out: Path
    model: str = "tiny"
    problems: tuple[str, ...] = ("arithmetic", "cipher", "countdown")
    split: str = "test"
    limit: int = 60
    samples: int = 24
    thresholds: tuple[float, ...] = (0.5,)
    noise: Noise = field(default_factory=Noise)
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 400
    device: str = "cpu"
    overwrite: bool = False


def run(request: Request, tell: Tell) -> dict[str, Any]:
    """Draw, grade, score, audit, write; returns what `audit.json` holds."""
    _check(request)
    check_device(request.device)
    result_folder(request.out, WRITTEN, overwrite=request.overwrite)
    started = time.monotonic()
    families = load_families(request.problems)
    problems = draw_problems(families, request.split, request.limit, request.seed)
    asker = load_policy(request.model, device=request.device, temperature=request.temperature)
    judge = None if request.verifier == TRUTH else _judge(request, asker)
    with ground_truth(families) as truth:
        tell(0, 3, f"{request.samples} answers to each of {len(problems)} problems")
        draw_seed = derive_seed("audit", request.seed)
        how: dict[str, Any] = {"group_size": request.samples, "max_tokens": request.max_tokens, "seed": draw_seed}

        async def scored() -> list[list[Sampled]]:
            """Drawn and scored on one event loop: an engine that a verifier reads forgets its texts with the loop."""
            groups = await collect(problems, asker.propose, truth.grade, **how)
            tell(1, 3, "scoring them")
            if judge is None:
                return _by_truth(groups, truth, request.noise, reading_of(asker.propose))
            return await _by_judge(groups, judge, asker)

        pools = run_async(scored())
        failures = dict(truth.failures)
    if not pools:
        raise PonderError(f"no answer to {len(problems)} problems could be graded: {failures}")
    tell(2, 3, "computing")
    found = audit([pool for pool in pools if pool], thresholds=request.thresholds, seed=request.seed)
    found |= _made(request, failures) | {"seconds": time.monotonic() - started}
    _write(request.out, found, pools)
    tell(3, 3, "done")
    return found


def _check(request: Request) -> None:
    if request.verifier != TRUTH and not Path(request.verifier).is_dir():
        raise PonderError(
            f"--verifier {request.verifier!r} is no folder; give that of a trained verifier (`ponder run` leaves one "
            f"in RUN/verifier), or {TRUTH}"
        )
    for name, value in (("--samples", request.samples), ("--limit", request.limit)):
        if value < FEWEST:
            raise PonderError(f"{name} {value}: an audit needs at least {FEWEST}")
    if not request.thresholds or not all(0.0 < t < 1.0 for t in request.thresholds):
        raise PonderError(f"--thresholds {request.thresholds}: scores are accepted from a number between 0 and 1 on")


def _judge(request: Request, asker: Policy) -> Judge:
    judge = load_verifier(Path(request.verifier), asker)
    return judge if request.noise.is_silent else NoisyJudge(judge, request.noise)


def _by_truth(groups: Sequence[Group], truth: GroundTruth, noise: Noise, read: Reading) -> list[list[Sampled]]:
    """Ground truth behind the dial as verifier: scores are its verdicts and cost nothing."""
    dial = NoisyGrade(truth.grade, noise)
    pools = []
    for group in groups:
        texts = [read(trajectory) for trajectory in group.trajectories]
        said = dial([group.problem] * len(texts), texts)
        pools.append(_pool(group, [v.outcome for v in said], [0.0] * len(texts), [v.extracted for v in said]))
    return pools


async def _by_judge(groups: Sequence[Group], judge: Judge, asker: Policy) -> list[list[Sampled]]:
    async def one(group: Group) -> list[Sampled]:
        some = group.trajectories
        verdicts = await judge(group.problem.question, some)
        reading = VerifierCost(judge, group.problem.question)  # one after the other: the first pays for the question
        costs, answers = [reading.take([t]) for t in some], [asker.propose.answer(t) for t in some]
        return _pool(group, [v.score for v in verdicts], costs, answers)

    return list(await asyncio.gather(*map(one, groups)))


def _pool(
    group: Group, scores: Sequence[float | None], costs: Sequence[float], answers: Sequence[str | None]
) -> list[Sampled]:
    """What could be graded and scored."""
    question = group.problem.question
    rows = zip(group.trajectories, group.verdicts, scores, costs, answers, strict=True)
    return [
        Sampled(question.id, question.family, question.level, v.outcome, score, answer, len(t), cost)
        for t, v, score, cost, answer in rows
        if v.outcome is not None and score is not None
    ]


def _made(request: Request, failures: dict[str, int]) -> dict[str, Any]:
    return {
        "verifier": request.verifier,
        "noise": asdict(request.noise),
        "model": request.model,
        "problems": list(request.problems),
        "split": request.split,
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "failures": failures,
        "revision": environment.revision(),
        "versions": environment.versions(),
        "machine": environment.machine(request.device),
    }


def _write(out: Path, found: dict[str, Any], pools: Sequence[Sequence[Sampled]]) -> None:
    write_text(out / "samples.jsonl", "".join(json.dumps(asdict(s)) + "\n" for pool in pools for s in pool))
    write_json(out / "audit.json", found)
    render(out)

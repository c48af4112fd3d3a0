"""`ponder factory`: chains of thought made to order, and models that imitate them.

With several rounds it bootstraps (STaR, arXiv 2203.14465): after each round a fresh copy of the model is cloned on all
chains so far, and the next round asks that copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from ponder.api.imitate import Pieces, Shown, imitate
from ponder.api.outputs import result_folder
from ponder.api.policies import Policy, load_policy
from ponder.api.problems import draw_problems, ground_truth, load_families
from ponder.api.verifiers.loading import load_verifier
from ponder.engines.loop import run as run_async
from ponder.factory import parquet
from ponder.factory.chain import Chain
from ponder.factory.errors import ByRollouts, ByTruth, ByVerifier, FirstError
from ponder.factory.job import Factory, Made, Settings
from ponder.factory.work import TURN, Role
from ponder.labels.rollouts import Source
from ponder.models.load import save
from ponder.protocols import Grade
from ponder.runlog import environment
from ponder.runlog.files import write_json
from ponder.seeds import derive_seed
from ponder.types import PonderError, Problem

CHAINS, SUMMARY = "chains.parquet", "factory.json"
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Request:
    """What `ponder factory make` was asked for. Models of roles that are not named are `model`.

    `judge` is rollouts, truth or the folder of a verifier. In rounds after the first the model is cloned for `steps`
    steps of `batch` chains.
    """

    model: str
    problems: tuple[str, ...]
    out: Path
    methods: tuple[str, ...] = ("rejection", "pivots", "corrections")
    limit: int = 100
    samples: int = 8
    most: int = 4
    draws: int = 4
    judge: str = "rollouts"
    planner: str = ""
    elaborator: str = ""
    critic: str = ""
    turn: str = TURN
    rounds: int = 1
    steps: int = 60
    batch: int = 32
    learning_rate: float = 3e-4
    separator: str = "\n"
    seed: int = 0
    temperature: float = 1.0
    max_tokens: int = 400
    device: str = "cpu"
    overwrite: bool = False
    allow_unsafe_code: bool = False


def make(request: Request, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """Make the chains of training problems, check them, write chains.parquet; returns the summary."""
    settings = _settings(request)
    families = load_families(request.problems)
    out = result_folder(request.out, (CHAINS, SUMMARY), overwrite=request.overwrite)
    policy = _load(request, request.model)
    chains: list[Chain] = []
    rounds = []
    with ground_truth(families, allow_unsafe_code=request.allow_unsafe_code) as truth:
        for number in range(request.rounds):
            tell(number, request.rounds, "making chains")
            problems = draw_problems(families, "train", request.limit, derive_seed("factory", request.seed, number))
            made = _round(request, settings, policy, truth.grade, problems, number)
            chains += made.chains
            rounds.append(_told(made, len(problems)))
            if number + 1 < request.rounds:
                policy = _bootstrapped(request, chains, number, tell)
    tell(request.rounds, request.rounds, "done")
    parquet.write(out / CHAINS, chains)
    summary = {
        "schema": 1,
        "model": request.model,
        "chains": len(chains),
        "by_method": dict(Counter(chain.method for chain in chains)),
        "tokens": sum(row["tokens"] for row in rounds),
        "rounds": rounds,
        "settings": {**asdict(request), "out": str(request.out)},
        "revision": environment.revision(),
        "file": str(out / CHAINS),
    }
    write_json(out / SUMMARY, summary)
    return summary


def _settings(request: Request) -> Settings:
    return Settings(request.methods, request.samples, request.most, request.draws, request.turn, request.seed)


def _load(request: Request, name: str) -> Policy:
    return load_policy(name, device=request.device, temperature=request.temperature, separator=request.separator)


def _round(
    request: Request, settings: Settings, policy: Policy, grade: Grade, problems: Sequence[Problem], number: int
) -> Made:
    seed = derive_seed("factory samples", request.seed, number)
    source = Source(policy.propose, grade, max_tokens=request.max_tokens, seed=seed)
    own = Role(request.model, policy.propose)
    given = {"planner": request.planner, "elaborator": request.elaborator, "critic": request.critic}
    roles = {name: Role(model, _load(request, model).propose) if model else own for name, model in given.items()}
    settings = replace(settings, seed=seed)
    factory = Factory(source, _judge(request, policy), roles, request.model, grade, settings)
    made: Made = run_async(factory.make(problems, round_number=number))
    return made


def _judge(request: Request, policy: Policy) -> FirstError:
    if request.judge == "rollouts":
        return ByRollouts(request.draws)
    if request.judge == "truth":
        return ByTruth()
    return ByVerifier(load_verifier(request.judge, policy))


def _told(made: Made, problems: int) -> dict[str, Any]:
    return {
        "problems": problems,
        "chains": len(made.chains),
        "tokens": made.tokens,
        "refused": dict(made.refused),
        "why_none": dict(made.why),
    }


def _bootstrapped(request: Request, chains: Sequence[Chain], number: int, tell: Tell) -> Policy:
    """A fresh copy of the model, cloned on all chains so far."""
    if not chains:
        raise PonderError(
            f"round {number + 1} made no chain, so there is nothing to learn from; raise samples or limit"
        )
    policy = _load(request, request.model)
    rows = [
        (chain.problem.question, Pieces(parquet.merged((span.text, span.kind != "wrong") for span in chain.spans)))
        for chain in chains
    ]
    trainer = imitate(
        policy,
        endless(rows, derive_seed("bootstrap", request.seed, number)),
        steps=request.steps,
        batch=request.batch,
        learning_rate=request.learning_rate,
        seed=request.seed,
        tell=lambda step, steps, _: tell(number, request.rounds, f"cloning, step {step} of {steps}"),
    )
    policy.engine.replace_weights(trainer.weights(), policy.engine.version)
    return policy


def to_imitate(rows: Sequence[dict[str, Any]], *, errors: bool = False) -> list[Shown]:
    """Rows of a file of chains with the responses to imitate; wrong steps are read, and imitated only if `errors`."""
    return [(parquet.question_of(row), Pieces(parquet.pieces_of(row, errors))) for row in rows]


def endless(rows: Sequence[Shown], seed: int) -> Iterator[Shown]:
    """All rows over and over, in another order each time."""
    rng = Random(seed)
    while rows:
        yield from rng.sample(list(rows), len(rows))


@dataclass(frozen=True)
class CloneRequest:
    """What `ponder factory clone` was asked for. `steps` 0: two passes over the chains.

    `methods` keeps chains of these methods alone (none: all). Steps that were found wrong stand in their chains and are
    read, but only with `errors` is it learned to write them.
    """

    chains: tuple[Path, ...]
    out: Path
    model: str = "tiny"
    methods: tuple[str, ...] = ()
    steps: int = 0
    batch: int = 32
    learning_rate: float = 3e-4
    seed: int = 0
    device: str = "cpu"
    errors: bool = False


def clone(request: CloneRequest, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """Imitate chains and save the model, for `ponder run --model`; returns the summary."""
    rows = [row for file in request.chains for row in parquet.read(file)]
    rows = [row for row in rows if not request.methods or row.get("method") in request.methods]
    if not rows:
        raise PonderError(f"no chains to imitate in {', '.join(map(str, request.chains))}")
    if (request.out / "config.json").exists():
        raise PonderError(f"--out {request.out} holds a model already; name another folder")
    policy = load_policy(request.model, device=request.device)
    batch = min(request.batch, len(rows))
    steps = request.steps or max(1, 2 * len(rows) // batch)
    losses: list[float] = []

    def hear(step: int, total: int, loss: float | None) -> None:
        losses.extend([] if loss is None else [loss])
        tell(step, total, "" if loss is None else f"loss {loss:.3f}")

    shown = endless(to_imitate(rows, errors=request.errors), request.seed)
    trainer = imitate(
        policy, shown, steps=steps, batch=batch, learning_rate=request.learning_rate, seed=request.seed, tell=hear
    )
    save(policy.model, policy.tokenizer, request.out, weights=trainer.weights())
    last = list(islice(reversed(losses), 10))
    return {
        "model": request.model,
        "chains": len(rows),
        "steps": steps,
        "loss": sum(last) / len(last) if last else None,
        "out": str(request.out),
    }

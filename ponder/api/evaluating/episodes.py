"""`ponder eval --environment KIND?key=value`: episodes of an environment, graded as training grades them.

Without strategies every problem is played `samples` times, as in training. With strategies the search branches at any
step of any turn within its budget (`rollout.acting`), and the episode that it chooses is judged. What is read costs as
what is said. The summary tells the accuracy after every turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ponder.api.machine import check_device
from ponder.api.outputs import result_folder
from ponder.api.policies import Policy, Source, source_of
from ponder.api.problems import Problems, Specs, ground_truth, load_problems, spec_names
from ponder.api.verifiers.loading import Verifier, verifier_name, verifier_of
from ponder.config import Strict, checked
from ponder.engines.loop import run as run_async
from ponder.environments import AnyEnvironment
from ponder.environments.environment import EnvironmentSettings
from ponder.evaluation.episodes import Played, of_groups, summary
from ponder.evaluation.pools.lost_runs import Losses
from ponder.protocols import Grade, Judge, Together
from ponder.rollout.acting import Acting
from ponder.rollout.collect import collect
from ponder.rollout.episodes import Episodes
from ponder.rollout.grading import Grading
from ponder.runlog import environment as machine
from ponder.runlog.files import append_line, write_json
from ponder.search.common import together
from ponder.search.planner.table import parsed
from ponder.search.registry import make, needs_judge
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.seeds import derive_seed
from ponder.thinking import reading_of
from ponder.tools import Tool, toolbox
from ponder.types import PonderError, Problem, SearchResult, Usage, Verdict

METRICS, SAMPLES = "metrics.json", "episodes.jsonl"
BLOCK = 64  # problems that are played and kept at a time
PLAIN = "plain"
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Acted:
    """What to measure. `environment` is `retry?turns=3` or settings; without `strategies` episodes are plain."""

    environment: str | EnvironmentSettings
    out: Path
    model: str | Policy | Source = "tiny"
    problems: Specs | Problems = ("arithmetic", "cipher", "countdown")
    split: str = "test"
    limit: int = 100
    samples: int = 1
    strategies: tuple[str, ...] = ()
    budgets: tuple[float, ...] = ()
    verifier: Verifier | None = None
    seed: int = 0
    temperature: float | None = None
    max_tokens: int = 400
    frame: str = "auto"
    device: str = "cpu"
    tools: tuple[str | Tool, ...] = ()
    allow_unsafe_code: bool = False
    overwrite: bool = False

    @property
    def searches(self) -> list[tuple[str, float]]:
        return [(name, budget) for name in self.strategies for budget in self.budgets]


class _Asked(Strict):
    environment: Annotated[AnyEnvironment, Field()]


def environment_of(spec: str | EnvironmentSettings) -> EnvironmentSettings:
    """`repair?turns=3` as settings, which tell the outcome of every turn where they can. Raises PonderError."""
    if isinstance(spec, str):
        kind, fields = parsed(spec)
        spec = checked(_Asked, {"environment": {"kind": kind, **fields}}, "--environment").environment
    if isinstance(spec, Together):
        raise PonderError(
            f"--environment {spec.kind}: several answers come about together there, and no one of them is graded; "
            "`ponder run` measures the strength of a game's player"
        )
    return spec.measured()


def run(asked: Acted, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """Play, and write `metrics.json` and `episodes.jsonl`. Raises PonderError for what cannot be measured."""
    acts_in = environment_of(asked.environment)
    _refuse_impossible(asked)
    check_device(asked.device)
    given = asked.problems
    problems = (
        given
        if isinstance(given, Problems)
        else load_problems(given, split=asked.split, limit=asked.limit, seed=asked.seed)
    )
    box = toolbox(asked.tools)
    source = source_of(asked.model, device=asked.device, temperature=asked.temperature, frame=asked.frame).with_tools(
        box
    )
    judge = verifier_of(asked.verifier, source, [problem.question for problem in problems])
    out = result_folder(asked.out, (METRICS, SAMPLES), overwrite=asked.overwrite)
    with ground_truth(problems.families, allow_unsafe_code=asked.allow_unsafe_code) as truth:
        stage = _Stage(asked, acts_in, source, judge, truth.grade, out, tell)
        rows = stage.measured(problems)
    if box is not None:
        box.close()
    metrics = {
        "schema": 1,
        "environment": acts_in.model_dump(mode="json"),
        "model": source.name,
        "problems": [f.name for f in given.families] if isinstance(given, Problems) else spec_names(given),
        "split": problems.split,
        "n": len(problems),
        "verifier": None if judge is None else verifier_name(asked.verifier),
        "seed": asked.seed,
        "temperature": getattr(source.propose, "temperature", asked.temperature),
        "max_tokens": asked.max_tokens,
        "unit": "token-equivalents an episode, what was read included; spent is a mean over problems",
        "results": rows,
        "engine": source.told(),
        "revision": machine.revision(),
        "versions": machine.versions(),
        "machine": machine.machine(asked.device),
    }
    write_json(out / METRICS, metrics)
    return metrics


def _refuse_impossible(asked: Acted) -> None:
    if bool(asked.strategies) != bool(asked.budgets):
        raise PonderError("--environment: give --strategies and --budgets, or none of them for plain episodes")
    if asked.strategies and asked.samples != 1:
        raise PonderError("--samples are plain episodes a problem; a strategy draws as many as its budget buys")
    for name, budget in asked.searches:
        strategy = make(name, max_tokens=asked.max_tokens)
        if needs_judge(name) and asked.verifier is None:
            raise PonderError(f"strategy {name} needs a verifier to choose with; give --verifier FOLDER, or use vote")
        if budget < strategy.least:
            raise PonderError(f"--budgets {budget:g}: smaller than one episode; the least is {strategy.least}")


@dataclass(frozen=True)
class _Stage:
    asked: Acted
    acts_in: EnvironmentSettings
    source: Source
    judge: Judge | None
    grade: Grade
    out: Path
    tell: Tell
    lost: list[str] = field(default_factory=list)

    def measured(self, problems: Sequence[Problem]) -> list[dict[str, Any]]:
        """A row for plain episodes, or one a strategy and budget."""
        rows: list[dict[str, Any]] = []
        cells: Sequence[tuple[str, float | None]] = self.asked.searches or [(PLAIN, None)]
        for done, (name, budget) in enumerate(cells):
            note = f"{self.acts_in.kind}: {name}" + ("" if budget is None else f" at {budget:g} token-equivalents")
            episodes: list[Played] = []
            usage, started = Usage(), time.monotonic()
            for start in range(0, len(problems), BLOCK):
                self.tell(done * len(problems) + start, len(cells) * len(problems), note)
                part = problems[start : start + BLOCK]
                some, spent = run_async(self._plain(part) if budget is None else self._searched(part, name, budget))
                episodes, usage = [*episodes, *some], usage + spent
                for one in some:
                    append_line(self.out / SAMPLES, _kept(one, name, budget))
            each = self.asked.samples * len(problems)
            rows.append(
                {
                    "strategy": name,
                    "budget": budget,
                    "samples": self.asked.samples,
                    "spent": usage.spent / each,
                    "usage": asdict(usage),
                    "seconds": time.monotonic() - started,
                    "lost": len(self.lost),
                    **summary(episodes, seed=self.asked.seed),
                }
            )
            self.lost.clear()
        self.tell(len(cells) * len(problems), len(cells) * len(problems), "done")
        return rows

    async def _plain(self, problems: Sequence[Problem]) -> tuple[list[Played], Usage]:
        found = await collect(
            problems,
            self.source.propose,
            self.grade,
            group_size=self.asked.samples,
            max_tokens=self.asked.max_tokens,
            seed=derive_seed("eval episodes", self.asked.seed),
            environment=self.acts_in,
        )
        return of_groups(found), found.usage

    async def _searched(self, problems: Sequence[Problem], name: str, budget: float) -> tuple[list[Played], Usage]:
        """One search a problem, all at once; the chosen episode is judged, and no episode at all is wrong."""
        strategy = make(name, max_tokens=self.asked.max_tokens)
        seed, losses = derive_seed("eval", self.asked.seed), Losses(len(problems))
        async with Grading(self.grade, read=reading_of(self.source.propose)) as grading:
            playing = Episodes(self.acts_in, self.source.propose, grading, self.asked.max_tokens, seed)
            acting = Acting(playing, {problem.id: problem for problem in problems})

            async def one(problem: Problem) -> tuple[Played, Usage] | None:
                result = await losses.kept(self._think(strategy, problem, acting, budget, seed))
                if result is None:
                    return None
                chosen = result.trajectory
                verdict = Verdict(outcome=0.0) if chosen is None else await acting.verdict(chosen)
                return Played(problem, chosen, verdict), result.usage

            found = [pair for pair in await together([one(problem) for problem in problems]) if pair is not None]
        losses.refuse_if_all()
        self.lost.extend(losses.errors)
        return [played for played, _ in found], sum((usage for _, usage in found), Usage())

    async def _think(
        self, strategy: Thinking, problem: Problem, acting: Acting, budget: float, seed: int
    ) -> SearchResult:
        return await strategy(problem.question, acting, self.judge, Budget(budget), seed=seed)


def _kept(one: Played, name: str, budget: float | None) -> dict[str, Any]:
    """A row of episodes.jsonl."""
    trajectory, verdict = one.trajectory, one.verdict
    return {
        "id": one.problem.id,
        "family": one.problem.family,
        "problem": one.problem.question.text,
        "strategy": name,
        "budget": budget,
        "text": None if trajectory is None else trajectory.text,
        "turns": 0 if trajectory is None else trajectory.turns,
        "tokens": 0 if trajectory is None else len(trajectory),
        "outcome": verdict.outcome,
        "outcomes": list(verdict.turns),
        "failure": verdict.failure,
        "detail": verdict.detail,
    }

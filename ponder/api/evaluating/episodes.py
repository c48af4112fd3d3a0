"""`ponder eval --environment KIND?key=value`: episodes of an environment, graded as training grades them.

Without strategies every problem is played `samples` times, as in training. With strategies the search branches at any
step of any turn within its budget (`rollout.acting`), and the episode that it chooses is judged. What is read costs as
what is said. The summary tells the accuracy after every turn.

`episodes.jsonl` has a row for each episode as soon as it is judged, `samples.jsonl` one for each call of the policy for
plain episodes. Seeds decide all draws, so an evaluation that goes on (`resume`) ends with the numbers of one that was
never stopped; only seconds and what the engine counted differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ponder.api.evaluating.acted import Acted, environment_of, refuse_impossible
from ponder.api.evaluating.journal import SAMPLES, Journal, KeptDraws, KeptTurns
from ponder.api.machine import check_device
from ponder.api.outputs import clear
from ponder.api.policies import Source, source_of
from ponder.api.problems import Problems, ground_truth, load_problems
from ponder.api.verifiers.loading import verifier_name, verifier_of
from ponder.engines.loop import run as run_async
from ponder.environments.environment import EnvironmentSettings
from ponder.evaluation.episodes import Played, summary
from ponder.evaluation.pools.lost_runs import Losses
from ponder.protocols import Conversing, Grade, Judge
from ponder.reports.thinking import episodes as pictures
from ponder.rollout.acting import Acting
from ponder.rollout.collect import collect
from ponder.rollout.episodes import Episodes
from ponder.rollout.grading import Grading
from ponder.runlog import RunLog
from ponder.runlog import environment as machine
from ponder.runlog.files import write_json
from ponder.search.common import together
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.search.strategy import Thinking
from ponder.seeds import derive_seed
from ponder.thinking import reading_of
from ponder.tools import toolbox
from ponder.types import Group, Problem, SearchResult, Trajectory, Usage, Verdict

METRICS, EPISODES = "metrics.json", "episodes.jsonl"
WRITTEN = (METRICS, EPISODES, SAMPLES, pictures.PAGE, pictures.PICTURE, "config.toml", "metrics.jsonl", "events.jsonl")
BLOCK = 64  # problems that are played at a time
PLAIN = "plain"
Tell = Callable[[int, int, str], None]


def run(asked: Acted, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """Play, and write `metrics.json`, `curves.html` and `episodes.jsonl`. PonderError for what cannot be measured."""
    acts_in = environment_of(asked.environment)
    refuse_impossible(asked)
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
    with _opened(asked, acts_in) as journal:
        with ground_truth(problems.families, allow_unsafe_code=asked.allow_unsafe_code) as truth:
            rows = _Stage(asked, acts_in, source, judge, truth.grade, journal, tell).measured(problems)
        metrics = {
            "schema": 1,
            "environment": acts_in.model_dump(mode="json"),
            "model": source.name,
            "problems": asked.problem_names,
            "split": problems.split,
            "n": len(problems),
            "verifier": None if judge is None else verifier_name(asked.verifier),
            "seed": asked.seed,
            "temperature": getattr(source.propose, "temperature", asked.temperature),
            "max_tokens": asked.max_tokens,
            "unit": "token-equivalents an episode, what was read included; spent is a mean over problems",
            "results": rows,
            "resumed": journal.resumed,
            "engine": source.told(),
            "revision": machine.revision(),
            "versions": machine.versions(),
            "machine": machine.machine(asked.device),
        }
        write_json(asked.out / METRICS, metrics)
        pictures.render(asked.out)
    if box is not None:
        box.close()
    return metrics


@contextmanager
def _opened(asked: Acted, acts_in: EnvironmentSettings) -> Iterator[Journal]:
    """What was played before, in the folder that this process holds until it is done."""
    if asked.overwrite and not asked.resume:
        clear(asked.out, WRITTEN)
    with RunLog.open(asked.out, asked.as_config(acts_in), resume=asked.resume):
        yield Journal(asked.out, (EPISODES, SAMPLES))


@dataclass(frozen=True)
class _Stage:
    asked: Acted
    acts_in: EnvironmentSettings
    source: Source
    judge: Judge | None
    grade: Grade
    journal: Journal
    tell: Tell
    lost: list[str] = field(default_factory=list)

    def measured(self, problems: Sequence[Problem]) -> list[dict[str, Any]]:
        """A row for plain episodes, or one a strategy and budget."""
        cells: Sequence[tuple[str, float | None]] = self.asked.searches or [(PLAIN, None)]
        total, rows = len(cells) * len(problems), []
        for done, (name, budget) in enumerate(cells):
            note = f"{self.acts_in.kind}: {name}" + ("" if budget is None else f" at {budget:g} token-equivalents")
            cell = _Cell(self.journal, name, budget, self.asked.samples)
            for start in range(0, len(problems), BLOCK):
                self.tell(done * len(problems) + start, total, note)
                part = [one for one in problems[start : start + BLOCK] if not cell.is_whole(one)]
                if part:
                    run_async(self._plain(part, cell) if budget is None else self._searched(part, name, budget, cell))
            rows.append(cell.result(problems, len(self.lost), self.asked.seed))
            self.lost.clear()
        self.tell(total, total, "done")
        return rows

    async def _plain(self, problems: Sequence[Problem], cell: _Cell) -> None:
        propose = self.source.propose
        kept = KeptTurns if isinstance(propose, Conversing) else KeptDraws
        await collect(
            problems,
            kept(propose, self.journal),  # type: ignore[arg-type]  # what it asks for was looked at
            self.grade,
            group_size=self.asked.samples,
            max_tokens=self.asked.max_tokens,
            seed=derive_seed("eval episodes", self.asked.seed),
            environment=self.acts_in,
            judged_group=cell.keep_group,
        )

    async def _searched(self, problems: Sequence[Problem], name: str, budget: float, cell: _Cell) -> None:
        """One search a problem, all at once; the chosen episode is judged, and no episode at all is wrong."""
        strategy = make(name, max_tokens=self.asked.max_tokens)
        seed, losses = derive_seed("eval", self.asked.seed), Losses(len(problems))
        async with Grading(self.grade, read=reading_of(self.source.propose)) as grading:
            playing = Episodes(self.acts_in, self.source.propose, grading, self.asked.max_tokens, seed)
            acting = Acting(playing, {problem.id: problem for problem in problems})

            async def one(problem: Problem) -> None:
                result = await losses.kept(self._think(strategy, problem, acting, budget, seed))
                if result is None:
                    return
                chosen = result.trajectory
                verdict = Verdict(outcome=0.0) if chosen is None else await acting.verdict(chosen)
                cell.keep(problem, 0, 1, chosen, verdict, result.usage)

            await together([one(problem) for problem in problems])
        losses.refuse_if_all()
        self.lost.extend(losses.errors)

    async def _think(
        self, strategy: Thinking, problem: Problem, acting: Acting, budget: float, seed: int
    ) -> SearchResult:
        return await strategy(problem.question, acting, self.judge, Budget(budget), seed=seed)


class _Cell:
    """The episodes of one strategy at one budget, `samples` a problem: kept ones, and those that are being played."""

    def __init__(self, journal: Journal, name: str, budget: float | None, samples: int) -> None:
        self._journal, self._name, self._budget, self._samples = journal, name, budget, samples
        mine = [row for row in journal.rows(EPISODES) if (row["strategy"], row["budget"]) == (name, budget)]
        self._rows: dict[tuple[str, int], dict[str, Any]] = {(row["id"], row["member"]): row for row in mine}
        self._before = max((row["elapsed"] for row in mine), default=0.0)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Those of earlier processes, up to what they kept last, included."""
        return float(self._before + time.monotonic() - self._started)

    def is_whole(self, problem: Problem) -> bool:
        """Whether all episodes of a problem are there: a kill may have come between two rows."""
        first = self._rows.get((problem.id, 0))
        return first is not None and all((problem.id, member) in self._rows for member in range(first["of"]))

    def keep_group(self, group: Group, usage: Usage) -> None:
        """Keep plain episodes; what they cost is theirs but for the one call that drew all first turns."""
        pairs = zip(group.trajectories, group.verdicts, strict=True)
        for member, (trajectory, verdict) in enumerate(pairs):
            own = Usage(kept=float(len(trajectory)), calls=trajectory.turns - (member > 0))
            self.keep(group.problem, member, len(group.trajectories), trajectory, verdict, own)

    def keep(
        self, problem: Problem, member: int, of: int, trajectory: Trajectory | None, verdict: Verdict, usage: Usage
    ) -> None:
        """Keep an episode, unless it is there."""
        if (problem.id, member) in self._rows:
            return
        played = Played.of(problem, trajectory, verdict)
        row = {
            "id": problem.id,
            "family": problem.family,
            "problem": problem.question.text,
            "strategy": self._name,
            "budget": self._budget,
            "member": member,
            "of": of,
            "text": None if trajectory is None else trajectory.text,
            "turns": len(played.turns),
            "tokens": sum(said + read for said, read in played.turns),
            "by_turn": [{"said": said, "read": read} for said, read in played.turns],
            "finished": played.finished,
            "outcome": verdict.outcome,
            "outcomes": list(verdict.turns),
            "failure": verdict.failure,
            "detail": verdict.detail,
            "usage": asdict(usage),
            "elapsed": round(self.seconds, 3),
        }
        self._rows[problem.id, member] = row
        self._journal.keep(EPISODES, f"{self._name} {self._budget} {problem.id} {member}", **row)

    def result(self, problems: Sequence[Problem], lost: int, seed: int) -> dict[str, Any]:
        """What the episodes came to, in the order of the problems, however they were played."""
        by_id = {problem.id: problem for problem in problems}
        place = {name: i for i, name in enumerate(by_id)}
        ordered = [row for _, row in sorted(self._rows.items(), key=lambda item: (place[item[0][0]], item[0][1]))]
        usage = sum((Usage(**row["usage"]) for row in ordered), Usage())
        return {
            "strategy": self._name,
            "budget": self._budget,
            "samples": self._samples,
            "spent": usage.spent / max(1, len(ordered)),
            "usage": asdict(usage),
            "seconds": self.seconds,
            "lost": lost,
            **summary([_played(by_id[row["id"]], row) for row in ordered], seed=seed),
        }


def _played(problem: Problem, row: dict[str, Any]) -> Played:
    """A row of episodes.jsonl as what is measured."""
    verdict = Verdict(row["outcome"], row["failure"], detail=row["detail"], turns=tuple(row["outcomes"]))
    turns = tuple((turn["said"], turn["read"]) for turn in row["by_turn"])
    return Played(problem, verdict, turns, row["finished"])

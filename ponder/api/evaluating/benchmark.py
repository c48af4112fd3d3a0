"""`ponder eval --suite NAME`: a benchmark that people know, with its usual prompt, draws and metrics.

One greedy answer a problem gives pass@1; several sampled ones give avg@k (the mean, an estimate of pass@1), maj@k and
pass@k. Intervals are over problems. What could not be graded is counted and in no number. Problems that the model was
trained on are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ponder.api.evaluating import first_errors
from ponder.api.evaluating.pool import Judged, measure
from ponder.api.machine import check_device
from ponder.api.outputs import result_folder
from ponder.api.policies import Policy, Source, source_of
from ponder.api.problems import ground_truth
from ponder.engines.loop import run as run_async
from ponder.evaluation.intervals import mean_interval
from ponder.problems.overlap import refuse_overlap
from ponder.problems.registry import parse
from ponder.problems.suites.registry import PROCESSBENCH, Published, fetched, suite
from ponder.problems.suites.suite import Suite
from ponder.rollout.collect import collect
from ponder.runlog import environment
from ponder.runlog.files import append_line, write_json
from ponder.runlog.folder import read_config
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem
from ponder.verifiers.rules.constraints.combination import check

METRICS, SAMPLES = "metrics.json", "samples.jsonl"
BLOCK = 64  # problems that are drawn and kept at a time
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Benchmark:
    """What to measure. `samples` and `temperature` None: what the suite usually draws; `limit` None: all problems.

    A `Source` is asked at its own temperature. `trained_on` are specs of training problems (`jsonl:PATH`, a path alone
    is one too), beside those that the folder of the run beside the model names.
    """

    suite: str
    out: Path
    file: Path | None = None
    model: str | Policy | Source = "tiny"
    samples: int | None = None
    temperature: float | None = None
    limit: int | None = None
    seed: int = 0
    max_tokens: int = 4096
    device: str = "cpu"
    frame: str = "auto"
    verifier: str | None = None
    trained_on: tuple[str, ...] = ()
    allow_unsafe_code: bool = False
    overwrite: bool = False


def run(asked: Benchmark, tell: Tell = lambda *_: None) -> dict[str, Any]:
    """Measure, and write `metrics.json` and `samples.jsonl`. Raises PonderError for what cannot be measured."""
    check_device(asked.device)
    if asked.suite == PROCESSBENCH:
        return _first_errors(asked)
    chosen = suite(asked.suite)
    if asked.verifier is not None:
        raise PonderError(
            "--verifier: the suites but processbench are graded by truth; use --strategies with --problems"
        )
    published = Published(chosen, asked.file or fetched(chosen, asked.out))
    refuse_trained(published, asked)
    out = result_folder(asked.out, (METRICS, SAMPLES), overwrite=asked.overwrite)
    problems = [row.problem for row in published.rows][: asked.limit]
    temperature = chosen.temperature if asked.temperature is None else asked.temperature
    samples = chosen.samples if asked.samples is None else asked.samples
    if temperature == 0 and samples > 1:
        raise PonderError(
            f"--samples {samples} at temperature 0 would be {samples} times one answer; give --temperature"
        )
    source = (
        asked.model
        if isinstance(asked.model, Source)
        else source_of(asked.model, device=asked.device, temperature=temperature, frame=asked.frame)
    )
    with ground_truth([published], allow_unsafe_code=asked.allow_unsafe_code) as truth:
        groups: list[Group] = []
        for start in range(0, len(problems), BLOCK):
            tell(start, len(problems), f"{chosen.name}: {samples} answers a problem")
            part = problems[start : start + BLOCK]
            drawing = collect(
                part, source.propose, truth.grade, group_size=samples, max_tokens=asked.max_tokens, seed=asked.seed
            )
            for group in run_async(drawing):
                groups.append(group)
                append_line(out / SAMPLES, _kept(group, source))
        tell(len(problems), len(problems), "done")
        metrics = {
            "schema": 1,
            "suite": chosen.name,
            "source": chosen.source,
            "file": str(published.path),
            "model": source.name,
            "temperature": temperature,
            "samples": samples,
            "max_tokens": asked.max_tokens,
            "seed": asked.seed,
            "problems": len(problems),
            "failures": dict(truth.failures),
            **_measured(chosen, groups, source, asked.seed),
            "revision": environment.revision(),
            "versions": environment.versions(),
        }
    write_json(out / METRICS, metrics)
    return metrics


def _first_errors(asked: Benchmark) -> dict[str, Any]:
    """The benchmark without answers: a verifier reads steps."""
    if asked.file is None or asked.verifier is None:
        raise PonderError("--suite processbench judges steps: give --verifier FOLDER and --file FILE of marked steps")
    out = result_folder(asked.out, (METRICS,), overwrite=asked.overwrite)
    metrics = first_errors.measure(asked.file, asked.verifier, asked.model, asked.limit, asked.seed, asked.device)
    write_json(out / METRICS, {**metrics, "revision": environment.revision(), "versions": environment.versions()})
    return metrics


def refuse_trained(published: Published, asked: Benchmark) -> None:
    """Raise PonderError if a problem of the benchmark is among the training problems that are known of the model."""
    specs = list(asked.trained_on)
    if isinstance(asked.model, str):
        specs += _of_the_run(Path(asked.model))
    for spec in dict.fromkeys(specs):
        family = parse(spec if ":" in spec else f"jsonl:{spec}")
        if hasattr(family, "located"):
            refuse_overlap(family.located("train"), published.located("test"), names=("training", published.name))


def _of_the_run(model: Path) -> list[str]:
    """The stored problems in the configuration of the run that left this model folder; none where there is none."""
    is_run = all((model.parent / name).is_file() for name in ("config.toml", "metrics.jsonl"))
    config = read_config(model.parent) if is_run else {}
    specs = config.get("problems", [])
    return [str(spec) for spec in specs if ":" in str(spec)] if isinstance(specs, list) else []


def _measured(chosen: Suite, groups: Sequence[Group], source: Source, seed: int) -> dict[str, Any]:
    """avg@k, pass@k, maj@k over all problems; the mean by level or subject; instructions one by one for IFEval."""
    kept = [group for group in groups if group.judged]
    if not kept:
        raise PonderError(f"{chosen.name}: no answer could be graded; look at the failures in {SAMPLES}")
    judged = [_judged(group, source) for group in kept]
    found = measure(judged, seed=seed)
    more: dict[str, Any] = {"by": {}, "n": len(kept), "dropped": len(groups) - len(kept), **found}
    if chosen.group:
        values: dict[str, list[list[float]]] = {}
        for group, one in zip(kept, judged, strict=True):
            name = str(group.problem.key.data.get(chosen.group, "not said"))
            values.setdefault(name, []).append(list(one.outcomes_G))
        intervals = {name: mean_interval(some, seed=seed) for name, some in sorted(values.items())}
        more["by"] = {name: asdict(i) for name, i in intervals.items() if i is not None}
    if chosen.verifier == "constraints":
        more["constraints"] = _constraints(kept, source, seed)
    lengths = [len(t) for group in kept for t in group.trajectories]
    cut = [not t.finished for group in kept for t in group.trajectories]
    return {**more, "tokens": sum(lengths) / len(lengths), "cut": sum(cut) / len(cut)}


def _judged(group: Group, source: Source) -> Judged:
    outcomes, answers = zip(*((y, source.propose.answer(t)) for t, y in group.judged), strict=True)
    return Judged(outcomes, answers, None)


def _constraints(groups: Sequence[Group], source: Source, seed: int) -> dict[str, Any]:
    """IFEval's four numbers: all instructions of a prompt, and each by itself; strict and loose."""
    from ponder.thinking import final_answer

    read = reading_of(source.propose)
    found: dict[str, list[list[float]]] = {}
    for group in groups:
        for name, loose in (("strict", False), ("loose", True)):
            held = [
                [one.loose if loose else one.strict for one in check(group.problem.key.data["constraints"], answer)]
                for answer in ((final_answer(read(t)) or "").replace("\r\n", "\n") for t in group.trajectories)
            ]
            found.setdefault(f"prompt_{name}", []).append([float(all(some)) for some in held])
            found.setdefault(f"instruction_{name}", []).extend([float(x) for x in xs] for xs in zip(*held, strict=True))
    intervals = {name: mean_interval(values, seed=seed) for name, values in found.items()}
    return {name: asdict(interval) for name, interval in intervals.items() if interval is not None}


def _kept(group: Group, source: Source) -> dict[str, Any]:
    """A row of samples.jsonl; `ponder eval --pool` reads it again where the answer is mathematics."""
    problem: Problem = group.problem
    return {
        "id": problem.id,
        "problem": problem.question.text,
        "answer": problem.key.answer,
        "responses": [t.text for t in group.trajectories],
        "outcomes": [v.outcome for v in group.verdicts],
        "failures": [v.failure for v in group.verdicts],
        "answers": [source.propose.answer(t) for t in group.trajectories],
        "tokens": [len(t) for t in group.trajectories],
    }

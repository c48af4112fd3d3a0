"""The jobs that `benchmarks.kills` kills: small ones of each command that can go on, and what they must leave."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ponder.rollout import store
from ponder.runlog.files import HIDDEN, read_jsonl
from ponder.types import PonderError
from tests.selfplay.small import SETTINGS

# What a clock, the machine's memory or the place of the folder said; every other value has to be the same.
TIMED = {
    *("time", "seconds", "started", "elapsed", "peak_memory_bytes", "mfu", "flops_per_second", "tokens_per_second"),
    *("utilisation", "tokens_generated", "out", "command", "work", "engine", "forecast", "file", "revision", "machine"),
}


@dataclass(frozen=True)
class Job:
    """A command that can be killed and resumed. `contents` is what its folder must hold in the end, by name."""

    name: str
    arguments: tuple[str, ...]
    contents: Callable[[Path], dict[str, Any]]
    stage: Callable[[Path], str]
    journals: tuple[str, ...]


def jobs(model: Path) -> dict[str, Job]:
    """All jobs, with an untrained model that is quick to run."""
    settings = tuple(part for setting in SETTINGS for part in ("--set", setting))
    families = "arithmetic?terms=2,countdown?numbers=2"
    common = ("--model", str(model), "--problems", families, "--max-tokens", "48", "--json")
    return {
        "run": Job("run", ("run", "--model", str(model), "--json", *settings), of_run, stage_of_run,
                   ("metrics.jsonl", "events.jsonl", "disagreements.jsonl")),
        "eval": Job("eval", ("eval", *common, "--limit", "6", "--threads", "1", "--strategies", "sample,vote,revision",
                             "--budgets", "64,160"), of_eval, stage_of_eval,
                    ("samples.jsonl", "runs.jsonl", "results.jsonl")),
        "label": Job("label", ("label", *common, "--limit", "6", "--method", "shepherd", "--responses", "2",
                               "--rollouts", "2"), of_label, stage_of_label, ("labels.jsonl",)),
    }  # fmt: skip


def of_run(out: Path) -> dict[str, Any]:
    """Weights byte by byte, rows, samples, the control arms and the summary."""
    found: dict[str, Any] = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("model", "verifier", "policies")
        for path in sorted((out / folder).rglob("*.safetensors"))
    }
    for path in sorted((out / "trajectories").glob("*.parquet")):
        found[path.name] = [repr(row) for row in store.read(path)]
    found["metrics.jsonl"] = timeless(read_jsonl(out / "metrics.jsonl"))
    found["events.jsonl"] = timeless(read_jsonl(out / "events.jsonl"))
    for name in ("control.json", "rejection.json", "summary.json"):
        found[name] = timeless(json.loads((out / name).read_text(encoding="utf-8")))
    found["pages"] = pages(out, "report.html", "samples.html")
    return found


def of_eval(out: Path) -> dict[str, Any]:
    """Every row by its key (the order of rows that were under way together depends on time), and the metrics."""
    found: dict[str, Any] = {
        name: by_key(out / name, "key") for name in ("samples.jsonl", "runs.jsonl", "results.jsonl")
    }
    found["metrics.json"] = timeless(json.loads((out / "metrics.json").read_text(encoding="utf-8")))
    found["pages"] = pages(out, "curves.html")
    return found


def of_label(out: Path) -> dict[str, Any]:
    """The labelled problems by id, and the table."""
    from ponder.labels import parquet

    table = [repr(row) for row in parquet.read(out / "labels.parquet")]
    summary = timeless(json.loads((out / "label.json").read_text(encoding="utf-8")))
    return {"labels.jsonl": by_key(out / "labels.jsonl", "problem"), "labels.parquet": table, "label.json": summary}


def by_key(path: Path, key: str) -> dict[str, Any]:
    """The rows of a journal; a row that is there twice is an error."""
    rows = read_jsonl(path)
    twice = [name for name, count in Counter(row[key] for row in rows).items() if count > 1]
    if twice:
        raise PonderError(f"{path.name}: {len(twice)} rows are there twice, the first is {twice[0]}")
    return {row[key]: timeless(row) for row in rows}


def pages(out: Path, *names: str) -> list[str]:
    """The pages that are there and whole, and the pictures."""
    whole = [name for name in names if (out / name).read_text(encoding="utf-8").rstrip().endswith("</html>")]
    pictures = [path.name for path in sorted(out.glob("*.png")) if path.read_bytes().endswith(b"IEND\xaeB`\x82")]
    return whole + pictures


def timeless(value: Any) -> Any:
    """A value without what a clock or the machine said."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMED}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def unreadable(out: Path) -> list[str]:
    """After a kill: the files of the folder that cannot be read. What is hidden is half written and nobody reads it."""
    wrong = []
    for path in sorted(out.rglob("*")):
        hidden = any(part.startswith(HIDDEN) or part.endswith(".partial") for part in path.relative_to(out).parts)
        if hidden or not path.is_file():
            continue
        try:
            _read(path)
        except Exception as error:  # whatever a reader says, the file is not what it should be
            wrong.append(f"{path.relative_to(out)}: {type(error).__name__}: {error}")
    return wrong


def _read(path: Path) -> None:
    if path.suffix == ".jsonl":
        read_jsonl(path)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.read_table(path)
    elif path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                file.get_slice(name).get_shape()
    elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("the page is cut")
    elif path.suffix == ".png" and not path.read_bytes().endswith(b"IEND\xaeB`\x82"):
        raise ValueError("the picture is cut")


def leftovers(out: Path) -> list[str]:
    """What a finished job must not leave: half files and half folders."""
    return [
        str(path.relative_to(out))
        for path in sorted(out.rglob("*"))
        if path.name.startswith(HIDDEN) or path.name.endswith(".partial")
    ]


def stage_of_run(out: Path) -> str:
    """How far a run has come, by what it has left in its folder."""
    if not (out / "config.toml").exists():
        return "before its folder"
    for name, stage in (("report.html", "at the end"), ("samples.html", "report"), ("summary.json", "pages"),
                        ("rejection.json", "measuring"), ("control.json", "rejection sampling"),
                        ("verifier/model.safetensors", "cloning"), ("model", "saving the models")):  # fmt: skip
        if (out / name).exists():
            return stage
    rounds = len(read_jsonl(out / "metrics.jsonl"))
    return "first measuring" if rounds == 0 else f"round {rounds}"


def stage_of_eval(out: Path) -> str:
    if not (out / "config.toml").exists():
        return "before its folder"
    if (out / "metrics.json").exists():
        return "pages"
    results = len(read_jsonl(out / "results.jsonl"))
    return f"result {results + 1}" if results or (out / "samples.jsonl").exists() else "loading"


def stage_of_label(out: Path) -> str:
    if not (out / "config.toml").exists():
        return "before its folder"
    if (out / "labels.parquet").exists():
        return "summary"
    return "labelling"

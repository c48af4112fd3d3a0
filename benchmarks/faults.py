"""Faults at random moments of short runs on a cluster; each must end as a run in one process that nobody disturbed.

    python -m benchmarks.faults [--minutes 15] [--stories 20] [--faults 12] [--seed 0] [--out FILE.json]

A story is one run on a Ray cluster of two raylets on this host, with two engines and a grader. While it trains, faults
strike at random: SIGKILL of an engine, of the grader, of the second raylet (another one joins afterwards) or of the
driver (which goes on with --resume), and SIGSTOP of an engine, for a moment or for good. In the end every sample must
be there once and the weights must be equal to the bit. A run that makes no progress for `HANGS` seconds is a fault
found. Half of the stories sample two updates ahead of learning.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from ponder.distributed.world import prepare

HANGS = 300.0
STALL = 3.0  # cluster.stall_seconds of the runs: how long a silent engine is waited for
UPDATES = 24  # of a run
KINDS = {"engine": 5, "pause": 4, "stop": 2, "grader": 2, "raylet": 1, "driver": 1}  # how often, relatively
SETTINGS = [
    "rounds=6",
    "updates=4",
    "threads=1",
    "problems=['arithmetic?terms=2','countdown?numbers=2']",
    "sampling.problems=8",
    "sampling.group_size=4",
    "sampling.max_tokens=64",
    "verifier.enabled=false",
    "control.enabled=false",
    "control.rejection=false",
    "keep_policies=false",
    "evaluation.problems=4",
    "evaluation.ladder=2",
    "evaluation.pool_problems=4",
    "evaluation.pool_samples=3",
    "evaluation.beam_problems=1",
    "evaluation.unsolved_problems=2",
    "evaluation.unsolved_tries=2",
    "evaluation.budgets=[64, 128]",
    "cluster.engines=2",
    "cluster.graders=1",
    f"cluster.stall_seconds={STALL}",
    "cluster.start_seconds=300",
    "cluster.restarts=100",
]


@dataclass
class Report:
    """What was done and what was found."""

    struck: Counter[str] = field(default_factory=Counter)
    stories: int = 0
    faults: list[str] = field(default_factory=list)
    noticed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds to the log's line
    extra: list[float] = field(default_factory=list)  # seconds a story took beyond an undisturbed one, for each strike


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0, help="begin no story after so many")
    parser.add_argument("--stories", type=int, default=20)
    parser.add_argument("--faults", type=int, default=12, help="faults a story")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calm", type=int, default=1, help="0: no undisturbed runs on the cluster, so no time lost")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    prepare("local")
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", MPLBACKEND="Agg")
    place = Path(tempfile.mkdtemp(prefix="ponder-faults-"))
    report, started = Report(), time.monotonic()
    try:
        _campaign(asked, place, report, started)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    _print(report, time.monotonic() - started, asked.out)
    return 1 if report.faults else 0


def _campaign(asked: argparse.Namespace, place: Path, report: Report, started: float) -> None:
    from tests.selfplay.small import model_folder

    settings = [*SETTINGS, f"model={json.dumps(str(model_folder(place / 'model')))}"]
    runs = Runs()
    truth = {k: _alone(runs, place / f"alone-{k}", [*settings, f"staleness.updates={k}"]) for k in (0, 2)}
    print(f"undisturbed, in one process: {', '.join(f'{seconds:.1f} s' for _, seconds in truth.values())}", flush=True)
    nodes = Nodes()
    calm: dict[int, float] = {}
    try:
        for number in range(-2 if asked.calm else 0, asked.stories):
            if number >= 0 and time.monotonic() - started > 60 * asked.minutes:
                break
            k = 2 * (number % 2)
            r = random.Random(f"{asked.seed}/{number}")
            out = place / f"story-{number}"
            story = Story(out, [*settings, f"staleness.updates={k}"], runs, nodes, r, report)
            seconds = story.run(asked.faults if number >= 0 else 0)
            wrong = story.wrong or _differences(out, truth[k][0])
            report.faults += [f"story {number} (--seed {asked.seed}): {text}" for text in wrong]
            if number < 0:  # nobody disturbed it: how long it takes on the cluster
                calm[k] = seconds
            else:
                report.stories += 1
                report.extra += [(seconds - calm[k]) / max(1, story.strikes)] if k in calm else []
            said = "; ".join(wrong) or "equal"
            print(f"story {number}: staleness {k}, {story.strikes} faults, {seconds:.0f} s: {said}", flush=True)
            shutil.rmtree(out, ignore_errors=True)
    finally:
        nodes.close()


class Nodes:
    """A head and a second raylet, which may be killed and replaced."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._room: dict[str, Any] = {"object_store_memory": 100 << 20, "include_dashboard": False}
        self.cluster = _persistent(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **self._room}))
        self.second = self._joined()

    def _joined(self) -> Any:
        return _persistent(lambda: self.cluster.add_node(num_cpus=1, **self._room))

    def processes(self, kind: str) -> list[psutil.Process]:
        """Actors of this kind, below either raylet."""
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                if kind in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_second(self) -> None:
        os.kill(self.second.all_processes["raylet"][0].process.pid, signal.SIGKILL)

    def replace_second(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)
        self.second = self._joined()

    def close(self) -> None:
        self.cluster.shutdown()


def _persistent(start: Callable[[], Any]) -> Any:
    """Ray gives a raylet 30 s to come up, whatever the machine is doing besides."""
    for _ in range(5):
        try:
            return start()
        except Exception as error:
            last = error
    raise last


class Story:
    """One run under fire."""

    def __init__(
        self, out: Path, settings: list[str], runs: Runs, nodes: Nodes, r: random.Random, report: Report
    ) -> None:
        self.out, self.settings, self.runs, self.nodes, self.r, self.report = out, settings, runs, nodes, r, report
        self.wrong: list[str] = []
        self.strikes = 0
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._struck: list[tuple[float, str]] = []

    def run(self, faults: int) -> float:
        """Play it to its end; returns how long that took."""
        started = time.time()
        # At which update each fault strikes, and how long after its beginning.
        plan = sorted((self.r.randrange(UPDATES), self.r.random(), self._kind()) for _ in range(faults))
        resume = False
        try:
            while self._watch(self.runs.start(self.out, self.settings, self.nodes.cluster.address, resume), plan):
                resume = (self.out / "config.toml").exists()
                if not resume:
                    shutil.rmtree(self.out, ignore_errors=True)
        finally:
            for _, action in self._later:
                action()
            self._later.clear()
        self._notice()
        return time.time() - started

    def _kind(self) -> str:
        return self.r.choices(list(KINDS), list(KINDS.values()))[0]

    def _watch(self, child: int, plan: list[tuple[int, float, str]]) -> bool:
        """Strike as planned until the run ends; True if it was the run itself that was killed."""
        last, update, since = time.time(), -1, time.time()
        while True:
            for line in self.runs.news(0.05):
                last = time.time()
                if line.startswith("e"):
                    self.wrong += [] if line == "e0" else [f"the run ended with {line[1:]}"]
                    return False
                if line.startswith("u") and int(line[1:]) != update:
                    update, since = int(line[1:]), last
            now = time.time()
            for due in [later for later in self._later if later[0] <= now]:
                self._later.remove(due)
                due[1]()
            if now - last > HANGS:
                os.kill(child, signal.SIGKILL)
                self.runs.ended()
                self.wrong.append(f"no progress for {HANGS:g} s after update {update}; struck: {self._struck[-3:]}")
                return False
            while plan and update >= 0 and (plan[0][0], since + plan[0][1]) <= (update, now):
                _, _, kind = plan.pop(0)
                if self._strike(kind, child, now):
                    self.runs.ended()
                    return True

    def _strike(self, kind: str, child: int, now: float) -> bool:
        """One fault; True if the run itself was killed."""
        engines = self.nodes.processes("EngineWorker")
        graders = self.nodes.processes("GraderWorker")
        if (kind in ("engine", "pause", "stop") and not engines) or (kind == "grader" and not graders):
            kind = "driver" if not engines else "engine"
        victim = self.r.choice(graders if kind == "grader" else engines) if kind not in ("driver", "raylet") else None
        if kind == "driver":
            os.kill(child, signal.SIGKILL)
        elif kind == "raylet":
            self.nodes.kill_second()
            self._later.append((now + 2.0, self.nodes.replace_second))
        elif victim is not None:
            hit = signal.SIGSTOP if kind in ("pause", "stop") else signal.SIGKILL
            _signal(victim, hit)
            if kind == "pause":
                self._later.append((now + self.r.uniform(0.1, STALL / 2), lambda: _signal(victim, signal.SIGCONT)))
        self.strikes += 1
        self.report.struck[kind] += 1
        self._struck.append((now, kind))
        return kind == "driver"

    def _notice(self) -> None:
        """How long after a strike the log named what was lost."""
        from ponder.runlog import read_events

        lost = [event["time"] for event in read_events(self.out) if str(event["kind"]).endswith("_lost")]
        for struck, kind in self._struck:
            after = [moment - struck for moment in lost if moment >= struck]
            if kind in ("engine", "stop", "grader", "raylet") and after:
                self.report.noticed[kind].append(min(after))


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


class Runs:
    """A process that has imported everything and starts each run by a fork, so that a run costs what it computes.

    It is made before Ray is started: what has threads must not be forked.
    """

    def __init__(self) -> None:
        orders, self._order = os.pipe()
        self.said, say = os.pipe()
        if os.fork() == 0:
            os.close(self._order)
            try:
                _serve(orders, say)
            finally:
                os._exit(0)
        os.close(orders)
        os.close(say)
        self._rest = b""

    def start(self, out: Path, settings: Sequence[str], cluster: str, resume: bool) -> int:
        """Begin a run; its process id."""
        order = {"out": str(out), "settings": list(settings), "cluster": cluster, "resume": resume}
        os.write(self._order, json.dumps(order).encode() + b"\n")
        return next(int(line[1:]) for line in self._lines() if line.startswith("p"))

    def news(self, seconds: float) -> list[str]:
        """Lines since the last call: u and a number of updates, e and an exit code."""
        ready, _, _ = select.select([self.said], [], [], seconds)
        if not ready:
            return []
        *lines, self._rest = (self._rest + os.read(self.said, 65536)).split(b"\n")
        return [line.decode() for line in lines]

    def ended(self) -> int:
        """Wait for the end of the run; its exit code."""
        return next(int(line[1:]) for line in self._lines() if line.startswith("e"))

    def _lines(self) -> Iterator[str]:
        while True:
            yield from self.news(1.0)


def _serve(orders: int, say: int) -> None:
    """Fork a run for each line of orders."""
    import ponder.api.train
    import ponder.distributed.pool
    import ponder.reports.plot_style  # noqa: F401

    with os.fdopen(orders) as lines:
        for line in lines:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    _train(say=say, **json.loads(line))
                    code = 0
                except BaseException as error:
                    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                finally:
                    os._exit(code)
            os.write(say, f"p{child}\n".encode())
            os.write(say, f"e{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())


def _train(out: str, settings: list[str], cluster: str, resume: bool, say: int) -> None:
    from ponder.api.train import train

    def heard(stage: str, done: int, _total: int, _note: str) -> None:
        os.write(say, f"u{done if stage == 'training' else UPDATES}\n".encode())

    train(out=Path(out), settings=() if resume else settings, resume=resume, tell=heard, cluster=cluster)


def _alone(runs: Runs, out: Path, settings: list[str]) -> tuple[dict[str, Any], float]:
    started = time.time()
    runs.start(out, settings, "", False)
    if code := runs.ended():
        raise SystemExit(f"undisturbed it ends with {code}")
    return _contents(out), time.time() - started


def _contents(out: Path) -> dict[str, Any]:
    """What must be equal: every sample in its order, the weights, and what each round measured."""
    from ponder.rollout import store
    from ponder.runlog import read_metrics

    weights = (out / "model" / "model.safetensors").read_bytes()
    rows = [row for file in sorted((out / "trajectories").glob("*.parquet")) for row in store.read(file)]
    rounds = [(row["round"], row["validation"]) for row in read_metrics(out)]
    return {"weights": weights, "samples": rows, "rounds": rounds}


def _differences(out: Path, truth: dict[str, Any]) -> list[str]:
    try:
        found = _contents(out)
    except Exception as error:
        return [f"the run folder cannot be read: {error}"]
    wrong = [f"{name} differ" for name in truth if found[name] != truth[name]]
    if "samples differ" in wrong:
        wrong.append(f"{len(found['samples'])} samples instead of {len(truth['samples'])}")
    return wrong


def _print(report: Report, seconds: float, out: Path | None) -> None:
    total = sum(report.struck.values())
    print(f"\n{total} faults in {report.stories} runs, {seconds:.0f} s: {len(report.faults)} faults found")
    for text in report.faults:
        print(f"  {text}")
    print("| struck | times | named in the log after (median, most) |\n|---|---|---|")
    for kind, count in sorted(report.struck.items()):
        found = report.noticed.get(kind, [])
        print(f"| {kind} | {count} | {f'{median(found):.2f} s, {max(found):.2f} s' if found else '-'} |")
    if report.extra:
        print(f"time lost a fault: median over runs {median(report.extra):.1f} s, most {max(report.extra):.1f} s")
    if out is not None:
        figures = {
            "struck": dict(report.struck),
            "stories": report.stories,
            "faults": report.faults,
            "noticed": {kind: sorted(found) for kind, found in report.noticed.items()},
            "lost_seconds": report.extra,
            "seconds": seconds,
        }
        out.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

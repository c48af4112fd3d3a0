"""Kill jobs at random moments, let them go on, and compare with a job that nobody disturbed, bit by bit.

    python -m benchmarks.kills [--jobs run,eval,label] [--stories 10] [--kills 3] [--seed 0] [--at operations]

A story is one folder: the command is started, killed (SIGKILL), started again with --resume and killed again, up to
`--kills` times, and then left alone until it ends. Half of the kills come at a moment of processor time drawn evenly
over the job, so a slow machine changes nothing; the other half inside a chosen operation on the folder: before a file
is opened for writing, renamed, removed or flushed, or in the middle of a write, of which a part reaches the file. After
each kill every file that is not half written by its name must be readable; in the end weights, samples, metrics and
pages must be those of the undisturbed job, no row twice and none missing, and nothing half written left over.

Each job is forked off a process that has imported everything, so a story costs what the job itself costs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kill_jobs import Job, jobs, leftovers, unreadable

CLOCK = 1200.0  # a job that hangs is ended and reported, whatever the machine
TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link"}


@dataclass(frozen=True)
class Kill:
    """When a process dies: after `seconds` of processor time, or in its `operation`-th operation (from 1)."""

    seconds: float | None = None
    operation: int | None = None
    share: float = 0.0


@dataclass
class Ended:
    """What became of a process: exit code (-9: killed), processor seconds, operations counted, where it died."""

    code: int
    seconds: float
    operations: int
    where: str
    said: str


@dataclass
class Report:
    """Kills by job and stage, and what was found."""

    kills: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    stories: int = 0
    faults: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default="run,eval,label")
    parser.add_argument("--stories", type=int, default=10, help="stories a job")
    parser.add_argument("--kills", type=int, default=3, help="most kills a story")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", choices=["both", "moments", "operations"], default="both", help="when to kill")
    parser.add_argument("--place", type=Path, help="work in this folder and leave it; a temporary one unless given")
    asked = parser.parse_args(arguments)
    _import_all()
    report = Report()
    place = asked.place or Path(tempfile.mkdtemp(prefix="ponder-kills-"))
    try:
        _in_child(lambda: _make_model(place / "model"))
        known = jobs(place / "model")
        for each in asked.jobs.split(","):
            _stories(known[each], place, asked, report)
    finally:
        if asked.place is None:
            shutil.rmtree(place, ignore_errors=True)
    _print(report)
    return 1 if report.faults else 0


def _import_all() -> None:
    """Everything a job imports, once. Nothing is computed here: a fork must not inherit threads."""
    os.environ.update(OMP_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false", MPLBACKEND="Agg")
    import ponder.api.evaluating.evaluate
    import ponder.api.labelling
    import ponder.api.training.run
    import ponder.cli
    import ponder.reports.plot_style  # noqa: F401


def _make_model(folder: Path) -> None:
    from tests.selfplay.small import model_folder

    model_folder(folder)


def _in_child(work: Callable[[], None]) -> None:
    """Run `work` in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise SystemExit("the model for the jobs could not be made")


def _stories(job: Job, place: Path, asked: argparse.Namespace, report: Report) -> None:
    whole = place / job.name / "whole"
    calm = start(job, whole, Kill(), resume=False)
    if calm.code != 0:
        report.faults.append(f"{job.name}: undisturbed it ends with {calm.code}: {calm.said}")
        return
    truth = job.contents(whole)
    print(f"{job.name}: undisturbed {calm.seconds:.1f} s of processor time, {calm.operations} operations", flush=True)
    for number in range(asked.stories):
        r = random.Random(f"{asked.seed}/{job.name}/{number}")
        out = place / job.name / f"story {number}"
        kills = [_drawn(r, calm, asked.at) for _ in range(r.randint(1, asked.kills))]
        wrong = _story(job, out, truth, kills, report)
        report.stories += 1
        report.faults += [f"{job.name}, story {number} (--seed {asked.seed}): {text}" for text in wrong]
        print(f"{job.name}: story {number}: {'; '.join(wrong) or 'equal'}", flush=True)


def _drawn(r: random.Random, calm: Ended, at: str) -> Kill:
    if at == "moments" or (at == "both" and r.random() < 0.5):
        return Kill(seconds=r.uniform(0.0, calm.seconds))
    return Kill(operation=r.randint(1, calm.operations), share=r.random())


def _story(job: Job, out: Path, truth: dict[str, Any], kills: list[Kill], report: Report) -> list[str]:
    """Kill, go on, compare; returns what is wrong. A kill that a shorter rest of the job never reaches is no kill."""
    wrong: list[str] = []
    told: list[str] = []
    for kill in (*kills, Kill()):
        ended = start(job, out, kill, resume=(out / "config.toml").exists())
        if ended.code == 0:
            break
        if ended.code != -signal.SIGKILL:
            return [*wrong, f"after {told or 'no kill'} it ends with {ended.code}: {ended.said}"]
        stage = job.stage(out)
        told.append(f"a kill in {stage} ({ended.where})")
        report.kills[f"{job.name}: {stage}"] += 1
        report.operations[ended.where.split(" ")[0]] += 1
        wrong += [f"unreadable after {told[-1]}: {text}" for text in unreadable(out)]
    try:
        found = job.contents(out)
    except Exception as error:  # whatever is wrong with the folder is what this program looks for
        return [*wrong, f"after {told}: {type(error).__name__}: {error}"]
    wrong += [f"after {told}: {name} differs: {first(found.get(name), truth[name])}"
              for name in truth if found.get(name) != truth[name]]  # fmt: skip
    wrong += [f"after {told}: {name} is left over" for name in leftovers(out)]
    return wrong


def first(mine: Any, theirs: Any, at: str = "") -> str:
    """Where two values differ first."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted(mine.keys() | theirs.keys(), key=str):
            if mine.get(key) != theirs.get(key):
                return first(mine.get(key), theirs.get(key), f"{at}.{key}")
    if isinstance(mine, list) and isinstance(theirs, list):
        for place, pair in enumerate(zip(mine, theirs, strict=False)):
            if pair[0] != pair[1]:
                return first(*pair, f"{at}[{place}]")
        return f"{at or 'it'} has {len(mine)} rows and not {len(theirs)}"
    return f"{at or 'it'} is {str(mine)[:80]} and not {str(theirs)[:80]}"


def start(job: Job, out: Path, kill: Kill, *, resume: bool) -> Ended:
    """Run the job in a fork until it ends or dies."""
    out.parent.mkdir(parents=True, exist_ok=True)
    note, log = out.with_suffix(".note"), out.with_suffix(".log")
    arguments = [*job.arguments, "--out", str(out), *(["--resume"] if resume else [])]
    child = os.fork()
    if child == 0:
        _be_the_job(arguments, out, kill, note, log)
    deadline = time.monotonic() + CLOCK
    clock = (~child << 3) | 2  # the kernel's name for the processor time of a process (CPUCLOCK_SCHED)
    while True:
        spent = time.clock_gettime(clock) if _alive(child) else 0.0
        if (kill.seconds is not None and spent >= kill.seconds) or time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.002)
    text = note.read_text(encoding="utf-8") if note.exists() else ""
    told = json.loads(text) if text else {"operations": 0, "where": "between operations"}
    said = " ".join(log.read_text(encoding="utf-8", errors="replace").split()[-60:])
    return Ended(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, **told, said=said)


def _alive(child: int) -> bool:
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _be_the_job(arguments: Sequence[str], out: Path, kill: Kill, note: Path, log: Path) -> None:
    """The forked process: never returns."""
    code = 1
    try:
        note.unlink(missing_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        watch = Watch(out, kill, note)
        from ponder.cli import main as ponder

        sys.argv = ["ponder", *arguments]
        try:
            ponder()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        watch.tell("the end")
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


class Watch:
    """Counts the operations of this process on a folder, and dies in the chosen one."""

    def __init__(self, folder: Path, kill: Kill, note: Path) -> None:
        self.folder, self.kill, self.note = str(folder), kill, note
        self.count = 0
        self.asleep = False
        self._write, self._fsync = os.write, os.fsync
        os.write = self.write
        os.fsync = self.fsync  # type: ignore[assignment]
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit event of Python; it comes before the operation does."""
        if event not in TOUCHES or self.asleep:
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        paths = [os.fsdecode(each) for each in arguments[:2] if isinstance(each, str | bytes | os.PathLike)]
        if any(path.startswith(self.folder) for path in paths):
            self.step(event, paths[-1])

    def write(self, descriptor: int, data: Any) -> int:
        path = self._path(descriptor)
        if path.startswith(self.folder):
            self.step("write", path, lambda: self._write(descriptor, bytes(data)[: int(self.kill.share * len(data))]))
        return self._write(descriptor, data)

    def fsync(self, descriptor: Any) -> None:
        path = self._path(descriptor)
        if path.startswith(self.folder):
            self.step("flush", path)
        self._fsync(descriptor)

    def step(self, event: str, path: str, last: Callable[[], object] = lambda: None) -> None:
        """One operation; if it is the chosen one, its beginning (`last`) is done and the process is gone."""
        self.count += 1
        if self.count == self.kill.operation:
            last()
            self.tell(f"{event} {path[len(self.folder) + 1 :] or 'its folder'}")
            os.kill(os.getpid(), signal.SIGKILL)

    def tell(self, where: str) -> None:
        self.asleep = True
        self.note.write_text(json.dumps({"operations": self.count, "where": where}), encoding="utf-8")

    @staticmethod
    def _path(descriptor: Any) -> str:
        try:
            number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
            return str(Path(f"/proc/self/fd/{number}").readlink())
        except OSError:
            return ""


def _print(report: Report) -> None:
    total = sum(report.kills.values())
    print(f"\n{total} kills in {report.stories} stories, {len(report.faults)} faults\n\n| stage | kills |\n|---|---|")
    for stage, count in sorted(report.kills.items()):
        print(f"| {stage} | {count} |")
    print("\n| in | kills |\n|---|---|")
    for name, count in sorted(report.operations.items()):
        print(f"| {name} | {count} |")
    for fault in report.faults:
        print(f"- {fault}")


if __name__ == "__main__":
    raise SystemExit(main())

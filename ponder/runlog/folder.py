"""`RunLog`: open a run folder, write to it durably, read it back, continue it after a kill."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import tomli_w

from ponder.printable import json_line
from ponder.runlog import lock
from ponder.runlog.files import HIDDEN, append_line, explained, mend, read_jsonl, write_json, write_text
from ponder.types import PonderError

CONFIG, METRICS, EVENTS = "config.toml", "metrics.jsonl", "events.jsonl"
PLANNED = "planned"
_HASH_LINE = re.compile(r'^# config_hash = "([0-9a-f]+)"$', re.MULTILINE)
_MOST_NAMED = 6


class RunLog:
    """A run folder that this process writes to; a context manager. Make one with `RunLog.open`.

    Rows that belong to a round carry `round=...`; that is what `truncate_after` goes by.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], held: lock.FolderLock) -> None:
        self.path = path
        self.config = config
        self.config_hash = config_hash(config)
        self._lock = held

    @classmethod
    def open(
        cls,
        path: Path | str,
        config: Mapping[str, Any],
        *,
        resume: bool = False,
        free: tuple[str, ...] = (),
        planned: Mapping[str, object] | None = None,
    ) -> RunLog:
        """Open `path` for the run that `config` (resolved, every default written out) describes.

        A folder that has content needs `resume`, and then the same configuration, but for the tables named in `free`,
        which change nothing that is computed. `planned` is the first event of a new folder: it is there as soon as the
        folder can be continued, since whoever continues it does not know any more what was planned. Raises PonderError
        if the folder is in use, is not a run folder, holds another configuration or cannot be written.
        """
        path, config = Path(path), _without_none(config)
        with explained(path):
            if path.exists() and not path.is_dir():
                raise PonderError(f"{path} is a file; choose a folder (--out)")
            if not resume and _has_content(path):
                raise PonderError(f"{path} is not empty; continue it with --resume or choose another folder (--out)")
            path.mkdir(parents=True, exist_ok=True)
        held = lock.FolderLock(path)
        try:
            if _has_content(path):
                _check_same(path, config, free)
                for name in (METRICS, EVENTS):
                    mend(path / name)
                _sweep(path)
            else:
                if planned is not None:
                    line = json_line({"kind": PLANNED, "time": time.time(), **planned})
                    write_text(path / EVENTS, line + "\n")
                _write_config(path, config)
        except BaseException:
            held.release()
            raise
        return cls(path, config, held)

    def metric(self, step: int, **fields: object) -> None:
        """Add one line to metrics.jsonl: the step, the time (seconds since 1970) and `fields`."""
        append_line(self.path / METRICS, {"step": step, "time": time.time(), **fields})

    def event(self, kind: str, **fields: object) -> None:
        """Add one line to events.jsonl: something that happened, as against something that was measured."""
        append_line(self.path / EVENTS, {"kind": kind, "time": time.time(), **fields})

    def write_json(self, name: str, value: object) -> None:
        """Write a JSON file into the folder in one durable step."""
        write_json(self.path / name, value)

    def metrics(self) -> list[dict[str, Any]]:
        """All lines of metrics.jsonl."""
        return read_metrics(self.path)

    def events(self) -> list[dict[str, Any]]:
        """All lines of events.jsonl."""
        return read_events(self.path)

    def truncate_after(self, round: int) -> None:
        """Drop every line of a round later than `round`: that round is done again and would be counted twice."""
        for name in (METRICS, EVENTS):
            rows = read_jsonl(self.path / name)
            kept = [row for row in rows if row.get("round") is None or row["round"] <= round]
            if len(kept) < len(rows):
                write_text(self.path / name, "".join(json_line(row) + "\n" for row in kept))

    def close(self) -> None:
        """Give the folder free for another process."""
        self._lock.release()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sweep(path: Path) -> None:
    """Make a run go on over what a kill or a damaged disk left: half folders go, a broken JSON file is set aside.

    What such a file held (a summary, the control arm) is measured again, because it is not there.
    """
    for place in (path, *(folder for folder in path.iterdir() if folder.is_dir() and not folder.is_symlink())):
        for left in place.glob(f"{HIDDEN}*"):
            shutil.rmtree(left, ignore_errors=True)
    for file in sorted(path.glob("*.json")):
        try:
            whole = isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
        except (ValueError, RecursionError):
            whole = False
        except OSError:  # it is reported where it is needed
            continue
        if not whole:
            aside = file.with_name(f"{file.name}.broken")
            with explained(file):
                file.replace(aside)
            append_line(
                path / EVENTS,
                {"kind": "damaged", "time": time.time(), "warning": f"{file} cannot be read; it is {aside.name} now"},
            )


def read_metrics(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a run folder's metrics.jsonl, without a torn last one."""
    return read_jsonl(Path(path) / METRICS)


def read_events(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a run folder's events.jsonl, without a torn last one."""
    return read_jsonl(Path(path) / EVENTS)


def read_config(path: Path | str) -> dict[str, Any]:
    """The configuration of a run folder. Raises PonderError if there is none or it was changed after the start."""
    file = Path(path) / CONFIG
    if not file.is_file():
        raise PonderError(f"{path} is not a run folder (it has no {CONFIG}); choose another folder (--out)")
    text = file.read_text(encoding="utf-8", errors="replace")
    found = _HASH_LINE.search(text)
    try:
        config = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PonderError(f"{file} is not valid TOML ({error}); restore it or start a new run (--out)") from error
    if found is None or found.group(1) != config_hash(config):
        raise PonderError(f"{file} was changed after the run began; restore it or start a new run (--out)")
    return config


def config_hash(config: Mapping[str, Any]) -> str:
    """Short name of a configuration: the same for the same values, whatever their order."""
    canonical = json.dumps(_without_none(config), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    # The hash is a comment, so that the file itself can be run again.
    write_text(path / CONFIG, f'# config_hash = "{config_hash(config)}"\n' + tomli_w.dumps(config))


def _check_same(path: Path, config: Mapping[str, Any], free: tuple[str, ...]) -> None:
    was, now = _flat(read_config(path)), _flat(config)
    differing = (key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
    names = sorted(key for key in differing if key.partition(".")[0] not in free)
    if names:
        parts = [f"{key} was {_shown(was, key)} and is now {_shown(now, key)}" for key in names[:_MOST_NAMED]]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        raise PonderError(
            f"{path} holds a run of another configuration: {'; '.join(parts)}{more}; "
            "resume with the settings of its config.toml or choose another folder (--out)"
        )


def _shown(flat: Mapping[str, Any], key: str) -> str:
    return repr(flat[key]) if key in flat else "not set"


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _without_none(value: Any) -> Any:
    """TOML cannot hold None, so an unset value is an absent one, here and in the file."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list | tuple) else value


def _has_content(path: Path) -> bool:
    """Whether anything but our own lock, left-over temporary files and a plan that never began lies in the folder."""
    if not path.is_dir():
        return False
    names = {p.name for p in path.iterdir() if p.name != lock.NAME and not p.name.endswith(".partial")}
    return bool(names) and not (names == {EVENTS} and _only_planned(path / EVENTS))


def _only_planned(file: Path) -> bool:
    """Whether a kill came after the first event of a folder and before its configuration: nothing was begun."""
    try:
        rows = read_jsonl(file)
    except (PonderError, OSError):
        return False
    return len(rows) == 1 and rows[0].get("kind") == PLANNED

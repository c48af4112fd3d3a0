"""Run the commands of a claim, one after the other, in a clone of the repository.

Which of them are done is kept in `claim.json` of the results' folder, so that the same call goes on where it stopped:
recipes keep what they finished themselves, and `ponder run` and `ponder eval` are told to resume.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import ponder
from ponder.claims.claim import Claim, Trial
from ponder.runlog.files import write_json
from ponder.types import PonderError

STATE = "claim.json"
RESUMED = ("run", "eval")  # the commands of ours that keep a folder and take --resume


def clone() -> Path:
    """The folder of the repository. Raises PonderError where Ponder was installed without one."""
    root = Path(ponder.__file__).parent.parent
    if not (root / "recipes").is_dir():
        raise PonderError(
            f"{root} holds no recipes: they are part of the repository and not of the package. Clone it, run "
            "`make setup` there, and use its .venv/bin/ponder"
        )
    return root


def trial(claim: Claim, *, full: bool) -> Trial:
    """The reduced or the full form. Raises PonderError where there is only one."""
    if full and claim.full is None:
        raise PonderError(f"claim {claim.name}: there is no larger form; leave --full out")
    return claim.full if full and claim.full is not None else claim.reduced


def arguments(command: str, out: Path) -> list[str]:
    """The words of a command: `ponder` and `python` are this interpreter's own, `{out}` is the results' folder."""
    words = [word.replace("{out}", str(out)) for word in shlex.split(command)]
    own = {"ponder": [sys.executable, "-m", "ponder"], "python": [sys.executable]}
    if words[0] not in own:
        raise PonderError(f"{command}: a command of a claim begins with ponder or python")
    return [*own[words[0]], *words[1:]]


def run(claim: Claim, out: Path, *, full: bool, tell: Callable[[str], None]) -> None:
    """Run what is not done yet. `tell` hears each command before it starts.

    Raises PonderError when a command fails (its own words stand above) or the folder belongs to another trial.
    """
    root, chosen = clone(), trial(claim, full=full)
    out = out.absolute()
    key: dict[str, object] = {"claim": claim.name, "commands": list(chosen.commands)}
    done = _done(out, key)
    for number, command in enumerate(chosen.commands):
        if number < done:
            continue
        words = _resuming(arguments(command, out), out)
        tell(command.replace("{out}", shlex.quote(str(out))))
        status = subprocess.run(words, cwd=root, env=_environment(root), check=False).returncode
        if status:
            raise PonderError(
                f"claim {claim.name}: command {number + 1} of {len(chosen.commands)} ended with status {status}; what "
                "it said stands above. The same call goes on from there"
            )
        write_json(out / STATE, {**key, "done": number + 1})


def _done(out: Path, key: dict[str, object]) -> int:
    """How many commands an earlier call finished."""
    path = out / STATE
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, {**key, "done": 0})
        return 0
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        same = {name: known[name] for name in key} == key
        done = int(known["done"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PonderError(f"{path} cannot be read ({error}); remove it to begin again, or give another --out") from None
    if not same:
        raise PonderError(f"{out} holds results of other commands; give another --out")
    return done


def _resuming(words: Sequence[str], out: Path) -> list[str]:
    """With --resume where a run or an evaluation of ours was begun."""
    for place, word in enumerate(words):
        if word == "--out" and words[1:2] == ["-m"] and words[3:4] and words[3] in RESUMED:
            folder = Path(words[place + 1])
            if folder != out and (folder / "config.toml").is_file() and "--resume" not in words:
                return [*words, "--resume"]
    return list(words)


def _environment(root: Path) -> dict[str, str]:
    """The environment of this process, with the clone where its interpreter looks for modules."""
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

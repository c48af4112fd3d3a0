"""Checkpoints that are whole or not there.

    checkpoints/000007-round-6/policy/      an ordinary transformers folder: weights, config, tokenizer
                               tensors/     one safetensors file for each named set (optimizer, verifier, ...)
                               state.json   everything else
                               manifest.json
    checkpoints/latest                      the name of the newest
    checkpoints/best                        the name of the one that was called the best, which is not removed

Saving writes into a hidden folder, puts it on the disk, writes the manifest last, renames, moves `best` and `latest`
and only then removes old ones: a kill at any point leaves the old checkpoint or the new one, never a mixture. Loading
verifies every hash and goes back to the newest whole one, saying so. Nothing is pickled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ponder.learning.checkpoints import manifest as manifests
from ponder.learning.checkpoints.manifest import Damaged, Manifest, fingerprint
from ponder.models.load import save as save_policy
from ponder.runlog.files import HIDDEN as _HIDDEN
from ponder.runlog.files import sync, sync_tree, write_text
from ponder.types import CheckpointRef, PonderError


@dataclass(frozen=True)
class Saved:
    """A whole checkpoint: `ref.path` is its folder, `policy` the model folder in it."""

    ref: CheckpointRef
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]

    @property
    def policy(self) -> Path:
        return Path(self.ref.path) / "policy"


@dataclass(frozen=True)
class Found:
    """The newest whole checkpoint (None: nothing was ever saved) and a warning for each newer one that is not."""

    saved: Saved | None
    warnings: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints of one run, the last `keep` of them and the best.

    One process writes; the run folder's lock sees to that.
    """

    def __init__(self, folder: str | Path, keep: int = 2) -> None:
        if keep < 1:
            raise PonderError(f"checkpoints: keep={keep}; at least 1 must stay")
        self.folder = Path(folder)
        self.keep = keep

    def save(
        self,
        round: int,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        tensors: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any],
        version: int = 0,
        flops: float = 0.0,
        weights: Mapping[str, Tensor] | None = None,
        best: bool = False,
    ) -> CheckpointRef:
        """Write one checkpoint; if the disk refuses, PonderError, and everything is as it was before.

        `weights` stand in the policy folder instead of the model's own (adapters merged into an ordinary model). The
        one that is called `best` stays besides the last ones until another is.
        """
        serial = max((_serial(path) for path in self._all()), default=0) + 1
        target = self.folder / f"{serial:06d}-round-{round}"
        hidden = self.folder / f"{_HIDDEN}{target.name}"
        try:
            self._sweep()
            (hidden / "tensors").mkdir(parents=True)
            save_policy(model, tokenizer, hidden / "policy", weights)
            for name, group in tensors.items():
                save_file({key: t.contiguous() for key, t in group.items()}, hidden / "tensors" / f"{name}.safetensors")
            (hidden / "state.json").write_text(json.dumps(state), encoding="utf-8")
            files = manifests.hash_files(hidden)
            sync_tree(hidden)
            manifests.write(hidden, Manifest(round, version, flops, fingerprint(model), files))
            sync(hidden)
            hidden.rename(target)
            sync(self.folder)
            if best:  # before `latest`: a run that goes on from the one before plays this round, and says so, again
                write_text(self.folder / "best", target.name)
            write_text(self.folder / "latest", target.name)
        except (OSError, SafetensorError, PonderError) as error:
            shutil.rmtree(hidden, ignore_errors=True)
            raise PonderError(f"checkpoint {target}: not saved ({error}); earlier checkpoints are untouched") from error
        self._prune()
        return CheckpointRef(str(target), version, round, flops)

    def load_latest(self, model: PreTrainedModel | None = None) -> Found:
        """The newest whole checkpoint; PonderError if none is whole, or it is for another model or a newer format."""
        warnings: list[str] = []
        for path in self._candidates():
            try:
                manifest = manifests.read(path)
                if model is not None and manifest.model != fingerprint(model):
                    raise PonderError(f"checkpoint {path}: it is for another model; resume with the model of this run")
                return Found(_open(path, manifest), tuple(warnings))
            except (Damaged, OSError, SafetensorError, ValueError) as error:
                warnings.append(f"checkpoint {path} is damaged and was passed over: {error}")
        if warnings:
            raise PonderError(f"no checkpoint in {self.folder} is whole; {warnings[0]}")
        return Found(None)

    def load_best(self) -> Saved | None:
        """The checkpoint that was called the best; None if there is none, or it is not whole any more."""
        path = self._best()
        try:
            return None if path is None else _open(path, manifests.read(path))
        except (Damaged, OSError, SafetensorError, ValueError):
            return None

    def _best(self) -> Path | None:
        try:
            named = (self.folder / "best").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return None
        return next((path for path in self._all() if path.name == named), None)

    def _all(self) -> list[Path]:
        """Finished checkpoints, oldest first."""
        return sorted((p for p in self.folder.glob("*-round-*") if p.name[0] != "."), key=_serial)

    def _candidates(self) -> list[Path]:
        """The one that `latest` names, then the others from new to old."""
        newest_first = self._all()[::-1]
        try:
            named = (self.folder / "latest").read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            named = ""
        return sorted(newest_first, key=lambda path: path.name != named)

    def _prune(self) -> None:
        """Hide, then delete: a kill in between leaves no half checkpoint. What cannot be deleted is left for later."""
        found, best = self._all(), self._best()
        for path in (path for path in found[: -self.keep] if path != best):
            try:
                path.rename(path.with_name(f"{_HIDDEN}{path.name}"))
            except OSError:
                continue
        self._sweep()

    def _sweep(self) -> None:
        """Remove what an interrupted save or removal left behind."""
        for path in self.folder.glob(f"{_HIDDEN}*-round-*"):
            shutil.rmtree(path, ignore_errors=True)


def _serial(path: Path) -> int:
    number = path.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def _open(path: Path, manifest: Manifest) -> Saved:
    ref = CheckpointRef(str(path), manifest.version, manifest.round, manifest.flops)
    tensors = {file.stem: load_file(file) for file in sorted((path / "tensors").glob("*.safetensors"))}
    return Saved(ref, tensors, json.loads((path / "state.json").read_text(encoding="utf-8")))

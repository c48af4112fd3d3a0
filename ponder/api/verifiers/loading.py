"""A verifier by name or folder, at work for a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import getdoc
from pathlib import Path

from ponder.api.policies import Policy, Source, source_of
from ponder.api.verifiers.judges import published_verifier, stored_verifier
from ponder.catalogue import Entry
from ponder.evaluation import self_check
from ponder.protocols import Judge
from ponder.types import PonderError, Question
from ponder.verifiers.learned import catalogue as kinds

MakesVerifier = Callable[[Source], Judge]
# Verifiers of one's own by name; `ponder.register_verifier` adds to it.
VERIFIERS: dict[str, MakesVerifier] = {}
Verifier = str | Path | Judge


def load_verifier(verifier: str | Path, policy: Policy | Source) -> Judge:
    """The verifier in a folder (`ponder verifier train`, or RUN/verifier), for this policy's tokens.

    Folders of published step verifiers are recognised (docs/models.md); KIND:FOLDER says which one it is. A name that
    was registered with `ponder.register_verifier` and `self-check` are allowed too. Raises PonderError if the folder
    holds no verifier, or one of another tokenizer or another way to cut steps.
    """
    name = str(verifier)
    if name == self_check.NAME:
        return self_check.SelfCheck()
    if name in VERIFIERS:
        return VERIFIERS[name](source_of(policy))
    readable = policy if isinstance(policy, Policy) else policy.readable()
    folder = Path(verifier)
    kind, colon, place = name.partition(":")
    if not folder.is_dir() and colon and Path(place).is_dir():
        return published_verifier(Path(place), kind, readable)
    if not folder.is_dir():
        others = ", ".join([self_check.NAME, *VERIFIERS])
        raise PonderError(
            f"{name} is no verifier folder: no such folder; give the folder of a trained verifier, or {others}"
        )
    return stored_verifier(folder, readable)


def verifier_of(verifier: Verifier | None, source: Source, questions: Sequence[Question]) -> Judge | None:
    """What `think` and `evaluate` were given as a verifier, at work; `self-check` must fit all `questions`."""
    if verifier is None:
        return None
    if not isinstance(verifier, str | Path):
        return verifier
    if str(verifier) == self_check.NAME:
        return self_check.self_check(questions)
    return load_verifier(verifier, source)


def verifier_name(verifier: Verifier | None) -> str | None:
    """How a verifier is called in files: its folder or name, or the class of an object."""
    if verifier is None or isinstance(verifier, str | Path):
        return None if verifier is None else str(verifier)
    return type(verifier).__name__


def catalogue() -> list[Entry]:
    """Every kind of verifier that can be trained, the check that needs none, and registered ones."""
    itself = Entry(self_check.NAME, "Checks an answer against its question alone, where that is possible: countdown.")
    own = [Entry(name, (getdoc(made) or "").partition("\n")[0]) for name, made in VERIFIERS.items()]
    return [*kinds.catalogue(), itself, *own]

"""Mathematics graded: responses in, verdicts out, with algebra in killable workers.

Most answers need no algebra and never leave the process. The others go to the pool one by one, so an answer that hits
a limit fails alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from ponder.types import Verdict
from ponder.verifiers.rules.mathematics.equivalence import settle
from ponder.verifiers.rules.mathematics.extraction import Extraction, extract
from ponder.verifiers.rules.mathematics.gold import Gold, GoldError, gold_answer
from ponder.verifiers.rules.mathematics.input_limits import RefusedError, check
from ponder.workers.pool import SECONDS, Pool, Result

SHOWN = 500  # characters of an extracted answer that a verdict shows
CHUNK = 256  # responses that are looked at together


class MathVerifier:
    """`grade` pairs of (gold answer, response); close it to end the workers."""

    def __init__(self, *, workers: int = 1, seconds: float = SECONDS) -> None:
        self._pool = Pool("ponder.verifiers.rules.mathematics.equivalence:judge", workers=workers, seconds=seconds)

    def close(self) -> None:
        self._pool.close()

    def grade(self, pairs: Iterable[tuple[str | None, str]]) -> Iterator[Verdict]:
        """A verdict for each pair, in order; `pairs` is read in chunks."""
        source = iter(pairs)
        while chunk := list(islice(source, CHUNK)):
            found = [(_gold(gold), extract(response)) for gold, response in chunk]
            settled = [_settled(gold, extraction) for gold, extraction in found]
            results = self._pool.map(
                [gold.answer, list(extraction.answers), extraction.listed]
                for (gold, extraction), verdict in zip(found, settled, strict=True)
                if verdict is None and isinstance(gold, Gold)
            )
            for (gold, extraction), verdict in zip(found, settled, strict=True):
                judged = _verdict(next(results), extraction) if verdict is None else verdict
                taken = gold.taken_from if isinstance(gold, Gold) else ""
                yield replace(judged, detail=f"{judged.detail}; gold answer from {taken}") if taken else judged


@lru_cache(maxsize=1024)
def _gold(text: str | None) -> Gold | str:
    """The gold answer, or why there is none."""
    if text is None:
        return "the problem has no gold answer"
    try:
        check(text)
        return gold_answer(text)
    except RefusedError as error:
        return f"gold answer: {error}"
    except GoldError as error:
        return str(error)


def _settled(gold: Gold | str, extraction: Extraction) -> Verdict | None:
    """The verdict where no algebra is needed, else None."""
    if isinstance(gold, str):
        return Verdict(failure="gold", extracted=_shown(extraction), detail=gold)
    try:
        right = settle(gold.answer, list(extraction.answers), extraction.listed)
    except GoldError as error:
        return Verdict(failure="gold", extracted=_shown(extraction), detail=str(error))
    return None if right is None else _outcome(right, extraction)


def _verdict(result: Result, extraction: Extraction) -> Verdict:
    """What a worker's result means."""
    if result.failure is not None:
        return Verdict(failure=result.failure, extracted=_shown(extraction), detail=result.detail)
    if "failure" in result.value:
        return Verdict(failure=result.value["failure"], extracted=_shown(extraction), detail=result.value["detail"])
    return _outcome(result.value["right"], extraction)


def _outcome(right: bool, extraction: Extraction) -> Verdict:
    return Verdict(outcome=float(right), extracted=_shown(extraction), detail=extraction.where)


def _shown(extraction: Extraction) -> str | None:
    text = extraction.listed or " or ".join(extraction.answers)
    return (text if len(text) <= SHOWN else text[:SHOWN] + "…") or None

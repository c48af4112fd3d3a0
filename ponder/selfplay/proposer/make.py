"""The problem source of a run, from its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown
from ponder.problems.files.corpus import Corpus
from ponder.protocols import Family, ProblemSource, Propose
from ponder.selfplay.proposer.forms.arithmetic import ArithmeticForm
from ponder.selfplay.proposer.forms.cipher import CipherForm
from ponder.selfplay.proposer.forms.corpus import CorpusForm
from ponder.selfplay.proposer.forms.countdown import CountdownForm
from ponder.selfplay.proposer.forms.form import Form
from ponder.selfplay.proposer.settings import FromProposer, SourceSettings
from ponder.selfplay.proposer.source import ProposerSource
from ponder.types import PonderError


def forms_of(families: Sequence[Family]) -> list[Form]:
    """The forms in which problems of these families can be proposed. PonderError for one that has none."""
    return [_form(family) for family in families]


def _form(family: Family) -> Form:
    if isinstance(family, Arithmetic):
        return ArithmeticForm(family, largest=max(99, family.largest))
    if isinstance(family, Countdown):
        return CountdownForm(family, largest=max(99, family.largest), most_target=max(999, family.target))
    if isinstance(family, Cipher):
        return CipherForm(family)
    if isinstance(family, Corpus):
        return CorpusForm(family)
    raise PonderError(
        f"source.kind=proposer: problems of {family.name} cannot be proposed, since there is no grammar and no solver "
        "for them; it takes arithmetic, countdown, cipher and corpus:PATH, or set source.kind=curriculum"
    )


def check_source(settings: SourceSettings, families: Sequence[Family]) -> None:
    """PonderError, before anything is loaded, if these families cannot be proposed."""
    if isinstance(settings, FromProposer):
        forms_of(families)


def source_of(
    settings: SourceSettings,
    families: Sequence[Family],
    policy: Propose,
    curriculum: ProblemSource,
    *,
    seed: int,
    other: Callable[[str], Propose],
) -> ProblemSource:
    """`curriculum` as it is, or a proposer beside it. `other` loads the model that the settings name as proposer."""
    if not isinstance(settings, FromProposer):
        return curriculum
    learns = not settings.model
    propose = policy if learns else other(settings.model)
    return ProposerSource(settings, forms_of(families), propose, curriculum, seed=seed, learns=learns)

"""All kinds by their published ids, with what each parameter may be. A new kind is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ponder.verifiers.rules.constraints import keywords, layout, length, whole
from ponder.verifiers.rules.constraints.language import LANGUAGES, is_language


class ConstraintError(ValueError):
    """A constraint that cannot be checked: unknown, or with parameters that mean nothing. The message says which."""


@dataclass(frozen=True)
class Kind:
    """`holds(text, **parameters)`; each parameter is described by one of the words of `_ALLOWED`."""

    holds: Callable[..., bool]
    parameters: Mapping[str, str] = field(default_factory=dict)


def _language(text: str, *, language: str) -> bool:
    return is_language(text, language)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**6


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


_ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "count": ("a whole number of 0 or more", _is_count),
    "relation": ('"at least" or "less than"', lambda value: value in ("at least", "less than")),
    "text": ("a text that is not empty", _is_text),
    "texts": ("a list of texts", lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value))),
    "letter": ("one character", lambda value: _is_text(value) and len(value.strip()) == 1),
    "language": (f"one of {', '.join(sorted(LANGUAGES))}", lambda v: isinstance(v, str) and v in LANGUAGES),
}
KINDS: dict[str, Kind] = {
    "keywords:existence": Kind(keywords.existence, {"keywords": "texts"}),
    "keywords:frequency": Kind(keywords.frequency, {"keyword": "text", "relation": "relation", "frequency": "count"}),
    "keywords:forbidden_words": Kind(keywords.forbidden, {"forbidden_words": "texts"}),
    "keywords:letter_frequency": Kind(
        keywords.letter_frequency, {"letter": "letter", "let_relation": "relation", "let_frequency": "count"}
    ),
    "language:response_language": Kind(_language, {"language": "language"}),
    "length_constraints:number_words": Kind(length.number_words, {"relation": "relation", "num_words": "count"}),
    "length_constraints:number_sentences": Kind(
        length.number_sentences, {"relation": "relation", "num_sentences": "count"}
    ),
    "length_constraints:number_paragraphs": Kind(length.number_paragraphs, {"num_paragraphs": "count"}),
    "length_constraints:nth_paragraph_first_word": Kind(
        length.nth_paragraph_first_word,
        {"num_paragraphs": "count", "nth_paragraph": "count", "first_word": "text"},
    ),
    "detectable_content:number_placeholders": Kind(layout.placeholders, {"num_placeholders": "count"}),
    "detectable_content:postscript": Kind(layout.postscript, {"postscript_marker": "text"}),
    "detectable_format:number_bullet_lists": Kind(layout.bullets, {"num_bullets": "count"}),
    "detectable_format:number_highlighted_sections": Kind(layout.highlights, {"num_highlights": "count"}),
    "detectable_format:multiple_sections": Kind(layout.sections, {"section_spliter": "text", "num_sections": "count"}),
    "detectable_format:title": Kind(layout.title),
    "detectable_format:json_format": Kind(layout.json_format),
    "detectable_format:constrained_response": Kind(layout.constrained_response),
    "combination:repeat_prompt": Kind(whole.repeat_prompt, {"prompt_to_repeat": "text"}),
    "combination:two_responses": Kind(whole.two_responses),
    "change_case:english_capital": Kind(whole.capital),
    "change_case:english_lowercase": Kind(whole.lowercase),
    "change_case:capital_word_frequency": Kind(
        whole.capital_words, {"capital_relation": "relation", "capital_frequency": "count"}
    ),
    "startend:end_checker": Kind(whole.end, {"end_phrase": "text"}),
    "startend:quotation": Kind(whole.quotation),
    "punctuation:no_comma": Kind(whole.no_comma),
}


def checked(constraint: Any) -> tuple[str, Kind, dict[str, Any]]:
    """Id, kind and parameters of `{"id", "kwargs"}`; parameters of null are left out. Raises ConstraintError."""
    if not isinstance(constraint, Mapping) or not isinstance(constraint.get("id"), str):
        raise ConstraintError(f'{str(constraint)[:60]!r} is not {{"id": KIND, "kwargs": {{...}}}}')
    name, given = constraint["id"], constraint.get("kwargs") or {}
    kind = KINDS.get(name)
    if kind is None:
        raise ConstraintError(f"unknown constraint {name!r}; allowed are {', '.join(sorted(KINDS))}")
    if not isinstance(given, Mapping):
        raise ConstraintError(f"{name}: kwargs is {type(given).__name__} instead of an object")
    parameters = {key: value for key, value in given.items() if value is not None}
    if parameters.keys() != kind.parameters.keys():
        wanted = ", ".join(kind.parameters) or "none"
        raise ConstraintError(f"{name}: parameters {', '.join(map(str, parameters)) or 'none'}; wanted are {wanted}")
    for key, what in kind.parameters.items():
        words, allows = _ALLOWED[what]
        if not allows(parameters[key]):
            raise ConstraintError(f"{name}: {key} is {str(parameters[key])[:40]!r}; it must be {words}")
    return name, kind, parameters

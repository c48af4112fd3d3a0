"""The 25 kinds of checkable instructions as things to ask for: parameters, wording, and what goes with what.

Ids and parameters are those of the published prompts (IFEval, Zhou et al. 2023, arXiv 2311.07911), so that one
verifier judges both. Kinds that lay out the whole response differently (`frame`), set its case, or its length exclude
each other; further pairs that would contradict each other stand in `_APART`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ponder.problems.constraints import text as stock

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """`draw` makes parameters, `wording` says them with {name} fields; at most one kind of a `slot` is asked for.

    A kind that is not `alone` is followed by silence ("no commas") or by repeating the request ("include the keyword
    copper"); it is asked for only beside one that is.
    """

    draw: Callable[[random.Random], Parameters]
    wording: str
    slot: str = ""
    alone: bool = True


def _counted(name: str, low: int, high: int, **fixed: Any) -> Callable[[random.Random], Parameters]:
    return lambda rng: {**fixed, name: rng.randint(low, high)}


def _plain(_: random.Random) -> Parameters:
    return {}


def _either(low: tuple[str, int, int], least: tuple[str, int, int], relation: str) -> Callable[..., Parameters]:
    """A bound from above or from below, each from its own range."""

    def draw(rng: random.Random) -> Parameters:
        below = rng.random() < 0.4
        name, smallest, largest = low if below else least
        return {relation: "less than" if below else "at least", name: rng.randint(smallest, largest)}

    return draw


def _frequency(rng: random.Random) -> Parameters:
    if rng.random() < 0.4:
        return {"keyword": rng.choice(stock.AVOIDED[:5]), "relation": "less than", "frequency": rng.randint(1, 3)}
    return {"keyword": rng.choice(stock.KEYWORDS[8:]), "relation": "at least", "frequency": rng.randint(2, 6)}


def _letters(rng: random.Random) -> Parameters:
    if rng.random() < 0.4:
        return {"letter": rng.choice("jqxz"), "let_relation": "less than", "let_frequency": rng.randint(1, 3)}
    return {"letter": rng.choice("bfgkmpvw"), "let_relation": "at least", "let_frequency": rng.randint(5, 25)}


def _nth_paragraph(rng: random.Random) -> Parameters:
    count = rng.randint(2, 5)
    return {
        "num_paragraphs": count,
        "nth_paragraph": rng.randint(1, count),
        "first_word": rng.choice(stock.FIRST_WORDS),
    }


ASKS: dict[str, Ask] = {
    "keywords:existence": Ask(
        lambda rng: {"keywords": sorted(rng.sample(stock.KEYWORDS[:8], rng.randint(1, 4)))},
        "Include the keywords {keywords} in your response.",
        alone=False,
    ),
    "keywords:frequency": Ask(_frequency, "The word {keyword} should appear {relation} {frequency} times."),
    "keywords:forbidden_words": Ask(
        lambda rng: {"forbidden_words": sorted(rng.sample(stock.AVOIDED[5:], rng.randint(1, 4)))},
        "Do not use the words {forbidden_words}.",
        alone=False,
    ),
    "keywords:letter_frequency": Ask(
        _letters, "The letter {letter} should appear {let_relation} {let_frequency} times.", alone=False
    ),
    "language:response_language": Ask(
        lambda rng: {"language": rng.choice(list(stock.LANGUAGES))}, "Write your entire response in {language}.", "case"
    ),
    "length_constraints:number_words": Ask(
        _either(("num_words", 150, 250), ("num_words", 30, 120), "relation"),
        "Answer with {relation} {num_words} words.",
        "size",
        alone=False,
    ),
    "length_constraints:number_sentences": Ask(
        _either(("num_sentences", 6, 9), ("num_sentences", 3, 12), "relation"),
        "Your response should contain {relation} {num_sentences} sentences.",
        "size",
        alone=False,
    ),
    "length_constraints:number_paragraphs": Ask(
        _counted("num_paragraphs", 2, 6),
        "Write exactly {num_paragraphs} paragraphs separated by lines of three asterisks.",
        "frame",
    ),
    "length_constraints:nth_paragraph_first_word": Ask(
        _nth_paragraph,
        "Write exactly {num_paragraphs} paragraphs with an empty line between them and nowhere else. "
        "Paragraph {nth_paragraph} must start with the word {first_word}.",
        "frame",
    ),
    "detectable_content:number_placeholders": Ask(
        _counted("num_placeholders", 1, 6),
        "Include at least {num_placeholders} placeholders in square brackets.",
    ),
    "detectable_content:postscript": Ask(
        lambda rng: {"postscript_marker": rng.choice(("P.S.", "P.P.S"))},
        "Put {postscript_marker} and a postscript at the end.",
        "end",
        alone=False,
    ),
    "detectable_format:number_bullet_lists": Ask(
        _counted("num_bullets", 2, 6), "Include exactly {num_bullets} markdown bullet points."
    ),
    "detectable_format:number_highlighted_sections": Ask(
        _counted("num_highlights", 1, 5),
        "Highlight at least {num_highlights} parts by putting single asterisks round each.",
    ),
    "detectable_format:multiple_sections": Ask(
        lambda rng: {"section_spliter": rng.choice(("SECTION", "PART", "DAY")), "num_sections": rng.randint(2, 5)},
        "Write {num_sections} sections and mark the beginning of each with {section_spliter} X.",
        "frame",
    ),
    "detectable_format:title": Ask(_plain, "Give it a title in double angular brackets."),
    "detectable_format:json_format": Ask(_plain, "Give your entire response as JSON.", "frame"),
    "detectable_format:constrained_response": Ask(
        _plain, "Answer with one of: My answer is yes. My answer is no. My answer is maybe.", "frame", alone=False
    ),
    "combination:repeat_prompt": Ask(
        _plain,
        "First repeat the request above word for word, then give your answer.",
        "frame",
        alone=False,
    ),
    "combination:two_responses": Ask(
        _plain, "Give exactly two different responses separated by six asterisks in a row.", "frame"
    ),
    "change_case:english_capital": Ask(_plain, "Write in English and in capital letters only.", "case", alone=False),
    "change_case:english_lowercase": Ask(
        _plain, "Write in English and in lowercase letters only.", "case", alone=False
    ),
    "change_case:capital_word_frequency": Ask(
        _either(("capital_frequency", 8, 12), ("capital_frequency", 2, 8), "capital_relation"),
        "Words in all capital letters should appear {capital_relation} {capital_frequency} times.",
        "case",
    ),
    "startend:end_checker": Ask(
        lambda rng: {"end_phrase": rng.choice(stock.ENDINGS)},
        "Finish with this exact phrase and nothing after it: {end_phrase}",
        "end",
        alone=False,
    ),
    "startend:quotation": Ask(_plain, "Wrap your entire response in double quotation marks."),
    "punctuation:no_comma": Ask(_plain, "Do not use any commas.", alone=False),
}
_LANGUAGE_GOES_WITH = {
    "length_constraints:number_paragraphs", "combination:two_responses", "detectable_format:number_bullet_lists",
    "detectable_format:number_highlighted_sections", "detectable_format:title", "startend:quotation",
    "detectable_content:number_placeholders", "punctuation:no_comma",
}  # fmt: skip
# A kind and those that it contradicts.
_APART: dict[str, set[str]] = {
    "language:response_language": ASKS.keys() - _LANGUAGE_GOES_WITH,
    "detectable_format:json_format": {
        "startend:quotation", "startend:end_checker", "detectable_format:number_bullet_lists",
    },
    "combination:repeat_prompt": {
        "startend:quotation", "keywords:forbidden_words", "keywords:frequency", "keywords:letter_frequency",
        "length_constraints:number_words", "length_constraints:number_sentences", "punctuation:no_comma",
        "change_case:english_capital", "change_case:english_lowercase", "change_case:capital_word_frequency",
    },
    "detectable_format:constrained_response": {"change_case:english_capital", "change_case:english_lowercase"},
    "detectable_format:multiple_sections": {"change_case:english_lowercase"},
}  # fmt: skip


def fits(name: str, chosen: Collection[str]) -> bool:
    """Whether a kind can be asked for together with those chosen so far."""
    slot = ASKS[name].slot
    return not any(
        (slot and slot == ASKS[other].slot) or other in _APART.get(name, ()) or name in _APART.get(other, ())
        for other in chosen
    )


def choose(rng: random.Random, count: int) -> list[str] | None:
    """`count` kinds that go together and that neither silence nor an echo follows; None if this draw found none."""
    names = list(ASKS)
    rng.shuffle(names)
    chosen: list[str] = []
    for name in names:
        if len(chosen) < count and fits(name, chosen):
            chosen.append(name)
    return chosen if len(chosen) == count and any(ASKS[name].alone for name in chosen) else None


def stands_alone(name: str, parameters: Parameters) -> bool:
    """Whether both silence and an echo of the request break this constraint."""
    return ASKS[name].alone and "less than" not in parameters.values()


def wording(name: str, parameters: Parameters) -> str:
    """The instruction in words."""
    said = {key: ", ".join(value) if isinstance(value, list) else value for key, value in parameters.items()}
    if "language" in said:
        said["language"] = stock.LANGUAGES[said["language"]][0]
    return ASKS[name].wording.format(**said)

"""A response that follows drawn constraints by construction: blocks of text, lines added to them, then the frame.

Nothing is tried out: each constraint adds what it needs in a place where it cannot spoil another, which the table of
what goes together has made sure of. It is no good prose, only a proof that the instructions can be followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

from ponder.problems.constraints import text as stock

Wanted = Mapping[str, Mapping[str, Any]]


def write(topic: str, wanted: Wanted) -> str:
    """The gold answer for `{id: parameters}`."""
    blocks = _blocks(topic, wanted)
    blocks[0] += _filling(blocks[0], wanted) + _inline(wanted) + _lines(wanted)
    blocks[-1] += _ending(wanted)
    text = _framed(blocks, wanted)
    if "change_case:english_capital" in wanted:
        text = text.upper()
    if "change_case:english_lowercase" in wanted:
        text = text.lower()
    return f'"{text}"' if "startend:quotation" in wanted else text


def _sentences(wanted: Wanted) -> tuple[str, ...]:
    language = wanted.get("language:response_language", {}).get("language")
    return stock.LANGUAGES[language][1:] if language else stock.SENTENCES


def _items(wanted: Wanted, count: int) -> list[str]:
    """Short phrases in the language of the response."""
    foreign = "language:response_language" in wanted
    items = [sentence.split()[0] for sentence in _sentences(wanted)] if foreign else list(stock.ITEMS)
    return list(islice(cycle(items), count))


def _blocks(topic: str, wanted: Wanted) -> list[str]:
    """One text for each paragraph, section or response that is due; the later ones end in no full stop."""
    count = 2 if "combination:two_responses" in wanted else 1
    for parameters in wanted.values():
        count = parameters.get("num_paragraphs", parameters.get("num_sections", count))
    sentences = _sentences(wanted)
    first = sentences[0] if "language:response_language" in wanted else f"This note is about {topic}."
    blocks = [first, *(sentence.rstrip(".।") for sentence in islice(cycle(sentences[1:]), count - 1))]
    nth = wanted.get("length_constraints:nth_paragraph_first_word")
    if nth:
        at = nth["nth_paragraph"] - 1
        blocks[at] = f"{nth['first_word'].capitalize()} {blocks[at]}"
    return blocks


def _filling(start: str, wanted: Wanted) -> str:
    """Whole sentences, as many as a lower bound on words or sentences asks for."""
    sentences = wanted.get("length_constraints:number_sentences", {})
    words = wanted.get("length_constraints:number_words", {})
    count = sentences["num_sentences"] if sentences.get("relation") == "at least" else 0
    due = words["num_words"] if words.get("relation") == "at least" else 0
    text = "".join(f" {sentence}" for sentence in islice(cycle(stock.SENTENCES), count))
    for sentence in cycle(stock.SENTENCES):
        if len(re.findall(r"\w+", start + text)) >= due:
            break
        text += f" {sentence}"
    return text


def _inline(wanted: Wanted) -> str:
    """Keywords, letters, capitals, placeholders and highlights, in the middle of the first text."""
    words = [str(word) for word in wanted.get("keywords:existence", {}).get("keywords", ())]
    frequency = wanted.get("keywords:frequency", {})
    if frequency.get("relation") == "at least":
        words += [frequency["keyword"]] * frequency["frequency"]
    letters = wanted.get("keywords:letter_frequency", {})
    if letters.get("let_relation") == "at least":
        words.append(letters["letter"] * letters["let_frequency"])
    capitals = wanted.get("change_case:capital_word_frequency", {})
    if capitals.get("capital_relation") == "at least":
        words += ["BIG"] * capitals["capital_frequency"]
    placeholders = wanted.get("detectable_content:number_placeholders", {}).get("num_placeholders", 0)
    highlights = wanted.get("detectable_format:number_highlighted_sections", {}).get("num_highlights", 0)
    words += [f"[{item}]" for item in _items(wanted, placeholders)]
    words += [f"*{item}*" for item in _items(wanted, highlights)]
    return "".join(f" {word}" for word in words)


def _lines(wanted: Wanted) -> str:
    """The title and the bullets, each on a line of its own."""
    bullets = wanted.get("detectable_format:number_bullet_lists", {}).get("num_bullets", 0)
    titles = [f"<<{_items(wanted, 1)[0]}>>"] if "detectable_format:title" in wanted else []
    return "".join(f"\n{line}" for line in [*titles, *(f"* {item}" for item in _items(wanted, bullets))])


def _ending(wanted: Wanted) -> str:
    if "detectable_content:postscript" in wanted:
        return f"\n{wanted['detectable_content:postscript']['postscript_marker']} thank you"
    return f"\n{wanted['startend:end_checker']['end_phrase']}" if "startend:end_checker" in wanted else ""


def _framed(blocks: list[str], wanted: Wanted) -> str:
    """The blocks put together as the frame says."""
    if "length_constraints:number_paragraphs" in wanted:
        return "\n***\n".join(blocks)
    if "length_constraints:nth_paragraph_first_word" in wanted:
        return "\n\n".join(blocks)
    if "combination:two_responses" in wanted:
        return "\n******\n".join(blocks)
    if "detectable_format:multiple_sections" in wanted:
        mark = wanted["detectable_format:multiple_sections"]["section_spliter"]
        return "\n".join(f"{mark} {number}\n{block}" for number, block in enumerate(blocks, start=1))
    text = "\n".join(blocks)
    if "detectable_format:json_format" in wanted:
        return json.dumps({"note": text.replace("\n", " ")})
    if "detectable_format:constrained_response" in wanted:
        return f"My answer is maybe. {text}"
    if "combination:repeat_prompt" in wanted:
        return f"{wanted['combination:repeat_prompt']['prompt_to_repeat']}\n{text}"
    return text

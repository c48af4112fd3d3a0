"""A gold answer with one of its constraints broken: what the verifier must refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def spoil(name: str, given: Mapping[str, Any], gold: str) -> str:
    """`gold` changed so that the constraint `name` no longer holds; others may break with it."""
    if "less than" in given.values():
        return gold + _too_much(name, given)
    if name in _ADDED:
        return gold + _ADDED[name]
    if name in _TAKEN:
        return re.sub(_TAKEN[name], "", gold)
    match name:
        case "keywords:existence":
            return re.sub(re.escape(given["keywords"][0]), "", gold, flags=re.IGNORECASE)
        case "keywords:frequency":
            return re.sub(re.escape(given["keyword"]), "", gold, count=0, flags=re.IGNORECASE)
        case "keywords:forbidden_words":
            return f"{gold} {given['forbidden_words'][-1].upper()}"
        case "keywords:letter_frequency":
            return re.sub(re.escape(given["letter"]), "", gold, flags=re.IGNORECASE)
        case "length_constraints:number_words":
            return " ".join(re.findall(r"\w+", gold)[: given["num_words"] - 1])
        case "detectable_format:multiple_sections":
            return gold.replace(given["section_spliter"], "Chapter")
        case "detectable_format:constrained_response":
            return gold.replace("My answer is", "It is")
        case "combination:two_responses":
            half = gold.partition("******")[0]
            return f"{half}******{half}"
        case "change_case:capital_word_frequency":
            return gold.lower()
        case "combination:repeat_prompt":
            return f"Sure. {gold}"
    return "This is plain English and nothing else that was asked for."


_ADDED = {
    "length_constraints:number_paragraphs": "\n***\nmore",
    "length_constraints:nth_paragraph_first_word": "\n\nmore",
    "detectable_format:number_bullet_lists": "\n* more",
    "detectable_format:json_format": " more",
    "change_case:english_capital": " a",
    "change_case:english_lowercase": " B",
    "startend:end_checker": " Goodbye",
    "startend:quotation": " more",
    "punctuation:no_comma": ", more",
}
_TAKEN = {
    "length_constraints:number_sentences": "[.!?]",
    "detectable_content:number_placeholders": r"[\[\]]",
    "detectable_content:postscript": r"(?i)(?:P\.)+\s?S",
    "detectable_format:number_highlighted_sections": r"\*",
    "detectable_format:title": "[<>]",
}


def _too_much(name: str, given: Mapping[str, Any]) -> str:
    """What pushes a response over an upper bound."""
    match name:
        case "keywords:frequency":
            return f" {given['keyword']}" * int(given["frequency"])
        case "keywords:letter_frequency":
            return str(given["letter"]) * int(given["let_frequency"])
        case "length_constraints:number_words":
            return " more" * int(given["num_words"])
        case "length_constraints:number_sentences":
            return " Then more." * int(given["num_sentences"])
    return " MORE" * int(given["capital_frequency"])

"""How long the response is: words, sentences, paragraphs.

Words are runs of letters, digits and underscores, so "well-known" counts two. A sentence ends at a full stop, a
question or exclamation mark (of any script) before white space or the end; the stop of an abbreviation, an initial or
an enumeration (`1.`) ends none, and an ellipsis only before a capital. A line break ends no sentence. What is
left over at the end without a stop counts as one. Splitters trained on a corpus may differ by one or two in lists.
"""

from __future__ import annotations

import re
from itertools import pairwise

from ponder.verifiers.rules.constraints.keywords import compare

_WORD = re.compile(r"\w+")
_STOP = re.compile(r"(?P<mark>[.!?…]+|[。！？।؟۔]+)(?P<after>[\"'”’»)\]*_]*)(?=\s|$|[^\W\d_])")
_TEXT = """
    mr mrs ms dr prof sr jr st vs etc inc ltd co corp dept est fig no vol pp al approx gen col lt sgt rev hon
    e.g i.e a.m p.m u.s u.k ph.d d.c b.c a.d p.s p.p.s cf jan feb mar apr jun jul aug sep sept oct nov dec
"""
_ABBREVIATIONS = frozenset(_TEXT.split())
_BEFORE = re.compile(r"[^\s\"'“‘«(\[*_]+$")
_REST = re.compile(r"\s*\Z")  # nothing but white space up to the end
_DIVIDER = re.compile(r"\*\*\*")
_QUOTES = "'\"“”‘’«»*_#(["


def words(text: str) -> int:
    return len(_WORD.findall(text))


def number_words(text: str, *, relation: str, num_words: int) -> bool:
    return compare(words(text), relation, num_words)


def sentences(text: str) -> int:
    """How many sentences; a piece without a letter or digit is none."""
    ends = [match.end() for match in _STOP.finditer(text) if _ends(text, match)]
    bounds = [0, *ends, len(text)]
    return sum(_WORD.search(text, a, b) is not None for a, b in pairwise(bounds))


def _ends(text: str, stop: re.Match[str]) -> bool:
    """Whether a mark ends a sentence."""
    mark, following = stop["mark"], text[stop.end() : stop.end() + 1]
    if mark in "。！？।؟۔":
        return True
    if following and not following.isspace():  # `example.com`, `3.5`, `?key`
        return False
    if mark != ".":
        return "!" in mark or "?" in mark or _before_capital(text, stop.end())
    before = _BEFORE.search(text, max(0, stop.start() - 40), stop.start())
    word = before.group().lower() if before else ""
    last = _REST.match(text, stop.end()) is not None
    return last or not (word in _ABBREVIATIONS or _is_initial(word) or _enumerates(text, stop.start(), word))


def _before_capital(text: str, at: int) -> bool:
    rest = text[at : at + 40].lstrip().lstrip(_QUOTES)
    return not rest or rest[0].isupper()


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isalpha() and word != "i"


def _enumerates(text: str, at: int, word: str) -> bool:
    """`12.` at the start of a line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return word.isdigit() and line.strip(" *_#>-\t") == word


def number_sentences(text: str, *, relation: str, num_sentences: int) -> bool:
    return compare(sentences(text), relation, num_sentences)


def number_paragraphs(text: str, *, num_paragraphs: int) -> bool:
    """Exactly so many parts round the divider `***`. One may stand at the very start or end; no part may be empty."""
    parts = [part.strip() for part in _DIVIDER.split(text)]
    inner = parts[1:-1] if len(parts) > 1 else []
    return all(inner) and sum(map(bool, parts)) == num_paragraphs


def nth_paragraph_first_word(text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Exactly so many parts round empty lines, and the n-th, from 1, starts with the word."""
    parts = [part.strip() for part in text.split("\n\n") if part.strip()]
    if len(parts) != num_paragraphs or not 1 <= nth_paragraph <= num_paragraphs:
        return False
    start = parts[nth_paragraph - 1].split()[0].lstrip(_QUOTES)
    return re.split(r"[.,?!'\"’”:;*_)\]]", start, maxsplit=1)[0].lower() == first_word.lower()

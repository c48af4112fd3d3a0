r"""Which formula of a sentence is the one it comes to, and how far a value in plain text reaches.

A sentence is folded: each formula is one private character (see `spans`). Values side by side ("$1$ and $2$") are one
list, or alternatives with "or". Of several, the first after the last "is", "are", "get", ... counts, unless it only
qualifies ("for all $x$", "when $n = 3$") while another one does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.verifiers.rules.mathematics.finding.spans import Folded

PRIVATE = re.compile("[\U000f0000-\U000ffffd]")
MOST = 200  # values of a sentence that are looked at, from the last
_NEAR = 48  # characters before or after a value that say what it is
_REACH = 160  # characters round a number in which its brackets may stand
_NUMBER = r"[-−]?\\?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?"
_ITEM = re.compile(rf"[\U000f0000-\U000ffffd](?:\s?[/:]\s?[\U000f0000-\U000ffffd])*|(?<![\w.]){_NUMBER}(?![\w])")
_JOINED = re.compile(r"[\s,;]*(?:and/or|and|or)?[\s,;]*(?:either\s+)?")
_VERB = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|becomes?|gives?|gets?|got|obtains?|have|has|yields?|finds?|found|to"
    r"|lies in|is in)\b|[=:])"
    r"(?:\s+(?:the|a|an|at|just|exactly|simply|only|equal|that|point|points|interval|values?|now|therefore|thus|both))*\s*$",
    re.IGNORECASE,
)
_QUALIFIES = re.compile(
    r"\b(?:for|if|when|where|with|since|because|as|from|by|using|of|into|in|on|over|between|all|any|every|each|mod|modulo|than|given|that)"
    r"(?:\s+(?:all|any|every|each|some|the|real|integer|positive|numbers?|integers?|values?))*\s*$",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\s*(?:is|are)\s+(?:(?:indeed|also|thus|therefore|then)\s+)?(?:the|a|an|our|its)\s+(?:[\w-]+\s+){0,2}"
    r"(?:solutions?|answers?|values?|results?|roots?|ones?|possibilit\w+|choices?|options?|numbers?)\b"
)
# A clause without any of these denies nothing.
MAY_DENY = re.compile(
    r"[Nn]ot|[Nn]ever|n['’]t|[Rr]ul|other|xcept|xclud|nything|can|up\s+to|wrong|incorrect|impossible|invalid|no "
    r"|nlikely|doubt|than|t\s+(?:least|most)|etween|elow|bove"
)
_IS = r"(?:^\s*|(?:\b(?:is|are|was|were|be|equals?)\b|[=:,])\s*)"
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|\bnever|n['’]t|\bunlikely|\bdoubt\w{0,3}(?:\s+that)?(?:\s+(?:it|this|that))?(?:\s+is)?|\brul\w{1,3}\s+out"
    r"|\bother\s+than|\bexcept(?:\s+for)?|\bexclud\w{1,3}|\banything\s+but|\bcan['’]?t|\bcannot"
    r"|\b(?:any|every|all|some)\w*\s+(?:\w+\s+){0,2}up\s+to"
    # a bound is not the value: "it is less than 5"; "she needs at least 5" says what she needs
    rf"|{_IS}(?:\w+ly\s+)?(?:no\s+)?(?:less|greater|more|fewer|larger|smaller|bigger|higher|lower)\s+than"
    rf"|{_IS}(?:at\s+(?:least|most)|between(?:\s+\S{{1,20}}\s+and)?|below|above))"
    r"(?:\s+(?:be|the|equal|or|to|number|value|answer|just|only))*\s*[$\\(]*$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\s*[$)]*\s*(?:is|was|are|can|could|does|would)(?:\s*n['’]t\b|\s*not\b|\s+(?:wrong|incorrect|impossible|excluded|"
    r"ruled\s+out|invalid|no\s+(?:answer|solution)))|\s*can(?:not|['’]t)\b",
    re.IGNORECASE,
)
_NEGATED_BOX = re.compile(
    r"(?:\b(?:is|are|was|be)\s+(?:not|never)|n['’]t|\bnever|\bcannot|\bnot)(?:\s+(?:be|equal|to))*[\s$\\(\[]*$",
    re.IGNORECASE,
)
_RATIO = re.compile(
    r"(?<![A-Z]\w{2} )(?<![A-Z]\w{3} )(?<![\w.])\d+(?:\.\d+)?(?:\s?:\s?\d+(?:\.\d+)?)+(?![\d:]|\s?[ap]\.?m)"
)
_RELATION_BEFORE = re.compile(r"(?<![A-Za-z])([A-Za-z])\s*(>=|<=|!=|≠|≥|≤|⩾|⩽|>|<)\s*$")
_CLOSING = {")": "([", "]": "[(", "}": "{"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Values side by side: where they start and end in the sentence, and whether "or" joins them."""

    start: int
    end: int
    members: tuple[str, ...]
    open: bool
    strong: bool


def choose(folded: Folded, sentence: str) -> str | None:
    """What the sentence comes to; "" if it says that it is not that; None if no formula or bold value stands in it."""
    groups = _groups(folded, sentence)
    held = [group for group in groups if group.strong] or groups
    if not held:
        return None
    chosen = _chosen(sentence, held)
    if denied(sentence[: chosen.start], sentence[chosen.end :]):
        return ""
    members = [folded.unfold(member).strip() for member in chosen.members]
    return (" or " if chosen.open else ", ").join(dict.fromkeys(members))


def _chosen(sentence: str, groups: list[_Group]) -> _Group:
    for group in groups:
        if _SUBJECT.match(sentence, group.end):
            return group
    plain = [g for g in groups if not _QUALIFIES.search(_before(sentence, g))] or groups
    stated = [g for g in plain if _VERB.search(_before(sentence, g))]
    return stated[-1] if stated else plain[-1]


def _before(sentence: str, group: _Group) -> str:
    return sentence[max(0, group.start - _NEAR) : group.start]


def _groups(folded: Folded, sentence: str) -> list[_Group]:
    groups: list[_Group] = []
    for match in list(_ITEM.finditer(sentence))[-MOST:]:
        span = folded.span(match.group()[0])
        if span is not None and re.fullmatch(r"\^\s*\{?\s*[23]\s*\}?", span.content):
            continue  # the power of a unit: `cm$^2$`
        strong = span is not None and span.kind == "strong"
        before = groups[-1] if groups else None
        joint = _JOINED.fullmatch(sentence, before.end, match.start()) if before else None
        if before and joint and joint.group().strip():
            open_ = before.open or "or" in joint.group()
            members = (*before.members, match.group())
            groups[-1] = _Group(before.start, match.end(), members, open_, before.strong or strong)
        else:
            groups.append(_Group(match.start(), match.end(), (match.group(),), False, strong))
    return groups


def denied(before: str, after: str) -> bool:
    """Whether a sentence says that the value between these two parts of it is not what is asked for."""
    return bool(_DENIED_BEFORE.search(before[-_NEAR:]) or _DENIED_AFTER.match(after[:_NEAR]))


def box_denied(before: str, after: str) -> bool:
    r"""Whether a text says that the box between these two parts of it is not the answer.

    Only in so many words: a box behind "at least" is an answer, because somebody boxed it.
    """
    return bool(_NEGATED_BOX.search(before[-_NEAR:]) or _DENIED_AFTER.match(after[:_NEAR]))


def enclosed(sentence: str, start: int, end: int) -> str | None:
    """The pair, interval, set, ratio or relation in plain text that the number at `start` is a part of, if it is."""
    low = max(0, start - _REACH)
    window = sentence[low : end + _REACH]
    for ratio in _RATIO.finditer(window):
        if ratio.start() <= start - low < ratio.end():
            return ratio.group()
    bracketed = _bracketed(window, start - low, end - low)
    if bracketed:
        return bracketed
    relation = _RELATION_BEFORE.search(sentence[low:start])
    return f"{relation.group()}{sentence[start:end]}" if relation else None


def _bracketed(window: str, start: int, end: int) -> str | None:
    """The innermost brackets round the number that hold a comma and no prose."""
    open_: list[int] = []
    for place, character in enumerate(window):
        if character in "([{":
            open_.append(place)
        elif character in _CLOSING and open_ and window[open_[-1]] in _CLOSING[character]:
            first = open_.pop()
            content = window[first + 1 : place]
            if first < start and place >= end:
                called = first > 0 and (window[first - 1].isalnum() or window[first - 1] == "_")
                listed = re.search(r"[,;]", re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", content))
                if listed and not called and not re.search(r"[A-Za-z]{3,}", content):
                    found = window[first : place + 1]
                    return rf"\{{{content}\}}" if character == "}" else found
    return None

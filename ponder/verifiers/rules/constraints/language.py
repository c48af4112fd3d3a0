"""Which language a text is in, by its script and its commonest words: the same answer every time, and no model.

A script that one language of the table uses alone decides by itself. Where several share it, the language whose common
words and own letters cover most of the words wins. It is meant for responses of a sentence or more; a short Latin
text without any evidence counts as English. Languages outside the table are refused, not guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

from ponder.verifiers.rules.constraints.common_words import COMMON, LETTERS

# Unicode names of letters begin with the name of their script.
_SCRIPTS = {
    "CJK": ("zh", "ja"), "HIRAGANA": ("ja",), "KATAKANA": ("ja",), "HANGUL": ("ko",), "THAI": ("th",),
    "KANNADA": ("kn",), "GURMUKHI": ("pa",), "GUJARATI": ("gu",), "TELUGU": ("te",), "TAMIL": ("ta",),
    "BENGALI": ("bn",), "MALAYALAM": ("ml",), "GREEK": ("el",), "HEBREW": ("he",),
    "DEVANAGARI": ("hi", "mr", "ne"), "ARABIC": ("ar", "fa", "ur"), "CYRILLIC": ("ru", "bg", "uk"),
    "LATIN": tuple(language for language in COMMON if language not in ("hi", "mr", "ne", "ar", "fa", "ur", "ru", "bg",
                                                                       "uk")),
}  # fmt: skip
LANGUAGES = frozenset(language for some in _SCRIPTS.values() for language in some)
# The share of letters in the language's own script: names and terms in another one do not spoil a text.
_OWN_SCRIPT = 0.6
# Vowel signs of Indic scripts are no letters to `re`, so a word is whatever is neither space, digit nor punctuation.
_WORD = re.compile(r"[^\s\d.,!?;:()\[\]{}\"“”‘«»…*_#<>/|~`।॥،؛؟۔—–-]+")
_LONGEST = 20_000  # characters that are looked at


def is_language(text: str, language: str) -> bool:
    """Whether a text is in `language`, an ISO 639-1 code of `LANGUAGES`."""
    return detect(text) == language


def detect(text: str) -> str | None:
    """The language of a text; None if it has no letters, no main script, or one that the table does not have."""
    text = unicodedata.normalize("NFC", text[:_LONGEST])
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    if not scripts:
        return None
    if scripts["HIRAGANA"] + scripts["KATAKANA"] > 0.1 * scripts.total():
        return "ja"
    script, letters = scripts.most_common(1)[0]
    if letters < _OWN_SCRIPT * scripts.total() or script not in _SCRIPTS:
        return None
    candidates = _SCRIPTS[script]
    return candidates[0] if len(candidates) == 1 or script == "CJK" else _by_words(text.lower(), candidates)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").split(" ")[0].split("-")[0]


def _by_words(text: str, candidates: tuple[str, ...]) -> str | None:
    """The candidate with the most evidence; on a tie the first one (English among the Latin ones), unless none has any.

    A word of the language's commonest counts one, a letter that only it uses half: long texts are full of names.
    """
    words = Counter(_WORD.findall(text))
    letters = Counter(text)
    evidence = {
        language: sum(words[word] for word in COMMON[language])
        + sum(letters[letter] for letter in LETTERS.get(language, "")) / 2
        for language in candidates
    }
    best = max(candidates, key=lambda language: evidence[language])
    return best if evidence[best] or (text.isascii() and best == "en") else None

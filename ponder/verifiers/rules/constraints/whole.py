"""What holds for the response as a whole: its case, how it starts and ends, what it never contains."""

from __future__ import annotations

import re

from ponder.verifiers.rules.constraints.keywords import compare
from ponder.verifiers.rules.constraints.language import is_language

_TOKEN = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_DIVIDER = "******"


def capital(text: str) -> bool:
    """English without a lower-case letter."""
    return text.isupper() and is_language(text, "en")


def lowercase(text: str) -> bool:
    """English without a capital letter."""
    return text.islower() and is_language(text, "en")


def capital_words(text: str, *, capital_relation: str, capital_frequency: int) -> bool:
    """How many words are all capitals. "I" and "A" are such words, "don't" and "all-round" are single words."""
    return compare(sum(word.isupper() for word in _TOKEN.findall(text)), capital_relation, capital_frequency)


def no_comma(text: str) -> bool:
    """No ASCII comma; the commas of other scripts are other signs."""
    return "," not in text


def quotation(text: str) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] == text[-1] == '"'


def end(text: str, *, end_phrase: str) -> bool:
    """The phrase stands last; closing quotation marks round the whole response may follow it. Case does not matter."""
    return text.strip().strip('"').strip().lower().endswith(end_phrase.strip().lower())


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> bool:
    """The response begins with the prompt. Case does not matter."""
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def two_responses(text: str) -> bool:
    """Exactly two different parts round `******`; a divider at the very start or end may stand."""
    parts = [part.strip() for part in text.split(_DIVIDER)]
    filled = [part for part in parts if part]
    return all(parts[1:-1]) and len(filled) == 2 and filled[0] != filled[1]

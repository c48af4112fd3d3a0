"""Proposed ciphers: `Decode oyfj rtqw.`, pairs of letters that hide the one half-way between. Gold: decoding.

The hidden letters need not be words; a solver that guesses instead of decoding is found out by such problems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.problems.families.cipher import Cipher, decode
from ponder.selfplay.proposer.forms.form import Draft, Refused, trained
from ponder.types import Key

_PROPOSAL = re.compile(r"Decode ([a-z]+(?: [a-z]+)*)\.")


@dataclass(frozen=True)
class CipherForm:
    """At most `most_words` words of at most `longest` pairs."""

    family: Cipher
    most_words: int = 6
    longest: int = 10
    instructions: str = (
        "Write one new problem of this kind, neither too easy nor too hard: words in which each pair of letters stands "
        "for the letter half-way between the two. After your thinking, answer with the problem alone, for example: "
        "Decode oyfjdnisdr."
    )

    def read(self, text: str) -> Draft:
        found = _PROPOSAL.fullmatch(text.strip())
        if found is None:
            raise Refused("unparsable", text[:80])
        words = found[1].split(" ")
        if len(words) > self.most_words or max(map(len, words)) > 2 * self.longest:
            raise Refused("too_large", found[1])
        if any(len(word) % 2 for word in words) or any(
            (ord(a) + ord(b)) % 2 for word in words for a, b in zip(word[::2], word[1::2], strict=True)
        ):
            raise Refused("unsolvable", f"{found[1]}: a pair has no letter half-way")
        plain = " ".join(decode(word) for word in words)
        if "".join(word[::2] for word in words) == plain.replace(" ", ""):
            raise Refused("trivial", f"{found[1]}: every pair is the letter itself")
        shape = " ".join(str(len(word) // 2) for word in words)
        return trained(Draft(found[0], Key(plain, {"coded": found[1]}), len(words), plain, shape))

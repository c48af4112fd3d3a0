"""Seeds of sub-draws: a hash of the names of what is drawn, never a global generator that somebody else may advance."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """A 63-bit seed that depends on all `parts` (strings and numbers) and on nothing else."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1

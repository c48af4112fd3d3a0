"""Where a remote model is: `http://HOST/v1#NAME`, and which of the two endpoints is asked there.

`URL#NAME` is asked as a chat. `URL/completions#NAME` is asked to continue plain text, which step-by-step searches need.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ponder.types import PonderError

_CHAT, _PLAIN = "/chat/completions", "/completions"
_FORM = "write http://HOST:PORT/v1#NAME for a chat or http://HOST:PORT/v1/completions#NAME for plain text"


@dataclass(frozen=True)
class Address:
    """The full URL of an endpoint, whether it takes messages (`chat`) or a text, and the name of the model there."""

    url: str
    chat: bool
    model: str


def is_address(name: str) -> bool:
    """Whether the name of a model is meant as an address."""
    return name.partition("://")[0].lower() in ("http", "https")


def parse(name: str) -> Address:
    """Read `URL#NAME`. A key in the URL is refused, because addresses are printed and written into results."""
    url, _, model = name.partition("#")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise PonderError(f"model {url!r} is no address ({error}); {_FORM}") from None
    if parts.username or parts.password or parts.query:
        raise PonderError("the address of a model may hold no password, key or query; put the key into PONDER_API_KEY")
    if parts.scheme.lower() not in ("http", "https") or not host or not model:
        what = "names no model" if host else "has no host"
        raise PonderError(f"the address {name!r} {what}; {_FORM}")
    url = url.rstrip("/")
    if url.endswith(_CHAT):
        return Address(url, True, model)
    if url.endswith(_PLAIN):
        return Address(url, False, model)
    return Address(url + _CHAT, True, model)

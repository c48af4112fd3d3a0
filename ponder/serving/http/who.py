"""From the Authorization header to the caller. A key anywhere else is not looked at, and is never written to a log."""

from __future__ import annotations

from starlette.requests import Request

from ponder.serving.accounts.book import Book
from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError

OPEN = Caller()


async def caller_of(request: Request, book: Book | None, *, keys: bool) -> Caller:
    """Who asks; everybody is the same caller where no keys are asked for (`keys` false). ApiError 401."""
    if not keys or book is None:
        return OPEN
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not key.strip():
        raise ApiError(401, "this server wants a key: Authorization: Bearer KEY", code="missing_api_key")
    if scheme.lower() != "bearer":
        raise ApiError(401, "a key is sent as Authorization: Bearer KEY", code="invalid_api_key")
    return await book.caller(key.strip())

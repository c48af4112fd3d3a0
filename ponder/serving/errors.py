"""The one form of every error that a client sees: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ponder.types import EngineError, PonderError

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
}


class ApiError(Exception):
    """A refusal or a failure. `wait` are the seconds after which it may be tried again (None: it should not be)."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str | None = None,
        wait: float | None = None,
        retry: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.kind = kind or _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.headers = dict(headers or {})
        if wait is not None:
            self.headers |= {"retry-after": str(max(1, math.ceil(wait)))}
        if retry is not None:
            self.headers["x-should-retry"] = "true" if retry else "false"

    def as_data(self) -> dict[str, Any]:
        """The object that is sent."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def refused(param: str, why: str, code: str = "unsupported_value") -> ApiError:
    """A 400 that names the field at fault."""
    return ApiError(400, why, param=param, code=code)


def as_api_error(error: BaseException) -> ApiError:
    """Any exception as what a client may know of it: our own sentences, and nothing of what broke by surprise."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, EngineError):
        return ApiError(502, f"the model could not be asked: {error}", code="engine_error", retry=True)
    if isinstance(error, PonderError):
        return ApiError(400, str(error), code="invalid_value")
    return ApiError(500, "the server failed on this request; its log says why", code="internal_error", retry=False)

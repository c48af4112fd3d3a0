"""`/v1/runs`: the dashboards of training runs. Reading their files is done beside the requests."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ponder.serving.caller import Caller
from ponder.serving.errors import ApiError
from ponder.serving.http.guard import PAGE_CSP
from ponder.serving.runs import Runs
from ponder.serving.service import Service


class Boards:
    """What is answered of runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def listed(self, _: Service, __: Request, ___: Caller) -> Response:
        """All of them."""
        return JSONResponse({"object": "list", "data": await asyncio.to_thread(self._runs.listed)})

    async def told(self, _: Service, request: Request, __: Caller) -> Response:
        """One of them."""
        found = await asyncio.to_thread(self._runs.told, request.path_params["name"])
        if found is None:
            raise _unknown()
        return JSONResponse(found)

    async def report(self, _: Service, request: Request, __: Caller) -> Response:
        """The report of one of them."""
        found = await asyncio.to_thread(self._runs.report, request.path_params["name"])
        if found is None:
            raise _unknown()
        return HTMLResponse(found, headers={"content-security-policy": PAGE_CSP})


def _unknown() -> ApiError:
    return ApiError(404, "there is no such run, or it has no report yet", code="not_found")

"""The application: every address of the server, and what answers there."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from ponder.reports.tree import page as tree_page
from ponder.reports.tree.data import validated
from ponder.serving.caller import Caller
from ponder.serving.chat.request import ChatRequest
from ponder.serving.chat.route import chat
from ponder.serving.errors import ApiError, as_api_error
from ponder.serving.http import description
from ponder.serving.http.boards import Boards
from ponder.serving.http.guard import PAGE_CSP, Guard
from ponder.serving.http.presence import ClientLeftError
from ponder.serving.http.who import caller_of
from ponder.serving.responses.request import ResponsesRequest
from ponder.serving.responses.route import Conversations, respond
from ponder.serving.runs import Runs
from ponder.serving.service import Service
from ponder.version import VERSION

Handler = Callable[[Service, Request, Caller], Awaitable[Response]]
_FILES = {"page.js": "text/javascript", "runs.js": "text/javascript", "page.css": "text/css"}
_HISTORY = 100
_log = logging.getLogger(__name__)


def build(
    service: Service,
    *,
    keys: bool = False,
    hosts: tuple[str, ...] = (),
    ready: Callable[[], bool] = lambda: True,
    runs: Path | None = None,
) -> Guard:
    """The application over a service. `keys`: requests need a key; `ready` false takes the server out of rotation.

    `runs` is the folder whose training runs the page shows.
    """
    app = FastAPI(title="Ponder", version=VERSION, docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    conversations = Conversations(service.limits.responses << 20)

    def route(path: str, method: str, handler: Handler, **more: Any) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                return await handler(service, request, await caller_of(request, service.book, keys=keys))
            except ClientLeftError:
                return Response(status_code=499)  # nobody reads it
            except Exception as error:
                return refusal(service, error)

        app.add_api_route(path, endpoint, methods=[method], response_model=None, **more)

    route("/v1/chat/completions", "POST", chat, **description.of_body(ChatRequest, "Answer a conversation."))
    route("/v1/responses", "POST", conversations.bound(respond), **description.of_body(ResponsesRequest, "Answer."))
    route("/v1/responses/{id}", "GET", conversations.stored, summary="A stored response.")
    route("/v1/responses/{id}", "DELETE", conversations.forget, summary="Forget a stored response.")
    route("/v1/models", "GET", _models, summary="The model, with its dial and its strategies.")
    route("/v1/models/{name:path}", "GET", _model, summary="One model.")
    route("/v1/thinking/{id}", "GET", _tree, summary="The tree of a search, as JSON or (Accept: text/html) as a page.")
    route("/v1/account", "GET", _account, summary="The tier of the key, and what it used.")
    route("/v1/account/requests", "GET", _history, summary="The last requests of the key.")
    boards = Boards(Runs(runs))
    route("/v1/runs", "GET", boards.listed, summary="The training runs that this server shows.")
    route("/v1/runs/{name}", "GET", boards.told, summary="One of them, round by round.")
    route("/v1/runs/{name}/report", "GET", boards.report, summary="The report of a finished one, as a page.")
    _open_routes(app, service, ready)
    _errors(app)
    return Guard(app, service.metrics.refused, hosts)


def _open_routes(app: FastAPI, service: Service, ready: Callable[[], bool]) -> None:
    """What needs no key."""

    @app.get("/health", summary="Whether the server lives.")
    async def health() -> Response:
        alive = service.thinker.alive
        body = {"status": "ok" if alive else "dead", "version": VERSION, "model": service.thinker.name}
        return JSONResponse(body, 200 if alive else 503)

    @app.get("/health/ready", summary="Whether the server takes requests.")
    async def readiness() -> Response:
        able = ready() and service.thinker.alive and not service.circuit.is_open and not service.gate.closed
        body = {"status": "ready" if able else "not ready", "running": service.gate.running}
        return JSONResponse({**body, "waiting": service.gate.waiting}, 200 if able else 503)

    @app.get("/metrics", summary="Metrics for Prometheus.")
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(description.page(app.openapi()))

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return HTMLResponse(_file("page.html"))

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str) -> Response:
        if name not in _FILES:
            return refusal(service, ApiError(404, "there is nothing here", code="not_found"))
        return Response(_file(name), media_type=_FILES[name], headers={"cache-control": "no-cache"})


def _errors(app: FastAPI) -> None:
    """What the framework refuses by itself, in our form."""

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        what = {404: "there is nothing at this address", 405: f"{request.method} is not allowed here"}
        told = ApiError(error.status_code, what.get(error.status_code, str(error.detail)), code="not_found")
        return JSONResponse(told.as_data(), told.status, headers=dict(error.headers or {}))

    app.router.redirect_slashes = False


def refusal(service: Service, error: Exception) -> Response:
    """An error as it is answered; what went wrong by surprise is logged, and not told."""
    told = as_api_error(error)
    if told.code == "internal_error":
        _log.error("a request failed", exc_info=error)
    service.metrics.refused(told)
    headers = {"www-authenticate": "Bearer", **told.headers} if told.status == 401 else told.headers
    return JSONResponse(told.as_data(), told.status, headers=headers)


async def _models(service: Service, _: Request, caller: Caller) -> Response:
    return JSONResponse({"object": "list", "data": [_described(service, caller)]})


async def _model(service: Service, request: Request, caller: Caller) -> Response:
    if request.path_params["name"] != service.thinker.name:
        raise ApiError(404, "there is no such model; GET /v1/models lists it", param="model", code="model_not_found")
    return JSONResponse(_described(service, caller))


def _described(service: Service, caller: Caller) -> dict[str, Any]:
    thinker, limits = service.thinker, service.limits
    return {
        "id": thinker.name,
        "object": "model",
        "created": service.started,
        "owned_by": "ponder",
        "ponder": {
            "efforts": service.dial.table(caller.tier.request),
            "default_effort": caller.tier.effort,
            "budget": service.dial.of_name("max", caller.tier.request).tokens,
            "longest": limits.max_tokens,
            "seconds": limits.seconds,
            "verifier": thinker.judge is not None,
            "strategies": description.strategies(thinker.judge is not None, thinker.gives_logprobs),
            "shows_thinking": limits.show_thinking and caller.tier.show_thinking,
            "logprobs": thinker.gives_logprobs,
            "weights": thinker.version,
            "unit": "token-equivalents: the work of one token through the model",
        },
    }


async def _tree(service: Service, request: Request, caller: Caller) -> Response:
    """A search of this caller's own; where nothing of the thinking is shown, neither is its tree."""
    text = service.trees.get(request.path_params["id"], caller.id)
    if text is None or not (service.limits.show_thinking and caller.tier.show_thinking):
        raise ApiError(404, "there is no such search, or it is not kept any more", code="not_found")
    if "text/html" in request.headers.get("accept", ""):
        headers = {"content-security-policy": PAGE_CSP}
        return HTMLResponse(tree_page.render(validated(text, "the search")), headers=headers)
    return Response(text, media_type="application/json")


async def _account(service: Service, _: Request, caller: Caller) -> Response:
    used = {} if service.book is None else await service.book.account(caller)
    micros = used.pop("micros", 0)
    price = None if service.price is None else service.price.model_dump()
    tier = {"name": caller.tier_name, **caller.tier.model_dump()}
    return JSONResponse({"key": caller.name, "tier": tier, "used": used, "cost": micros / 1e6, "price": price})


async def _history(service: Service, _: Request, caller: Caller) -> Response:
    rows = [] if service.book is None else await service.book.history(caller, _HISTORY)
    return JSONResponse({"object": "list", "data": rows})


def _file(name: str) -> str:
    return resources.files("ponder.serving").joinpath("page", name).read_text(encoding="utf-8")

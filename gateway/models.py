"""The small endpoints beside the hot path: models, health, metrics, and what is not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway import auth
from gateway.auth import Principal
from gateway.entrances import entrance
from gateway.errors import Refusal
from gateway.house import House
from gateway.metrics import CONTENT_TYPE
from gateway.yaml_lines import parse
from providers.wires.registry import WIRES
from providers.wires.wire import Wire

NO_DATE = "1970-01-01T00:00:00Z"
WIRE_HEADERS = Path(__file__).with_name("wire_headers.yaml")

router = APIRouter()


def house_of(request: Request) -> House:
    """Return the running gateway's parts."""
    house: House = request.app.state.house
    return house


def caller(request: Request) -> Principal:
    """Return whose call it is. Raises ``Refusal``."""
    setup = house_of(request).setup
    return auth.principal(dict(request.scope["headers"]), setup.principals, setup.local)


@router.get("/v1/models")
@router.get("/v1beta/models")
async def list_models(request: Request) -> dict[str, Any]:
    """The models that the caller may ask for, in the order of the config and the asker's wire."""
    principal, setup = caller(request), house_of(request).setup
    names = [name for name in setup.model_names if setup.may_ask(principal, name)]
    form = _asked_form(request)
    if form is _named_model:
        return {"models": [form(name) for name in names]}
    found = [form(name) for name in names]
    if form is _dated_model:
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return {"data": found, "has_more": False, **ends}
    return {"object": "list", "data": found}


@router.get("/v1/models/{name:path}")
@router.get("/v1beta/models/{name:path}")
async def one_model(request: Request, name: str) -> dict[str, Any]:
    """One model by name; a 404 in the asker's wire where there is none."""
    principal, setup = caller(request), house_of(request).setup
    if setup.candidates(name) is None or not setup.may_ask(principal, name):
        raise Refusal("unknown_model", f"there is no model {name[:200]!r} here", param="model")
    return _asked_form(request)(name)


def _asked_form(request: Request) -> Callable[[str], dict[str, Any]]:
    """Which wire asks: told by the path, or by the header that only one wire's clients send."""
    wire = asked_wire(request)
    return {"gemini": _named_model, "messages": _dated_model}.get(wire.name, _model)


def asked_wire(request: Request) -> Wire:
    """Return the wire of whoever asks at an address beside the hot path.

    Where the address does not tell, a header does that only the clients of one wire send.
    """
    path = request.url.path
    if path.startswith("/v1beta/"):
        return WIRES["gemini"]
    for beginning, wire in (("/v1/messages", "messages"), ("/v1/responses", "responses")):
        if path.startswith(beginning):
            return WIRES[wire]
    for wire, names in _wire_headers().items():
        if any(name in request.headers for name in names):
            return WIRES[wire]
    return WIRES["chat"]


@lru_cache(maxsize=1)
def _wire_headers() -> Mapping[str, list[str]]:
    told, _ = parse(WIRE_HEADERS.read_bytes(), WIRE_HEADERS.name)
    return told if isinstance(told, dict) else {}


def _model(name: str) -> dict[str, Any]:
    # The wire asks for a number of seconds; a route in a config has no birthday.
    return {"id": name, "object": "model", "created": 0, "owned_by": "entrepot"}


def _dated_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": NO_DATE}


def _named_model(name: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether calls can be taken: the journal is writable, servers at home are up or given up.

    A database that is away keeps no call out, so that it is told as a trouble only.
    """
    house = house_of(request)
    waiting = [name for name, server in house.launched.items() if server.state.phase == "starting"]
    problems = [f"{name} is starting" for name in waiting]
    trouble = [house.books.trouble] if house.books.trouble else []
    if house.unsaved and not house.ledger_works():
        said = f"the journal cannot be written: {house.trouble}"
        (trouble if house.debt.is_allowed else problems).append(said)
    return JSONResponse(
        {
            "status": "ready" if not problems else "not ready",
            "waiting_for": problems,
            "trouble": trouble,
        },
        status_code=503 if problems else 200,
    )


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text format. Needs the admin key where one is configured."""
    house = house_of(request)
    if not auth.admin_allowed(dict(request.scope["headers"]), house.setup.admin_key):
        raise Refusal("invalid_key", "metrics need the admin key")
    return Response(house.metrics.text(), media_type=CONTENT_TYPE)


def say_errors_in_the_askers_wire(app: FastAPI) -> None:
    """Make the framework's own errors read like every other error of this gateway."""

    async def refused(request: Request, refusal: Exception) -> Response:
        fault = refusal if isinstance(refusal, Refusal) else Refusal("internal_error", "")
        client = asked_wire(request).front
        body = client.write_error(fault.status, fault.message, fault.code, fault.param, "")
        headers = {"www-authenticate": "Bearer"} if fault.code == "invalid_key" else {}
        if fault.retry_after_s is not None:
            headers["retry-after"] = str(max(1, math.ceil(fault.retry_after_s)))
        return Response(body, fault.status, headers, "application/json")

    async def not_there(request: Request, fault: Exception) -> Response:
        status = fault.status_code if isinstance(fault, HTTPException) else 500
        if entrance(request.url.path, b"") is not None:  # its POST never comes this way
            status = 405
        code = "method_not_allowed" if status == 405 else "not_found"
        text = f"there is no {request.method} {request.url.path[:200]} here"
        if code == "not_found":
            text += "; the base URL of an SDK ends in /v1 (for some in the address alone)"
        return await refused(request, Refusal(code, text, status=status))

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, not_there)

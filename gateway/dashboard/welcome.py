"""The first steps of a new user: a call that can be made at once, as a shell and an SDK take it."""

from __future__ import annotations

import json
import shlex

from fastapi import Request

from gateway.house import House


def first_call(house: House, request: Request) -> str:
    """Return a shell command that makes a first call; "" where no model is configured."""
    if not house.setup.model_names:
        return ""
    address = address_of(house, request)
    messages = [{"role": "user", "content": "Say hello."}]
    body = {"model": house.setup.model_names[0], "messages": messages, "max_tokens": 32}
    key = "" if house.setup.local is not None else ' -H "authorization: Bearer $ENTREPOT_KEY"'
    return (
        f"curl {address}/v1/chat/completions{key} \\\n  -H 'content-type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )


def address_of(house: House, request: Request) -> str:
    """Return where this gateway listens."""
    # Where the socket listens, not what a Host header says.
    host, port = request.scope.get("server") or ("", None)
    if port is None:
        host, port = house.setup.config.server.host, house.setup.config.server.port
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

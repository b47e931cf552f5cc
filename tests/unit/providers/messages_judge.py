"""The vendor's own client library as the judge of what is streamed on the Messages wire."""

from __future__ import annotations

from typing import Any

import pytest

httpx2 = pytest.importorskip("httpx2", reason="the anthropic SDK is not installed")
anthropic = pytest.importorskip("anthropic", reason="the anthropic SDK is not installed")


def sdk(body: bytes, content_type: str = "text/event-stream") -> Any:
    """Return a client of the SDK to which every call answers ``body``."""

    def answer(_: Any) -> Any:
        return httpx2.Response(200, content=body, headers={"content-type": content_type})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", http_client=http, max_retries=0)


def accumulated(body: bytes, *, warnings: bool = True) -> dict[str, Any]:
    """Return the message that the SDK adds up out of a stream.

    ``warnings`` False: the stream has blocks that only the SDK's beta types know.
    """
    asked = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}
    with sdk(body).messages.stream(**asked) as stream:
        found: dict[str, Any] = stream.get_final_message().to_dict(warnings=warnings)
    return found

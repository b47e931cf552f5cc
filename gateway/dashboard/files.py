"""The style sheet and scripts of the pages: in memory here, kept by browsers while the same."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.dashboard import library

# What there is, and of which kind. The chart library is built when the project is installed.
KINDS = {
    "style.css": "text/css",
    "charts.js": "text/javascript",
    "live.js": "text/javascript",
    "playground.js": "text/javascript",
    "bills.js": "text/javascript",
    library.NAME: "text/javascript",
}
HEADERS = {"x-content-type-options": "nosniff", "vary": "accept-encoding"}
A_YEAR = "public, max-age=31536000, immutable"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: as it is, packed with gzip, and a mark of what is in it."""

    plain: bytes
    packed: bytes
    mark: str


def address(name: str) -> str:
    """Return where a file is served: an address that changes with what is in it."""
    found = _asset(name)
    return f"/dashboard/static/{name}" + (f"?v={found.mark}" if found is not None else "")


@router.get("/dashboard/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """Return a file of ``KINDS``; nothing in it is anybody's secret."""
    found = _asset(name) if name in KINDS else None
    if found is None:
        return Response(status_code=404, headers=HEADERS)
    # By the address with its mark a file is kept for good, by any other it is asked for again.
    marked = request.query_params.get("v") == found.mark
    headers = {**HEADERS, "etag": f'"{found.mark}"'}
    headers["cache-control"] = A_YEAR if marked else "no-cache"
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    body = found.plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = found.packed, "gzip"
    return Response(body, media_type=KINDS[name], headers=headers)


@lru_cache(maxsize=len(KINDS))
def _asset(name: str) -> Asset | None:
    """Return a file; None where it is not there: the chart library may not have been built."""
    path = library.STATIC / name
    if not path.is_file():
        return None
    plain = path.read_bytes()
    ready = path.with_name(f"{path.name}.gz")
    packed = ready.read_bytes() if ready.is_file() else gzip.compress(plain, 9, mtime=0)
    return Asset(plain, packed, sha256(plain).hexdigest()[:16])

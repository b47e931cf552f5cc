"""An answer that is no answer of its wire: what its status alone still says."""

from __future__ import annotations

from collections.abc import Mapping

from providers.errors import ErrorKind, UpstreamError

EXPLAINED = frozenset({ErrorKind.BAD_REQUEST, ErrorKind.FORBIDDEN, ErrorKind.NOT_FOUND})


def unreadable(
    status: int, by_status: Mapping[int, ErrorKind], wire: str = "this wire"
) -> UpstreamError:
    """Return the fault of a body in which no error can be read.

    ``by_status`` is the wire's own table, ``wire`` what to call it.
    """
    if status < 400:
        return UpstreamError(
            ErrorKind.MALFORMED, f"HTTP {status}: not an answer of {wire}", status=status
        )
    kind = by_status.get(status, ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)
    if kind in EXPLAINED:
        # No host explains a refusal without a body of its wire: a proxy or a wrong address did.
        kind = ErrorKind.MALFORMED
    return UpstreamError(kind, f"HTTP {status} without a readable error", status=status)

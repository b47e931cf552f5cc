"""Every way in which we refuse a call: code, HTTP status and type, in one table.

A ``Refusal`` is what the client reads; its message says which rule, budget, field or route, and
what would help. The wire of the asker writes the body.
"""

from __future__ import annotations

from providers.errors import ErrorKind, UpstreamError

# code -> (HTTP status, type on the wire)
CODES = {
    "policy_denied": (403, "policy_error"),
    "budget_exceeded": (402, "budget_error"),
    "rate_limited": (429, "rate_limit_error"),
    "no_healthy_route": (503, "upstream_error"),
    "unknown_model": (404, "invalid_request_error"),
    "previous_response_not_found": (404, "invalid_request_error"),
    "unsupported_parameter": (400, "invalid_request_error"),
    "thread_unsupported_request": (400, "invalid_request_error"),
    "context_too_long": (400, "invalid_request_error"),
    "upstream_error": (502, "upstream_error"),
    "insufficient_quota": (429, "insufficient_quota"),
    "upstream_timeout": (504, "upstream_error"),
    "invalid_request": (400, "invalid_request_error"),
    "invalid_key": (401, "authentication_error"),
    "request_too_large": (413, "invalid_request_error"),
    "request_timeout": (408, "invalid_request_error"),
    "not_found": (404, "invalid_request_error"),
    "method_not_allowed": (405, "invalid_request_error"),
    "ledger_unavailable": (503, "server_error"),
    "forbidden_origin": (403, "authentication_error"),
    "internal_error": (500, "server_error"),
}


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A call that gets no answer from a model.

    ``code`` is a key of ``CODES``. ``param`` names the field at fault. ``retry_after_s`` becomes
    the Retry-After header. ``passed_on`` is a host's own error (status, media type, body) that the
    client gets as it came, because the fault is the request's and the host says it best.
    ``may_retry`` False tells SDKs not to send it again; ``upstream_id`` is the host's id of the
    call.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        status: int | None = None,
        passed_on: tuple[int, str, bytes] | None = None,
        may_retry: bool = True,
        upstream_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.status = status or CODES.get(code, CODES["invalid_request"])[0]
        self.type = CODES.get(code, CODES["invalid_request"])[1]
        self.passed_on = passed_on
        self.may_retry = may_retry
        self.upstream_id = upstream_id


def from_upstream(fault: UpstreamError, tried: str) -> Refusal:
    """Return what the client reads when ``fault`` ended the last attempt.

    ``tried`` says in words what each route answered. A fault of the request itself goes to the
    client in the host's own words, and but for a context that is too long with its status and code.
    """
    told = fault.request_id or ""
    if fault.kind is ErrorKind.CONTEXT_TOO_LONG:
        return Refusal("context_too_long", fault.message, upstream_id=told)
    if fault.kind in (ErrorKind.BAD_REQUEST, ErrorKind.FILTERED, ErrorKind.OPAQUE_STATE):
        status = fault.status if fault.status and 400 <= fault.status < 500 else 400
        passed_on = (status, fault.content_type, fault.body) if fault.body else None
        code = fault.code or "invalid_request"
        return Refusal(code, fault.message, status=status, passed_on=passed_on, upstream_id=told)
    wait = fault.retry_after_s
    if fault.kind is ErrorKind.RATE_LIMITED:
        return Refusal("rate_limited", tried, retry_after_s=wait or 1.0, upstream_id=told)
    if fault.kind is ErrorKind.QUOTA:
        # Used up for hours or for good: an SDK that tries again at once only makes it worse.
        return Refusal(
            "insufficient_quota", tried, retry_after_s=wait, may_retry=False, upstream_id=told
        )
    if fault.kind is ErrorKind.OVERLOADED:
        return Refusal(
            "upstream_error", tried, status=503, retry_after_s=wait or 1.0, upstream_id=told
        )
    if fault.kind is ErrorKind.TIMEOUT:
        return Refusal("upstream_timeout", tried, upstream_id=told)
    return Refusal("upstream_error", tried, retry_after_s=wait, upstream_id=told)

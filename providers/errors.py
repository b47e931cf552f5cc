"""What can go wrong at a host, as one small closed set.

    UpstreamError
        connect            no connection, or it was closed before one byte of answer
        timeout            a phase (connect, first byte, between bytes, total) took too long
        rate_limited       too many requests; a wait cures it
        quota              credit or plan used up; a wait of seconds does not cure it
        overloaded         the host has no room now (503, 529)
        server             any other fault of the host (5xx)
        auth               the host refused the credential that our operator configured
        forbidden          the credential is good but may not use this model
        not_found          the host does not know the model or the path
        bad_request        the request itself is wrong: another route will not cure it
        context_too_long   the prompt does not fit this model
        filtered           the host's content filter refused
        opaque_state       a signature or encrypted thought in the request is not the host's own, or
                           not whole: without it the same request is good
        malformed          the answer is not what the wire promises (HTML, broken JSON)
        cut                the answer ended before its end

The router acts on the kind, never on the words of the message.
"""

from __future__ import annotations

from enum import StrEnum

from providers.scrub import scrub


class ErrorKind(StrEnum):
    """The classes that the router tells apart; the module's docstring says what each means."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    OVERLOADED = "overloaded"
    SERVER = "server"
    AUTH = "auth"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_TOO_LONG = "context_too_long"
    FILTERED = "filtered"
    OPAQUE_STATE = "opaque_state"
    MALFORMED = "malformed"
    CUT = "cut"


class UpstreamError(Exception):
    """A fault of one attempt; ``message`` is the host's, without key material.

    ``status`` is the host's HTTP status where there was one, ``code`` its own code,
    ``retry_after_s`` seconds, ``request_id`` the host's id of the call, ``body`` the bytes of its
    answer (bounded by the client) with their ``content_type``. ``of_model``: the host did its work,
    and what the model wrote is no good, which a client may bring about as often as it likes.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        body: bytes | None = None,
        content_type: str = "",
        of_model: bool = False,
    ) -> None:
        message = scrub(message)
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.body = body
        self.content_type = content_type
        self.of_model = of_model

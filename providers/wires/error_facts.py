"""What hosts' errors mean, as data: by status, by code, and by words where there is nothing else.

Codes that mean different things at different hosts do not stand here: a host's own file has them
(``Dialect.error_kinds``). Sources: the hosts' lists of errors, the error bodies that they sent
(recorded, or quoted in public reports), 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from providers.errors import ErrorKind

BY_STATUS: Mapping[int, ErrorKind] = MappingProxyType(
    {
        400: ErrorKind.BAD_REQUEST,
        401: ErrorKind.AUTH,
        402: ErrorKind.QUOTA,
        403: ErrorKind.FORBIDDEN,
        404: ErrorKind.NOT_FOUND,
        405: ErrorKind.NOT_FOUND,
        408: ErrorKind.TIMEOUT,
        410: ErrorKind.NOT_FOUND,
        413: ErrorKind.CONTEXT_TOO_LONG,
        422: ErrorKind.BAD_REQUEST,
        429: ErrorKind.RATE_LIMITED,
        # A model in a trial that the account has no part in.
        434: ErrorKind.FORBIDDEN,
        451: ErrorKind.FILTERED,
        498: ErrorKind.AUTH,
        503: ErrorKind.OVERLOADED,
        504: ErrorKind.TIMEOUT,
        529: ErrorKind.OVERLOADED,
    }
)

_QUOTA = (
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error",
    "exceeded_current_quota_error", "insufficient_balance", "insufficient_balance_error",
    "insufficient_credits", "insufficient_user_quota", "access_terminated_error", "Arrearage",
    "AccountOverdueError", "AccountQuotaExceeded", "QuotaExceeded", "SetLimitExceeded",
    "AllocationQuota.FreeTierOnly", "account_overdue_error", "request_limit_exceeded",
    # Money or a plan's window used up, by number.
    "1008", "1113", "1304", "1308", "1309", "1310", "2056", "30001",
)  # fmt: skip
_RATE = (
    "rate_limit_exceeded", "rate_limit_error", "rate_limit_reached_error", "RateLimitReached",
    "too_many_requests_error", "TooManyRequests", "request_quota_exceeded", "token_quota_exceeded",
    "Throttling", "RateLimitExceeded", "AccountRateLimitExceeded", "RequestBurstTooFast",
    "ModelAccountRpmRateLimitExceeded", "ModelAccountTpmRateLimitExceeded",
    "APIAccountRpmRateLimitExceeded", "ModelAccountIpmRateLimitExceeded", "limit_requests",
    "limit_burst_rate", "limit_tokens", "rpm_rate_limit_exceeded", "tpm_rate_limit_exceeded",
    "service_tier_capacity_exceeded", "1039", "1041", "1302", "1303", "2045",
)  # fmt: skip
_OVERLOADED = (
    "overloaded_error", "engine_overloaded_error", "server_is_overloaded", "slow_down",
    "ServerOverloaded", "queue_exceeded", "over_capacity", "model_overloaded", "NoCapacity",
    "1120", "1305", "1312",
)  # fmt: skip
_TOO_LONG = (
    "context_length_exceeded", "exceed_context_size_error", "context_window_exceeded",
    "request_too_large", "tokens_too_long", "prompt_tokens_too_long", "1261",
)  # fmt: skip
_FILTERED = (
    "content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation",
    "DataInspectionFailed", "data_inspection_failed", "SensitiveContentDetected",
    "InputTextSensitiveContentDetected", "InputImageSensitiveContentDetected",
    "OutputTextSensitiveContentDetected", "content_moderation", "1026", "1027", "1301",
)  # fmt: skip
_AUTH = (
    "invalid_api_key", "authentication_error", "incorrect_api_key_error", "invalid_key",
    "invalid_authentication_error", "wrong_api_key", "InvalidApiKey", "AuthenticationError",
    "invalid_iam_token", "account_deactivated", "InvalidAccountStatus", "2049",
)  # fmt: skip
_FORBIDDEN = (
    "permission_error", "permission_denied_error", "insufficient_permissions", "AccessDenied",
    "access_denied", "unsupported_country_region_territory", "model_access_denied",
    "multimodal_not_enabled", "1311",
)  # fmt: skip
_NOT_FOUND = (
    "model_not_found", "model_not_available", "model_decommissioned", "ModelNotFound",
    "resource_not_found_error", "not_found_error", "DeploymentNotFound", "InvalidEndpointOrModel",
    "ModelNotOpen", "UnsupportedModel", "invalid_model", "not_supported_error", "1211",
)  # fmt: skip
_STATE = ("invalid_encrypted_content", "invalid_thinking_signature")
# The model wrote what its host could not read as a call or as the JSON asked for: not the client's
# fault, and the next try may be good.
_MALFORMED = ("tool_use_failed", "json_validate_failed", "output_parse_failed")
_BAD = ("2013", "1042", "1210", "1213", "1214", "1215")
_SERVER = ("1013", "1024", "1033", "1230", "1234")

BY_CODE: Mapping[str, ErrorKind] = MappingProxyType(
    {
        code: kind
        for kind, codes in (
            (ErrorKind.QUOTA, _QUOTA),
            (ErrorKind.RATE_LIMITED, _RATE),
            (ErrorKind.OVERLOADED, _OVERLOADED),
            (ErrorKind.CONTEXT_TOO_LONG, _TOO_LONG),
            (ErrorKind.FILTERED, _FILTERED),
            (ErrorKind.AUTH, _AUTH),
            (ErrorKind.FORBIDDEN, _FORBIDDEN),
            (ErrorKind.NOT_FOUND, _NOT_FOUND),
            (ErrorKind.OPAQUE_STATE, _STATE),
            (ErrorKind.MALFORMED, _MALFORMED),
            (ErrorKind.BAD_REQUEST, _BAD),
            (ErrorKind.SERVER, _SERVER),
        )
        for code in codes
    }
)
# Words so general that a status says more; they count for an error inside a 200.
BY_GENERAL_CODE: Mapping[str, ErrorKind] = MappingProxyType(
    {
        "server_error": ErrorKind.SERVER,
        "internal_server_error": ErrorKind.SERVER,
        "api_error": ErrorKind.SERVER,
        "timeout_error": ErrorKind.TIMEOUT,
        "invalid_request_error": ErrorKind.BAD_REQUEST,
        "bad_request_error": ErrorKind.BAD_REQUEST,
        "BadRequestError": ErrorKind.BAD_REQUEST,
        "invalid_parameter_error": ErrorKind.BAD_REQUEST,
    }
)

Words = tuple[tuple[tuple[str, ...], ErrorKind], ...]

# Words of a message, in lower case, that say more than any code: all of a line's must stand there.
STRONG_WORDS: Words = (
    # At 429, 402 and 500: money that no retry brings.
    (("insufficient balance",), ErrorKind.QUOTA),
    (("credit balance is too low",), ErrorKind.QUOTA),
    (("usage limit reached",), ErrorKind.QUOTA),
    (("usage limit exceeded",), ErrorKind.QUOTA),
    (("spend limit",), ErrorKind.QUOTA),
    (("payment is past due",), ErrorKind.QUOTA),
    (("quota has been exhausted",), ErrorKind.QUOTA),
    (("monthly included credits",), ErrorKind.QUOTA),
    # A 429 or 413 under the code of every rate limit: larger than the limit of a whole minute.
    (("request too large",), ErrorKind.CONTEXT_TOO_LONG),
    (("model access is disabled",), ErrorKind.FORBIDDEN),
)
# The same, where the codes say nothing, by status: 400 and its like, refusals, limits, faults.
_TOO_LONG_WORDS: Words = tuple(
    (words, ErrorKind.CONTEXT_TOO_LONG)
    for words in (
        ("context", "length"), ("context size",), ("context window",), ("n_ctx",),
        ("prompt is too long",), ("exceed context limit",), ("input is too long",),
        ("too large to process",), ("longer than the model",), ("input token count",),
        ("maximum number of tokens",), ("prompt tokens too long",),
        # What was left of the window for the answer is less than nothing.
        ("max_tokens must be at least 1, got -",),
    )
)  # fmt: skip
_STATE_WORDS: Words = (
    (("signature", "thinking"), ErrorKind.OPAQUE_STATE),
    (("thought", "signature"), ErrorKind.OPAQUE_STATE),
    (("thinking", "cannot be modified"), ErrorKind.OPAQUE_STATE),
    (("encrypted content", "verif"), ErrorKind.OPAQUE_STATE),
    (("encrypted content", "decrypt"), ErrorKind.OPAQUE_STATE),
    (("encrypted_content", "invalid"), ErrorKind.OPAQUE_STATE),
    # Items of thought that the host keeps by id, or that came without what they led to.
    (("item", "'rs_", "not found"), ErrorKind.OPAQUE_STATE),
    (("of type 'reasoning' was provided without",), ErrorKind.OPAQUE_STATE),
)
_KEY_WORDS: Words = tuple(
    (words, ErrorKind.AUTH)
    for words in (
        ("incorrect api key",), ("invalid api key",), ("api key is invalid",),
        ("api key not valid",), ("api-key you provided",), ("invalid credentials",),
        ("invalid authentication",), ("authentication fails",),
    )
)  # fmt: skip
_FILTER_WORDS: Words = (
    (("datainspectionfailed",), ErrorKind.FILTERED),
    (("inappropriate content",), ErrorKind.FILTERED),
    (("content violates",), ErrorKind.FILTERED),
    (("content management policy",), ErrorKind.FILTERED),
)
_MODEL_WORDS: Words = (
    (("model", "does not exist"), ErrorKind.NOT_FOUND),
    (("not a valid model",), ErrorKind.NOT_FOUND),
    (("invalid model",), ErrorKind.NOT_FOUND),
    (("model not found",), ErrorKind.NOT_FOUND),
    (("supported api model names",), ErrorKind.NOT_FOUND),
)
_REFUSED: Words = _TOO_LONG_WORDS + _STATE_WORDS + _FILTER_WORDS
_LIMITED: Words = ((("per-day",), ErrorKind.QUOTA), (("per day", "free"), ErrorKind.QUOTA))
# Some servers answer a client's mistake with a 500.
_FAULTY: Words = (((" input is not supported",), ErrorKind.BAD_REQUEST), *_TOO_LONG_WORDS)

WORDS: Mapping[int, Words] = MappingProxyType(
    {
        # An error inside a 200.
        0: _REFUSED,
        400: _REFUSED + _MODEL_WORDS + _KEY_WORDS,
        403: (*_FILTER_WORDS, *_KEY_WORDS, (("invalid token",), ErrorKind.AUTH)),
        404: _STATE_WORDS,
        413: _TOO_LONG_WORDS,
        422: _REFUSED,
        429: _LIMITED,
        500: _FAULTY,
    }
)


def by_words(message: str, status: int | None) -> ErrorKind | None:
    """Return what a message (lower case) says at a status; None where it says no more than that."""
    return _first(message, WORDS.get(min(status or 0, 500), ()))


def by_strong_words(message: str) -> ErrorKind | None:
    """Return what a message (lower case) says at any status and under any code."""
    return _first(message, STRONG_WORDS)


def _first(message: str, words: Words) -> ErrorKind | None:
    for needles, kind in words:
        if all(needle in message for needle in needles):
            return kind
    return None


def by_code(codes: list[str]) -> ErrorKind | None:
    """Return what the first known code means; what is finer stands behind a dot."""
    for code in codes:
        found = BY_CODE.get(code) or BY_CODE.get(code.partition(".")[0])
        if found is not None:
            return found
    return None

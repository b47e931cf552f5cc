"""How long a host wants us to wait, in whichever of its ways it says so.

It may say it in ``retry-after``, in the reset of the limit that was reached, or in words alone. All
waits are seconds, at least 0 and at most a day.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

RETRY_AFTER_MAX_S = 24 * 3600.0

UNITS = {
    "ms": 0.001, "millisecond": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0,
    "minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip
# Larger numbers are points in time: seconds, or milliseconds, since 1970.
EPOCH_S = 1e9
EPOCH_MS = 1e12
WORDS_MAX_CHARS = 2000

_STEP = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?([a-z]{1,11})[ ,]{0,2}", re.ASCII)
_NUMBER = re.compile(r"\d{1,16}(?:\.\d{1,9})?", re.ASCII)
# What follows one of these is a span or a point of time.
_CUE = re.compile(
    r"(?:try again in|retry in|retry after|retry_after|resets? in|resets? at|reset after"
    r"|available in|wait for|please wait|again after|again at)[ :]{1,3}(?=\d)"
    r"|将在 ?(?=\d)",
    re.IGNORECASE,
)
_STAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d(?!\d))?", re.ASCII
)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that ``retry-after-ms`` or ``retry-after`` asks for, in seconds.

    RFC 9110 §10.2.3: a number of seconds or an HTTP date. None where neither is readable.
    """
    milliseconds = _plain(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, RETRY_AFTER_MAX_S)
    text = headers.get("retry-after")
    seconds = _plain(text)
    if seconds is not None:
        return min(seconds, RETRY_AFTER_MAX_S)
    return span(text) if text else None


def reset_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait until the last of the limits that were reached is reset; None for none.

    The names of limits differ from host to host, in order as well (``x-ratelimit-reset-tokens``,
    ``…-ratelimit-tokens-reset``): only the pair of ``reset`` and ``remaining`` is alike.
    """
    waits = []
    alone = []
    for name, value in headers.items():
        if "ratelimit" not in name or "reset" not in name:
            continue
        wait = span(value)
        if wait is None:
            continue
        left = headers.get(name.replace("reset", "remaining"))
        if left is None:
            alone.append(wait)
        elif _plain(left) == 0:
            waits.append(wait)
    found = waits or alone
    return max(found) if found else None


def spent_for(headers: Mapping[str, str]) -> float:
    """Return for how long a limit is used up by the headers of a good answer; 0: none is.

    Unlike ``reset_after`` it takes nothing for used up but what says so: ``remaining`` is 0 of a
    limit that is not 0 itself, which hosts send for "no limit".
    """
    longest = 0.0
    if "0" not in headers.values():
        # Looked at with every answer, of which most say that some is left.
        return longest
    for name, value in headers.items():
        if value == "0" and "remaining" in name and "ratelimit" in name:
            wait = span(headers.get(name.replace("remaining", "reset"), ""))
            if wait and headers.get(name.replace("remaining", "limit")) != "0":
                longest = max(longest, wait)
    return longest


def wait_in_words(message: str, zone_hours: float = 0.0) -> float | None:
    """Return the wait that a message names ("Please try again in 18.6s", "resets in 3 hours").

    In English, and in the words of hosts in China ("您的限额将在 2026-08-25 07:41:44 重置").

    ``zone_hours`` is how far east of UTC the clock stands by which the host tells times.
    """
    cue = _CUE.search(message[:WORDS_MAX_CHARS])
    return span(message[cue.end() : cue.end() + 64], zone_hours) if cue else None


def told_wait(headers: Mapping[str, str], message: str, zone_hours: float = 0.0) -> float | None:
    """Return the wait that a host asks for in headers or words; None where it names none."""
    for found in (retry_after(headers), reset_after(headers)):
        if found is not None:
            return found
    return wait_in_words(message, zone_hours)


def span(text: str, zone_hours: float = 0.0) -> float | None:
    """Return the seconds from now that ``text`` begins with; None where it names no time.

    Seconds, spans (``1m30s``, ``250ms``, "3 hours 5 minutes"), points of time since 1970, RFC 3339
    with or without its zone, and HTTP dates.
    """
    text = text.strip()
    stamp = _STAMP.match(text)
    if stamp:
        return _until(_moment(stamp.group(), zone_hours))
    steps = _steps(text.lower())
    if steps:
        return min(sum(steps), RETRY_AFTER_MAX_S)
    number = _NUMBER.match(text)
    if number:
        return _of_number(float(number.group()))
    try:
        return _until(email.utils.parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _steps(text: str) -> list[float]:
    found: list[float] = []
    step = _STEP.match(text)
    while step is not None:
        unit = UNITS.get(step[2]) or UNITS.get(step[2].removesuffix("s"))
        if unit is None:
            break
        found.append(float(step[1]) * unit)
        step = _STEP.match(text, step.end())
    return found


def _of_number(value: float) -> float:
    if value >= EPOCH_MS:
        value /= 1000
    if value >= EPOCH_S:
        value = max(0.0, value - datetime.now(UTC).timestamp())
    return min(value, RETRY_AFTER_MAX_S)


def _moment(text: str, zone_hours: float) -> datetime | None:
    try:
        # Some hosts set the zone apart: "23:59:59 +0800 CST".
        found = datetime.fromisoformat(text[:11] + text[11:].replace(" ", ""))
        if found.tzinfo is None:
            found = found.replace(tzinfo=timezone(timedelta(hours=zone_hours)))
    except ValueError:
        return None
    return found


def _until(when: datetime | None) -> float | None:
    if when is None:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - datetime.now(UTC)).total_seconds()), RETRY_AFTER_MAX_S)


def _plain(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None

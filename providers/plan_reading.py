"""How the vendor's own word on a plan is read: what is left of each window, from answer or headers.

Pure: nothing here asks anybody. What cannot be read says nothing, and no figure is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import msgspec

from providers.plan import Path, WindowTold

WINDOWS_MOST = 16  # of one answer
DIGITS_MOST = 24
SHARE_MOST = 1000  # times the whole; a figure beyond it is a mistake
MS_FROM = 10**11  # a number of seconds is below it for three thousand years, of milliseconds above
MINUTES = {"minute": 1, "hour": 60, "day": 1440, "week": 10_080}
HOUR, DAY = 60, 1440


@dataclass(frozen=True, slots=True)
class Told:
    """How much of one window is used by the vendor's own word: ``share`` is 1 where it is full.

    ``resets_at`` is when it begins anew, in seconds since 1970; None where that was not said.
    """

    per: str
    share: Fraction
    resets_at: float | None


def answer_told(rules: Iterable[WindowTold], raw: bytes) -> tuple[Told, ...]:
    """Return what the answer of a plan's own endpoint says; nothing where it is no JSON."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    return told(rules, said)


def told(rules: Iterable[WindowTold], said: Any) -> tuple[Told, ...]:
    """Return the windows that an answer (or a mapping of headers) tells of, each length once."""
    found: dict[str, Told] = {}
    for rule in rules:
        for element in _elements(rule, said):
            one = _window(rule, element)
            if one is not None and len(found) < WINDOWS_MOST:
                found.setdefault(one.per, one)
    return tuple(found.values())


def _elements(rule: WindowTold, said: Any) -> Iterator[Any]:
    if rule.each is None:
        yield said
        return
    rows = _at(said, rule.each)
    for row in rows[:WINDOWS_MOST] if isinstance(rows, list) else ():
        if isinstance(row, Mapping) and all(
            str(row.get(name)) == value for name, value in (rule.only or {}).items()
        ):
            yield row


def _window(rule: WindowTold, said: Any) -> Told | None:
    per, share = _per(rule, said), _share(rule, said)
    if not per or share is None:
        return None
    return Told(per, share, _moment(_at(said, rule.resets_at)))


def _per(rule: WindowTold, said: Any) -> str:
    if rule.per:
        return rule.per
    number = _number(_at(said, rule.number))
    unit = (rule.units or {}).get(str(_at(said, rule.unit)), "")
    if not unit or number is None or number.denominator != 1 or not 1 <= number <= 10_000:
        return ""
    if unit == "month":
        return f"{number}month"
    minutes = int(number) * MINUTES[unit]
    if minutes % DAY == 0:
        return f"{minutes // DAY}d"
    return f"{minutes // HOUR}h" if minutes % HOUR == 0 else ""


def _share(rule: WindowTold, said: Any) -> Fraction | None:
    """Return how much is used: from counts where there are any, which are finer than percents."""
    limit, used = _number(_at(said, rule.limit)), _number(_at(said, rule.used))
    left = _number(_at(said, rule.left))
    found: Fraction | None = None
    if limit is not None and limit > 0 and used is not None:
        found = used / limit
    elif limit is not None and limit > 0 and left is not None:
        found = 1 - left / limit
    elif (percent := _number(_at(said, rule.used_percent))) is not None:
        found = percent / 100
    elif (percent := _number(_at(said, rule.left_percent))) is not None:
        found = 1 - percent / 100
    else:
        found = _number(_at(said, rule.used_share))
    if found is None or found > SHARE_MOST:
        return None
    return max(found, Fraction(0))


def _at(said: Any, path: Path | None) -> Any:
    for step in path or ("",):
        if not isinstance(said, Mapping):
            return None
        said = said.get(step)
    return said


def _number(value: Any) -> Fraction | None:
    """Return a number that stands as such or as text, exactly as it was written."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    if not text or len(text) > DIGITS_MOST:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or abs(number.adjusted()) > DIGITS_MOST:
        return None
    return Fraction(number)


def _moment(value: Any) -> float | None:
    """Return a moment: seconds or milliseconds since 1970, or a date with its offset."""
    number = _number(value)
    if number is not None:
        seconds = float(number) if number < MS_FROM else float(number / 1000)
        return seconds if seconds > 0 else None
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    # Without an offset nobody knows whose clock it is.
    return when.timestamp() if when.tzinfo is not None else None

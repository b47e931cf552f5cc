"""E-mail addresses and telephone numbers."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from routing.detectors.numbers import Rule, Scan, cue
from routing.detectors.pattern import Pattern

EMAIL, PHONE = "email", "phone"

# --- e-mail ---

# From the sign on, so that a text without one costs a single search for a character.
_DOMAIN = Pattern(r"@(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_LOCAL = Pattern(r"[\w.!#$%&'*+=?^`{|}~-]{1,64}\Z")
_LOCAL_MOST, _URL_MOST = 64, 200
# What stands before a sign in the addresses of repositories, which are nobody's mail.
_NO_PERSON = frozenset({"git", "svn", "hg"})


def emails(seen: Scan) -> Iterator[str]:
    """Give the kind for each address; a URL's user, `git@host` and `package@1.2` are none."""
    for domain in _DOMAIN().finditer(seen.text):
        at = domain.start()
        local = _LOCAL().search(seen.text[max(0, at - _LOCAL_MOST) : at])
        if local is None or local.group() in _NO_PERSON or local.group()[-1] == ".":
            continue
        begin = at - len(local.group())
        word = seen.text[max(0, begin - _URL_MOST) : begin].rpartition(" ")[2]
        if "/" in word.rpartition("://")[2] or "://" not in word:
            yield EMAIL


# --- telephone ---

# Country codes of ITU-T E.164 as the metadata of libphonenumber has them (phonenumbers 9.0.43, read
# 2026-11-26): of one digit, of two, and the first two digits of those with three, of which a few
# are not given out.
_ONE = frozenset("17")
_TWO_TEXT = (
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 "
    "64 65 66 81 82 84 86 90 91 92 93 94 95 98"
)
_TWO = frozenset(_TWO_TEXT.split())
_THREE_TEXT = "21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99"
_THREE = frozenset(_THREE_TEXT.split())
_USUAL = (6, 12)  # digits after a country code
# Where a country's own numbers are of fewer lengths: of the same source, without short numbers.
_LENGTHS = MappingProxyType(
    {
        "1": (10, 10), "7": (10, 10), "33": (9, 9), "34": (9, 9), "31": (9, 9), "32": (8, 9),
        "41": (9, 9), "44": (9, 10), "45": (8, 8), "46": (7, 9), "47": (8, 8), "48": (9, 9),
        "351": (9, 9), "420": (9, 9), "30": (10, 10), "91": (10, 10), "86": (9, 11),
        "81": (9, 10), "82": (8, 10), "55": (10, 11), "52": (10, 10), "61": (9, 9), "90": (10, 10),
        "380": (9, 9),
    }
)  # fmt: skip
_PLUS = Pattern(r"\+(?<![\w+/=]\+)\(?[1-9](?:[ ./()-]{0,2}[0-9]){6,14}(?![0-9A-Za-z])")
# With the area in brackets: (415) 555-2671, (030) 1234567, (11) 91234-5678.
_BRACKETS = Pattern(r"\(0?[1-9][0-9]{1,4}\) ?[0-9]{3,8}(?:[ -]?[0-9]{2,5}){0,2}(?![0-9])")
_BRACKETS_DIGITS = range(9, 13)


def phones(seen: Scan) -> Iterator[str]:
    """Give the kind for each number with its country or with its area in brackets."""
    for found in _PLUS().finditer(seen.text):
        if international("".join(filter(str.isdigit, found.group()))):
            yield PHONE
    for found in _BRACKETS().finditer(seen.text):
        digits = "".join(filter(str.isdigit, found.group()))
        before = seen.mask[max(0, found.start() - 2) : found.start()].rstrip()
        # Behind a country's code it was counted, behind another number it is a sum.
        if len(digits) not in _BRACKETS_DIGITS or before[-1:] == b"0":
            continue
        # Without a dash or a leading zero it is a call with a number, or a year in brackets.
        if digits[0] == "0" or "-" in found.group():
            yield PHONE


def international(digits: str) -> bool:
    """Whether digits are a country's code and as many more as its numbers have."""
    code = next(
        (
            digits[:size]
            for size, known in ((1, _ONE), (2, _TWO), (3, _THREE))
            if digits[: min(size, 2)] in known
        ),
        "",
    )
    least, most = _LENGTHS.get(code, _USUAL)
    # Behind the code some write the zero of calls at home, in brackets or not.
    own = digits[len(code) :].removeprefix("0")
    if not code or not least <= len(own) <= most or len(set(own)) < 2:
        return False
    return code != "1" or _american(own)


def _american(digits: str) -> bool:
    return len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789"


def _abroad(digits: str) -> bool:
    return digits[:2] == "00" and digits[2] != "0" and international(digits[2:])


def _at_home(digits: str) -> bool:
    return digits[0] == "0" and digits[1] != "0" and len(set(digits)) > 3


def _any(digits: str) -> bool:
    return 7 <= len(digits) <= 13 and len(set(digits)) > 2


_CUE = cue(
    r"(?:tele|smart|cell)?phones?", r"phone[ _-]?n(?:umbe|o)?r?", "telefon[eo]?", "telefoon", "tel",
    "t[ée]l[ée]phone", "t[ée]l", "mobile?", "handy(?:nummer)?", "cell(?:ulare?)?", "celular",
    "portable", "m[óo]vil", "fax", "whatsapp", "sms", "msisdn", "puhelin",
    "电话", "電話", "手机", "手機", "携帯",
)  # fmt: skip
_PAIRS = ("00 00 00 00 00", "00.00.00.00.00", "00-00-00-00-00")
_AMERICAN = ("000-000-0000", "000.000.0000")
# Numbers as they are called within a country, from their zero on.
_FROM_ZERO = (
    *(f"{'0' * area}{sign}{'0' * rest}" for area in (3, 4, 5) for sign in " -/"
      for rest in (6, 7, 8) if 10 <= area + rest <= 12),
    "000 0000 0000", "000-0000-0000", "00-0000-0000", "00 0000 0000", "0000 000 0000",
    "0000 000 000", "00000 000 000", "0000 00 00 00", "000 000 00 00", "000/000 00 00",
)  # fmt: skip
_BESIDE = (
    *("0" * size for size in range(7, 14)), *_FROM_ZERO, *_AMERICAN, "000-0000", "000 0000",
    "0000 0000", "0000-0000", "00000 00000", "000 000 000", "000 000 0000", "00 00 00 00",
    "000 00 000", "00000 000000", "000 0000 0000",
)  # fmt: skip


def rules() -> Iterator[tuple[str, Rule]]:
    """Give the shapes of numbers within a country, and those that count beside a cue word only."""
    yield from ((shape, Rule(PHONE, _at_home)) for shape in (*_PAIRS, *_FROM_ZERO))
    yield from ((shape, Rule(PHONE, _american)) for shape in _AMERICAN)
    for size in range(10, 15):
        yield "0" * size, Rule(PHONE, _abroad, _CUE, after=0)
    near = Rule(PHONE, _any, _CUE, before=24, after=0)
    yield from ((shape, near) for shape in dict.fromkeys(_BESIDE))

"""Bank accounts and payment cards."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from routing.detectors import check_digits
from routing.detectors.numbers import Rule, Scan, cue
from routing.detectors.pattern import Pattern

IBAN, CARD = "iban", "card"

# Signs in all, by country: the registry of ISO 13616 (SWIFT, release 101, as python-stdnum 2.2
# carries it, read 2026-11-26).
_LENGTHS_TEXT = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 "
    "HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 "
    "ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
    "RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
LENGTHS = MappingProxyType({word[:2]: int(word[2:]) for word in _LENGTHS_TEXT.split()})
_WRITTEN_MOST = 44  # the longest, with a sign between each four
_BETWEEN = Pattern(r"[ -]")
_ACCOUNT = Pattern(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,29}")


def ibans(seen: Scan) -> Iterator[str]:
    """Give the kind for each account number of a country's length whose check digits are right."""
    mask, at = seen.mask, seen.mask.find(b"AA00")
    while at >= 0:
        if mask[max(0, at - 1) : at] not in (b"A", b"0") and _is_iban(seen, at):
            yield IBAN
        at = mask.find(b"AA00", at + 4)


def _is_iban(seen: Scan, at: int) -> bool:
    size = LENGTHS.get(seen.text[at : at + 2].upper())
    found = _ACCOUNT().match(seen.text[at : at + _WRITTEN_MOST].upper())
    if size is None or found is None:
        return False
    # What follows in words of its own may look as if it went on.
    places = [place for place, sign in enumerate(found.group(), 1) if sign not in " -"]
    if len(places) < size:
        return False
    taken = places[size - 1]
    goes_on = seen.mask[at + taken : at + taken + 1] in (b"A", b"0")
    return not goes_on and check_digits.iban(_BETWEEN().sub("", found.group()[:taken]))


# --- cards ---

# First digits of the networks' ranges, by length: those of github.com/braintree/credit-card-type
# (src/lib/card-types.ts at 0bac61c0, read 2026-11-26), of Maestro some only. General knowledge, no
# document read: Visa's old thirteen digits, and the ranges 60, 82 and 508.
_RANGES: tuple[tuple[int, int, int], ...] = (
    (14, 300, 305), (14, 36, 36), (14, 38, 39), (15, 34, 34), (15, 37, 37),
    (16, 4, 4), (16, 51, 55), (16, 2221, 2720), (16, 6011, 6011), (16, 644, 649), (16, 65, 65),
    (16, 62, 62), (16, 3528, 3589), (16, 2200, 2204), (16, 60, 60), (16, 81, 82), (16, 508, 508),
    (16, 5018, 5018), (16, 5020, 5020), (16, 5038, 5038), (16, 6304, 6304), (16, 6759, 6763),
    (17, 62, 62), (18, 62, 62), (19, 62, 62), (19, 4, 4), (19, 6011, 6011), (13, 4, 4),
)  # fmt: skip
_CUE = cue(
    "card", r"credit[ _-]?card", r"debit[ _-]?card", "kreditkarte", "karte", "carte", "tarjeta",
    "carta", "cc", "pan", "visa", "卡号", "银行卡",
)  # fmt: skip
_ALONE = (
    "0" * 14, "0" * 15, "0" * 16, "0000 0000 0000 0000", "0000-0000-0000-0000",
    "0000.0000.0000.0000", "0000 000000 00000", "0000-000000-00000", "0000 000000 0000",
    "0000-000000-0000",
)  # fmt: skip
_BESIDE = (
    "0" * 13, "0" * 17, "0" * 18, "0" * 19, "000000 0000000000000", "0000 0000 0000 0000 000",
    "0000-0000-0000-0000-000",
)  # fmt: skip


def card(digits: str) -> bool:
    """Whether a network gives out such a number, and its last digit is right."""
    known = any(
        size == len(digits) and low <= int(digits[: len(str(low))]) <= high
        for size, low, high in _RANGES
    )
    return known and check_digits.luhn(digits)


def rules() -> Iterator[tuple[str, Rule]]:
    """Give the shapes of cards; rare lengths and numbers in lists count beside a cue word only."""
    alone, beside = Rule(CARD, card), Rule(CARD, card, _CUE, listed=True)
    yield from ((shape, alone) for shape in _ALONE)
    yield from ((shape, beside) for shape in (*_ALONE, *_BESIDE))

"""National id numbers: how each is written, its check, and the words that it needs beside it.

A form whose check alone would take one number in fifty for an id, or that has none, counts only
beside a cue word; so logs and code stay quiet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from routing.detectors import check_digits as checks
from routing.detectors.numbers import Rule, Scan, cue
from routing.detectors.pattern import Pattern

KIND = "national_id"
_ANY = (
    r"national[ _-]?(?:id|identity|insurance)", r"tax[ _-]?(?:id|number|payer)",
    r"social[ _-]?security", r"personal[ _-]?id(?:entity|entification)?", r"id[ _-]?card",
    r"identity[ _-]?(?:card|number)", "ausweis", "steuernummer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IdNumber:
    """One country's number: shapes that count by themselves, and shapes that need a cue word."""

    name: str
    valid: Callable[[str], bool]
    alone: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()


NUMBERS = (
    IdNumber("de_tax", checks.steuer_id, ("0" * 11, "00 000 000 000")),
    IdNumber("fr_nir", checks.nir, ("0" * 15, "0 00 00 00 000 000 00", "0000000000000 00")),
    IdNumber("es_dni", checks.dni, ("00000000A", "00000000-A")),
    IdNumber("es_nie", checks.dni, ("A0000000A", "A-0000000-A", "A0000000-A")),
    IdNumber("nl_bsn", checks.bsn, (), ("0" * 9, "0000.00.000", "000 000 000"),
             ("bsn", "burgerservicenummer", "sofi-?nummer")),
    IdNumber("be_national", checks.belgian, ("0" * 11, "00.00.00-000.00", "000000-000-00")),
    IdNumber("pl_pesel", checks.pesel, (), ("0" * 11,), ("pesel",)),
    IdNumber("pt_nif", checks.nif, (), ("0" * 9, "000 000 000"), ("nif", "contribuinte")),
    IdNumber("se_personnummer", checks.personnummer, ("000000-0000", "00000000-0000"),
             ("0" * 10, "0" * 12), ("personnummer", "personnr", "samordningsnummer",
             r"personal[ _-]?number")),
    IdNumber("fi_hetu", checks.hetu,
             ("000000-000A", "000000-0000", "000000A000A", "000000A0000")),
    IdNumber("dk_cpr", checks.cpr, (), ("000000-0000", "0" * 10), ("cpr(?:-?n(?:umme)?r)?",
             "personnummer")),
    IdNumber("at_svnr", checks.svnr, ("0000 000000",), ("0" * 10, "0000-000000"),
             ("sv-?nr", "sv-nummer", r"(?:sozial)?versicherungsnummer")),
    IdNumber("ch_ahv", checks.ahv, ("000.0000.0000.00", "0" * 13)),
    IdNumber("uk_nhs", checks.nhs, (), ("000 000 0000", "000-000-0000", "0" * 10),
             ("nhs", "national health")),
    IdNumber("uk_nino", checks.nino, ("AA 00 00 00 A",), ("AA000000A", "AA 000000 A"),
             ("nino", "ni number", r"n\.?i\.? ?no")),
    IdNumber("us_ssn", checks.ssn, ("000-00-0000",), ("0" * 9, "000 00 0000"),
             ("ssn", r"soc(?:ial)? sec(?:urity)?")),
    IdNumber("cn_resident", checks.chinese, ("0" * 18, "0" * 17 + "A")),
    IdNumber("br_cpf", checks.cpf, ("000.000.000-00",), ("0" * 11, "000000000-00"), ("cpf",)),
    IdNumber("in_aadhaar", checks.aadhaar, ("0000 0000 0000", "0000-0000-0000"), ("0" * 12,),
             ("aadhaa?r", "uidai", "uid", "आधार")),
)  # fmt: skip

# These have too few digits together to be met as numbers: they are looked for by other means.
_CODICE = b"AAAAAA00A00A000A"
_CARD_WORD = Pattern("ausweis|reisepass", re.IGNORECASE)
# Stands in each of those words, in none that is frequent, and is found without a pattern.
_IN_CARD_WORD, _CARD_WORD_CHARS = (b"eis", b"EIS"), 9
_CARD_NEAR = 64
_CARD = Pattern(r"(?<![A-Z0-9])[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}[0-9]?(?![A-Z0-9])")


def rules(numbers: Iterable[IdNumber] = NUMBERS) -> Iterator[tuple[str, Rule]]:
    """Give each shape with its rule."""
    for number in numbers:
        beside = Rule(KIND, number.valid, cue(*number.cues, *_ANY))
        alone = Rule(KIND, number.valid)
        yield from ((shape, alone) for shape in number.alone)
        yield from ((shape, beside) for shape in number.beside)


def by_other_means(seen: Scan) -> Iterator[str]:
    """Give the kind for each Italian tax code and each German identity card or passport."""
    at = seen.mask.find(_CODICE)
    while at >= 0:
        end = at + len(_CODICE)
        beside = seen.mask[max(0, at - 1) : at] + seen.mask[end : end + 1]
        if not beside.strip(b"\n -./+") and checks.codice_fiscale(seen.text[at:end]):
            yield KIND
        at = seen.mask.find(_CODICE, end)
    for syllable in _IN_CARD_WORD:
        yield from _cards(seen, syllable)


def _cards(seen: Scan, syllable: bytes) -> Iterator[str]:
    at = seen.ascii.find(syllable)
    while at >= 0:
        end = at + _CARD_WORD_CHARS
        if word := _CARD_WORD().search(seen.text, max(0, at - 4), end):
            end = min(len(seen.text), word.end() + _CARD_NEAR)
            for found in _CARD().finditer(seen.text, word.end(), end):
                # Nine signs are the number alone: people leave its check digit out.
                number = found.group()
                if sum(map(str.isdigit, number)) >= 3 and (len(number) == 9 or checks.icao(number)):
                    yield KIND
                    end = found.end()
                    break
        at = seen.ascii.find(syllable, end)

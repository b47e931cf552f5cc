"""Countries and groups of countries, as data.

A group may stand in a rule ("EEA") and, where a host says no more than that, in a fact: then it
means some country of the group, not said which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


HOME = "home"  # one's own machine: under nobody else's law

COUNTRIES = _codes(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """
)

_EU = _codes("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK")

_FIVE_EYES = frozenset({"AU", "CA", "GB", "NZ", "US"})

GROUPS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "EU": _EU,
        "EEA": _EU | {"IS", "LI", "NO"},  # without Switzerland, which is in EFTA only
        "EFTA": frozenset({"CH", "IS", "LI", "NO"}),
        "five_eyes": _FIVE_EYES,
        "Five Eyes": _FIVE_EYES,
        # Members since 2025; Saudi Arabia was invited and has not joined.
        "BRICS": _codes("AE BR CN EG ET ID IN IR RU ZA"),
    }
)

KNOWN = COUNTRIES | GROUPS.keys() | {HOME}


def members(words: Iterable[str], groups: Mapping[str, frozenset[str]] = GROUPS) -> frozenset[str]:
    """Return the countries (and "home") that ``words`` stand for, groups resolved."""
    found: set[str] = set()
    for word in words:
        found |= groups.get(word, frozenset({word}))
    return frozenset(found)


def within(countries: frozenset[str]) -> frozenset[str]:
    """Return every word of a fact that lies in ``countries`` for certain, groups included."""
    return countries | {name for name, inside in GROUPS.items() if inside <= countries}


def touching(countries: frozenset[str]) -> frozenset[str]:
    """Return every word of a fact that may mean one of ``countries``, groups included."""
    return countries | {name for name, inside in GROUPS.items() if inside & countries}

"""Numbers made by a second, naive reading of each rule are found; with one digit wrong they are not.

The check digits are worked out here by trying which one is right for a rule written anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing.detectors import identity, money
from routing.detectors.finding import KINDS, compiled
from routing.detectors.numbers import kinds_of, scan, table
from routing.policy import load_policy

LABELS = ("public", "internal", "personal", "secret")
OWN = [kind for kind in KINDS if kind != "presidio"]
ALL = compiled(dict.fromkeys(OWN, "personal"), LABELS)
WORDS = st.text(st.sampled_from("abcdefgh ,;:\n(é中"), max_size=40)

days = st.dates(date(1920, 1, 1), date(1999, 12, 31))


def digits(size: int) -> st.SearchStrategy[str]:
    """Give so many digits."""
    return st.text("0123456789", min_size=size, max_size=size)


def total(number: str, weights: list[int]) -> int:
    """Return a weighted sum."""
    return sum(int(d) * w for d, w in zip(number, weights, strict=False))


def naive_luhn(number: str) -> bool:
    """Double every second digit from the right; add the digits of all."""
    text = "".join(str(int(d) * (1 + i % 2)) for i, d in enumerate(reversed(number)))
    return sum(map(int, text)) % 10 == 0


def ended(head: str, right: Callable[[str], bool], signs: str = "0123456789") -> str:
    """Return the head with the one end that is right; the example is dropped where none is."""
    fitting = [head + sign for sign in signs if right(head + sign)]
    assume(fitting)
    return fitting[0]


# --- each as (the rule's name, the number, the words before it) ---

Made = tuple[str, str, str]


@st.composite
def pesel(draw: st.DrawFn) -> Made:
    head = f"{draw(days):%y%m%d}" + draw(digits(4))
    weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]
    return "pl_pesel", ended(head, lambda n: total(n, weights) % 10 == 0), "PESEL "


@st.composite
def personnummer(draw: st.DrawFn) -> Made:
    head = f"{draw(days):%y%m%d}" + draw(digits(3))
    number = ended(head, naive_luhn)
    return "se_personnummer", f"{number[:6]}-{number[6:]}", ""


@st.composite
def hetu(draw: st.DrawFn) -> Made:
    head = f"{draw(days):%d%m%y}"
    serial = f"{draw(st.integers(2, 899)):03}"
    return (
        "fi_hetu",
        f"{head}-{serial}" + "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(head + serial) % 31],
        "",
    )


@st.composite
def ahv(draw: st.DrawFn) -> Made:
    head = "756" + draw(digits(9))
    number = ended(head, lambda n: total(n, [1, 3] * 7) % 10 == 0)
    return "ch_ahv", f"{number[:3]}.{number[3:7]}.{number[7:11]}.{number[11:]}", ""


@st.composite
def chinese(draw: st.DrawFn) -> Made:
    head = "110105" + f"{draw(days):%Y%m%d}" + draw(digits(3))
    rest = sum(int(d) * 2 ** (17 - i) for i, d in enumerate(head)) % 11
    return "cn_resident", head + "10X98765432"[rest], ""


@st.composite
def cpf(draw: st.DrawFn) -> Made:
    number = draw(digits(9))
    assume(len(set(number)) > 1)
    for size in (10, 11):
        rest = 11 - total(number, list(range(size, 1, -1))) % 11
        number += "0" if rest > 9 else str(rest)
    return "br_cpf", f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}", ""


@st.composite
def bsn(draw: st.DrawFn) -> Made:
    head = draw(digits(8))
    assume(int(head))
    return (
        "nl_bsn",
        ended(head, lambda n: total(n, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 == 0),
        "BSN: ",
    )


@st.composite
def dni(draw: st.DrawFn) -> Made:
    head = draw(digits(8))
    return "es_dni", head + "TRWAGMYFPDXBNJZSQVHLCKE"[int(head) % 23], ""


@st.composite
def nir(draw: st.DrawFn) -> Made:
    head = f"{draw(st.sampled_from('12'))}{draw(days):%y%m}" + "75" + draw(digits(6))
    return "fr_nir", head + f"{97 - int(head) % 97:02}", ""


@st.composite
def nhs(draw: st.DrawFn) -> Made:
    head = draw(digits(9))
    assume(len(set(head)) > 1)
    number = ended(head, lambda n: total(n, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11 == 0)
    return "uk_nhs", f"{number[:3]} {number[3:6]} {number[6:]}", "NHS number "


@st.composite
def svnr(draw: st.DrawFn) -> Made:
    serial, born = draw(st.integers(100, 999)), f"{draw(days):%d%m%y}"
    rest = (total(str(serial), [3, 7, 9]) + total(born, [5, 8, 4, 2, 1, 6])) % 11
    assume(rest < 10)
    return "at_svnr", f"{serial}{rest} {born}", ""


@st.composite
def steuer_id(draw: st.DrawFn) -> Made:
    order = draw(st.permutations("123456789"))
    head = "".join(order) + draw(st.sampled_from(order[:-1]))
    product = 10
    for digit in head:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return "de_tax", f"{head}{(11 - product) % 10}", ""


# A digit of check that finds every single wrong digit.
CHECKED = st.one_of(
    pesel(), personnummer(), hetu(), ahv(), chinese(), cpf(), bsn(), dni(), nir(), nhs(), svnr(),
    steuer_id(),
)  # fmt: skip


@given(CHECKED, WORDS, WORDS)
def test_ids_are_found_anywhere(made: Made, before: str, after: str) -> None:
    _, number, cue = made
    assert ALL.found([f"{before} {cue}{number}, {after}"]).get("national_id") == 1


@given(CHECKED, st.integers(0, 30), st.integers(1, 9))
def test_one_wrong_digit_is_no_id(made: Made, place: int, more: int) -> None:
    name, number, cue = made
    places = [at for at, sign in enumerate(number) if sign.isdigit()]
    at = places[place % len(places)]
    wrong = number[:at] + str((int(number[at]) + more) % 10) + number[at + 1 :]
    rules = table(identity.rules([one for one in identity.NUMBERS if one.name == name]))
    assert list(kinds_of(scan(f"{cue}{number}"), rules)) == ["national_id"]
    assert list(kinds_of(scan(f"{cue}{wrong}"), rules)) == []


@st.composite
def cards(draw: st.DrawFn) -> str:
    start, size = draw(
        st.sampled_from([("4", 16), ("53", 16), ("37", 15), ("3530", 16), ("62", 16)])
    )
    return ended(start + draw(digits(size - len(start) - 1)), naive_luhn)


@given(cards(), st.sampled_from(["", " ", "-"]), WORDS, WORDS)
def test_cards_are_found_anywhere(number: str, sign: str, before: str, after: str) -> None:
    ends = [0, 4, 10, 15] if len(number) == 15 else [0, 4, 8, 12, 16]
    shown = sign.join(number[start:end] for start, end in pairwise(ends))
    assert ALL.found([f"{before} {shown}. {after}"]).get("card") == 1


@given(cards(), st.integers(0, 15), st.integers(1, 9))
def test_a_card_with_one_wrong_digit_is_none(number: str, place: int, more: int) -> None:
    at = place % len(number)
    wrong = number[:at] + str((int(number[at]) + more) % 10) + number[at + 1 :]
    assert not compiled({"card": "personal"}, LABELS).found([f"card {wrong}"])


@st.composite
def ibans(draw: st.DrawFn) -> str:
    country = draw(st.sampled_from(sorted(money.LENGTHS)))
    own = draw(st.text("0123456789ABCXYZ", min_size=(n := money.LENGTHS[country] - 4), max_size=n))
    value = "".join(str(int(c, 36)) for c in f"{own}{country}00")
    return f"{country}{98 - int(value) % 97:02}{own}"


@given(ibans(), st.booleans(), WORDS, WORDS)
def test_ibans_are_found_anywhere(number: str, grouped: bool, before: str, after: str) -> None:
    groups = [number[i : i + 4] for i in range(0, len(number), 4)]
    shown = " ".join(groups) if grouped else number
    assert ALL.found([f"{before} {shown}. {after}"]).get("iban") == 1


@given(ibans(), st.integers(2, 40), st.integers(1, 9))
def test_an_iban_with_one_wrong_digit_is_none(number: str, place: int, more: int) -> None:
    places = [at for at, sign in enumerate(number) if sign.isdigit()]
    at = places[place % len(places)]
    wrong = number[:at] + str((int(number[at]) + more) % 10) + number[at + 1 :]
    assert not compiled({"iban": "personal"}, LABELS).found([wrong])


@given(
    st.sampled_from(LABELS),
    st.dictionaries(st.sampled_from(OWN), st.sampled_from(LABELS)),
    st.lists(st.sampled_from(OWN)),
)
def test_what_is_found_only_ever_raises(key: str, labels: dict[str, str], found: list[str]) -> None:
    policy = load_policy({"labels": list(LABELS)})
    counts = {kind: 1 for kind in found if kind in labels}
    raised = policy.raise_label(key, compiled(labels, LABELS).label(counts))
    assert policy.label_rank(raised) >= policy.label_rank(key)
    more = dict.fromkeys(labels, 1)
    most = policy.raise_label(key, compiled(labels, LABELS).label(more))
    assert policy.label_rank(most) >= policy.label_rank(raised)


@pytest.mark.parametrize("number", identity.NUMBERS, ids=lambda one: one.name)
def test_every_id_has_a_shape_and_a_cue_where_it_needs_one(number: identity.IdNumber) -> None:
    assert number.alone or number.beside
    assert number.cues or not number.beside


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    ALL.found([text])

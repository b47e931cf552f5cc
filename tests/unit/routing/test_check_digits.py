"""Each check digit on published examples, most of them from the documentation of python-stdnum 2.2."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routing.detectors import check_digits as checks
from routing.detectors import contact, money

# The rule, examples that are right, the same with a fault.
PUBLISHED: tuple[tuple[Callable[[str], bool], str, str], ...] = (
    (checks.luhn, "78949 4111111111111111", "78948 4111111111111112"),
    (checks.verhoeff, "12340", "12341"),
    (checks.ean13, "7569217076985", "7569217076984"),
    # The registry's own examples.
    (checks.iban, "GB29NWBK60161331926819 DE89370400440532013000 NO9386011117947",
     "GB29NWBK60161331926818 DE88370400440532013000 NO9386011117974"),
    (checks.steuer_id, "36574261809", "36574261890 36554266806"),
    # ICAO 9303's specimen: number, birth, expiry.
    (checks.icao, "L898902C36 7408122 1204159", "L898902C35 7408123"),
    (checks.nir, "295109912611193", "295109912611199"),
    (checks.dni, "54362315K X2482300W", "54362315Z X2482300A"),
    (checks.codice_fiscale, "RCCMNL83S18D969H", "RCCMNL83S18D969G"),
    (checks.bsn, "111222333", "111252333"),
    (checks.belgian, "85073003328 17073003384 98472899765", "12345678901"),
    (checks.pesel, "44051401359", "44051401358 02381307589"),
    # The second made up: 45 is for people who live abroad, 46 for none (pt.wikipedia.org, 2026).
    (checks.nif, "501964843 455200270", "501964842 465200273"),
    (checks.personnummer, "8803200016", "8803200018"),
    (checks.hetu, "131052308T", "131052308U 310252308Y"),
    (checks.cpr, "2110625629", "5110625629"),
    (checks.svnr, "1237010180", "2237010180"),
    (checks.ahv, "7569217076985", "7569217076984"),
    (checks.nhs, "9434765870", "9434765871"),
    # gov.uk's own example has a prefix that is not given out.
    (checks.nino, "AB123456C", "QQ123456C BG123456A AO123456A"),
    (checks.ssn, "536904399", "666004399 536000439"),
    (checks.chinese, "360426199101010071", "360426199101010072"),
    (checks.cpf, "39053344705", "23100299900"),
    (checks.aadhaar, "234123412346", "234123412347 123412341234"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "right", "wrong"), PUBLISHED, ids=[rule.__name__ for rule, *_ in PUBLISHED]
)
def test_published_examples(rule: Callable[[str], bool], right: str, wrong: str) -> None:
    assert [number for number in right.split() if not rule(number)] == []
    assert [number for number in wrong.split() if rule(number)] == []


# Numbers that the networks publish for tests.
@pytest.mark.parametrize(
    "number",
    ["4242424242424242", "5555555555554444", "2223003122003222", "378282246310005",
     "6011111111111117", "30569309025904", "3566002020360505", "6200000000000005"],
)  # fmt: skip
def test_cards_of_each_network(number: str) -> None:
    assert money.card(number)


@pytest.mark.parametrize(
    ("digits", "real"),
    [("4915123456789", True), ("46701234567", True), ("4670123456789", False),
     ("821012345678", True), ("282123456789", False), ("351912345678", True)],
)  # fmt: skip
def test_country_codes_and_lengths(digits: str, real: bool) -> None:
    assert contact.international(digits) is real

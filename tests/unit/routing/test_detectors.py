"""What the detectors find, what they leave alone, and that no text can hold them up."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from routing.detectors import contact, credentials, identity, money, numbers, plain, presidio
from routing.detectors.finding import KINDS, compiled
from routing.detectors.numbers import MOST
from routing.detectors.pattern import Pattern

LABELS = ("public", "internal", "personal", "secret")
OWN = {kind: "secret" if kind in ("private_key", "api_token") else "personal"
       for kind in KINDS if kind != "presidio"}  # fmt: skip
ALL = compiled(OWN, LABELS)
# Put together here, so that no scanner of repositories takes this file for a leak.
RANDOM = "Zk9xQ2mP7vL4tR8wN1cY5bH3jD6sF0gA"
BODY = "MIIEpAIBAAKCAQEA7bq9x2Zk9xQ2mP7vL4tR8w"

FOUND = {
    "email": [
        "write to jane.doe+news@mail.example.co.uk.", "mailto:a.b@c.de", "E-Mail:x_y@firma.gmbh",
        "<ünal@straße.de>", "jane@example.com",
    ],
    "phone": [
        "+49 151 23456789", "call +1 (415) 555-2671", "+44 (0)20 7946 0958", "+33 6 12 34 56 78",
        "+4915123456789", "(415) 555-2671", "415-555-2671", "06 12 34 56 78", "0151 23456789",
        "030/12345678", "090-1234-5678", "tel: 5551234567", "userPhone: 5551234567",
        "电话13912345678", "Handy 0049 151 23456789",
    ],
    "iban": [
        "DE89 3704 0044 0532 0130 00 please", "GB29NWBK60161331926819", "nl91abna0417164300",
        "NO93 8601 1117 947", "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
    ],
    "card": [
        "4111 1111 1111 1111", "4242-4242-4242-4242", "378282246310005.", "5555555555554444",
        "3782 822463 10005", "4111 1111 1111 1111 12/27 123", "id_4111111111111111",
        "+4111 1111 1111 1111", "card and PIN: 4111 1111 1111 1111 1234",
    ],
    "national_id": [
        "86095742719", "86 095 742 719", "12345678Z", "X1234567L", "RSSMRA85T10A562S",
        "131052-308T", "756.9217.0769.85", "11010519491231002X", "111.444.777-35",
        "811228-9874", "AB 12 34 56 C", "nino: AB123456C", "NHS no 943 476 5919",
        "PESEL 44051401359", "Personalausweis Nr. L01X00T471", "Reisepass: L01X00T47",
        "1 84 12 76 451 089 46", "85073003328", "SSN 123-45-6789", "user_ssn: 123456789",
        "BSN 111222333", "NIF 123456789", "cpr 070761-4285", "1237 010180", "2341 2341 2346",
    ],
    "private_key": [
        f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}", f"-----BEGIN PRIVATE KEY-----\\n{BODY}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}",
        f"b3BlbnNzaC1rZXktdjE{BODY}", "AGE-SECRET-KEY-1" + "QPZ0" * 14 + "AB",
    ],
    "api_token": [
        "ghp_" + "a1B2" * 9, f"Bearer sk-proj-{RANDOM}", f"key=hf_{RANDOM}ab", f"xoxb-1234-{RANDOM}",
        f"SG.{RANDOM[:22]}.{RANDOM}{RANDOM[:11]}", f'api_key = "{RANDOM}"', f'"apiKey": "{RANDOM}"',
        f"password: {RANDOM}", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{RANDOM}",
        f"AKIA{'ABCDEFGH'*2}\nand {RANDOM}abCD/1+z", "postgres://app:Xk29vvQ@db.internal/x",
        f"\\nghp_{'a1B2' * 9}", f"xai-{'a1_B2' * 16}", f"r8_{'a1-B2' * 7}c3", f"sk-sp-{'a1b2' * 8}",
    ],
}  # fmt: skip
LEFT_ALONE = [
    "v1.2.3.4 of 2026-11-25T12:00:00.123456Z", "1700000000 1700000000000 1700000000000000",
    "3.14159265358979 and 0.12345678901", "550e8400-e29b-41d4-a716-446655440000",
    "192.168.100.200:8080", "git@github.com:a/b", "npm i foo@1.2.3 @types/node", "@app.get('/x')",
    "https://user@host.example/x", "2021 2022 2023 2024", "1000 2000 3000 4000 5000 6000",
    "4111 1111 1111 1112", "DE89 3704 0044 0532 0130 01", "000-12-3456", "123456789", "id 12345678A",
    "postgres://user:password@localhost/db", "https://u:${PASSWORD}@h.de/", 'if "-----BEGIN PRIVATE KEY-----" in text:',
    "api_key = os.environ['SERVICE_API_KEY_OF_TEAM']", "token: the_name_of_something_long",
    "sk-learn-is-a-library-that-people-use", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "+0000 +100000 a+12345678", "(2024) 123456789", "f(123456789012)", "ausweis: ABCDEFGHJ",
    "AKIAIOSFODNN7EXAMPLE", "+1700000000", "x" * 300, "12345678901234567890123456789",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in FOUND.items() for t in ts])
def test_is_found(kind: str, text: str) -> None:
    alone = compiled({kind: "personal"}, LABELS)
    assert alone.found([text]) == {kind: 1}
    assert alone.found([f"Hello, it is {text}, you see."]).get(kind) == 1
    assert ALL.found([text]).get(kind) == 1


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_is_left_alone(text: str) -> None:
    assert ALL.found([text]) == {}


@pytest.mark.parametrize(
    "text",
    [
        "\uff14\uff11\uff11\uff11 1111 1111 1111", "4111\u200b1111\u200b1111\u200b1111",
        "4111\u00a01111\u00a01111\u00a01111", "4111\u20131111\u20131111\u20131111",
        "\u0664\u0661\u0661\u0661 1111 1111 1111", "\\u0034111 1111 1111 1111",
        "4\U000e0041111\u00ad 1111 1111 1111", "\U0001d7d2111 1111 1111 1111",
    ],
)  # fmt: skip
def test_other_ways_to_write_the_same(text: str) -> None:
    assert ALL.found([text]) == {"card": 1}


def test_plain_text_is_not_copied() -> None:
    text = "nothing to change here"
    assert plain.plain(text) is text
    assert plain.plain("日本語、です") == "日本語、です"
    many = "".join(map(chr, range(0xFF10, 0xFF5B)))
    assert plain.plain(many).startswith("0123456789:")


def test_a_cue_may_stand_in_the_text_before() -> None:
    assert ALL.found(["What is your SSN?", "123456789"]) == {"national_id": 1}
    assert ALL.found(["What is your SSN?", "Why should I say? " * 9, "123456789"]) == {}


def test_texts_do_not_run_together() -> None:
    assert ALL.found(["4111 1111", "1111 1111"]) == {}
    assert ALL.found(["jane@", "example.com"]) == {}


def test_the_most_sensitive_label_counts() -> None:
    found = ALL.found([f"jane@example.com has ghp_{'a1B2' * 9}"])
    assert found == {"email": 1, "api_token": 1}
    assert ALL.label(found) == "secret"
    assert ALL.label({"email": 2}) == "personal"
    assert ALL.label({}) is None


def test_only_what_is_asked_for() -> None:
    assert compiled({"email": "internal"}, LABELS).found(["4111 1111 1111 1111"]) == {}
    assert compiled({}, LABELS).found(["jane@example.com"]) == {}


@pytest.mark.parametrize("asked", [{"emial": "personal"}, {"email": "persnoal"}])
def test_unknown_words_are_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no such detector or label"):
        compiled(asked, LABELS)


def test_counting_ends() -> None:
    text = "jane@example.com, 4111 1111 1111 1111, " * (MOST + 50)
    assert ALL.found([text]) == {"email": MOST, "card": MOST}


# --- no text can hold them up ---

REPEATS_MOST = 600
MODULES = (contact, credentials, identity, money, numbers, plain)
HOSTILE = [
    "4", "4 ", "4-", "4111 1111 1111 111", "@", "a@", "a@a.", "+", "+4", "(0", "(0123) ", "://a:",
    "://", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJ", "A",
    "a1", "AA00", "DE89", "ghp_", "sk-", "sk-a", "AKIA", "ausweis ", "\\", "\\u00", "b3BlbnNzaC1rZXktdjE",
    "AAAAAA00A00A000A", "api_key = ", "\u200b", "\uff14", "0 0 0 0 ", "00 00 00 00 ", "000-00-", " ",
]  # fmt: skip


def patterns() -> Iterator[re.Pattern[Any]]:
    """Give every pattern of the detectors."""
    held = [value for module in MODULES for value in vars(module).values()]
    for value in [*held, *(inner for each in held if isinstance(each, tuple) for inner in each)]:
        if isinstance(value, Pattern):
            yield value()
        elif isinstance(value, re.Pattern):
            yield value
    for each in credentials.prefixes().values():
        yield from (pattern() for pattern in each)
    for table in (contact.rules(), money.rules(), identity.rules()):
        yield from (rule.cue() for _, rule in table if rule.cue is not None)


def unbounded(tree: Any, *, last: bool = True, times: int = 1) -> bool:
    """Whether a parsed pattern repeats without a bound, elsewhere than possessively at its end.

    What repeats within a repetition multiplies: only small within small is bounded.
    """
    items = list(tree)
    for place, (operation, argument) in enumerate(items):
        ends = last and place == len(items) - 1
        inner_times, inner_ends = times, ends
        if str(operation).endswith("_REPEAT"):
            most = argument[1]
            if str(most) == "MAXREPEAT":
                if not (ends and str(operation) == "POSSESSIVE_REPEAT"):
                    return True
                continue
            inner_times, inner_ends = times * int(most), False
            if times > 1 and inner_times > REPEATS_MOST:
                return True
        for part in _flat(argument):
            if hasattr(part, "getwidth") and unbounded(part, last=inner_ends, times=inner_times):
                return True
    return False


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple) and not hasattr(value, "getwidth"):
        for inner in value:
            yield from _flat(inner)
    else:
        yield value


def test_every_pattern_is_bounded() -> None:
    parser = sys.modules["re"]._parser
    seen = {pattern.pattern for pattern in patterns()}
    assert len(seen) > 60
    wrong = [p for p in seen if unbounded(parser.parse(p))]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [("a+b", True), ("a{1,9}b", False), ("a*+b", True), ("ba++", False), ("(a{1,99}){1,99}", True),
     ("(?:a|b*)c", True), ("(?<!a)b{2}", False)],
)  # fmt: skip
def test_unbounded_is_seen(source: str, wrong: bool) -> None:
    assert unbounded(sys.modules["re"]._parser.parse(source)) is wrong


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_megabyte_of_it_ends(piece: str) -> None:
    # A quadratic reading of a megabyte would outlast the test's own limit of minutes.
    counts = ALL.found([piece * (1_000_000 // len(piece))])
    assert all(count <= MOST for count in counts.values())


def test_groups_are_looked_up_a_bounded_number_of_times() -> None:
    class Counted(dict[bytes, tuple[numbers.Rule, ...]]):
        asked = 0

        def get(self, *args: Any) -> Any:
            self.asked += 1
            return super().get(*args)

    for size in (1000, 2000):
        table = Counted(numbers.table([*money.rules(), *identity.rules(), *contact.rules()]))
        assert list(numbers.kinds_of(numbers.scan("0000 " * size), table)) == []
        assert table.asked <= size * numbers.GROUPS_MOST


# --- Presidio ---


class Standing:
    """Answers as the analyzer does, so that what is made of its answers can be told."""

    def analyze(self, text: str, language: str) -> list[Any]:
        """Find each capital J."""
        kinds = [("PERSON", 0.85), ("PERSON", 0.2), ("LOCATION", 0.9)]
        return [Result(*kind) for _ in range(text.count("J")) for kind in kinds]


class Result:
    """One answer of it."""

    def __init__(self, entity_type: str, score: float) -> None:
        self.entity_type, self.score = entity_type, score


def test_what_is_made_of_its_answers() -> None:
    made = compiled({"presidio": "personal"}, LABELS, Standing())
    assert made.slow
    assert not ALL.slow
    assert made.found(["Jane and Jim"]) == {"presidio": 2}
    assert made.found(["j" * presidio.PIECE_CHARS + "J"]) == {"presidio": 1}


def test_it_says_what_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presidio, "LIBRARY", "no_such_library")
    with pytest.raises(ImportError, match=r"entrepot\[presidio\]"):
        compiled({"presidio": "personal"}, LABELS)


@pytest.mark.skipif(bool(presidio.missing()), reason=f"not installed: {presidio.missing()}")
def test_presidio_itself() -> None:
    made = compiled({"presidio": "personal"}, LABELS)
    assert made.found(["My name is Jane Miller and I live with John Smith."])["presidio"] >= 2
    assert made.found(["The build takes two minutes."]) == {}


def test_prefixes_are_data() -> None:
    text = credentials.PREFIXES_FILE.read_text(encoding="utf-8")
    assert Path(credentials.PREFIXES_FILE).suffix == ".toml"
    assert "[[token]]" in text

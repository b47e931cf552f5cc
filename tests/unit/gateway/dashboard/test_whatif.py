"""What the past would have cost elsewhere: the page says what the command says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from billing.past_use import Past
from billing.store import StoreError
from billing.tokenizer_ratios import RATIOS, between
from billing.whatif import IN_WORDS, Elsewhere, Used
from gateway import elsewhere
from gateway.dashboard.whatif import ROUTES_MAX, compared, known_routes
from gateway.dashboard.words import LANGUAGES, words
from gateway.elsewhere import WHY_NOT, Answer
from tests.fakes import seeded
from tests.fakes.house import FakeHouse, ago_us, house
from tests.fakes.page import HOSTILE, Page, get, page
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.commands import told

COUNT = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config of ``made`` is."""
    return tmp_path_factory.mktemp("whatif")


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[FakeHouse]:
    """A gateway with a quarter of calls, whose config names its own ledger; for all tests."""
    files = {"ledger": f"sqlite:///{folder}/ledger.db", "journal": str(folder / "journal")}
    with house(folder, seeded.config(**files)) as found:
        found.keep(*seeded.entries(found.setup, COUNT, time.time_ns() // 1000))
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway with an empty ledger."""
    with house(tmp_path) as found:
        yield found


def by_route(shown: Page) -> dict[str, dict[str, str]]:
    """Return the rows of the routes by their name."""
    return {row[""]: row for row in shown.rows if "cost" in row}


def usd(value: str) -> Decimal:
    """Return the exact value that a page gives."""
    return Decimal(value.removesuffix(" USD"))


SLICES: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    ((), {}),
    (("--where", "team=platform"), {"where": ["team=platform"]}),
    (
        ("--where", "team=platform", "--where", "team=sales", "--where", "label=internal"),
        {"where": ["team=platform", "team=sales", "label=internal"]},
    ),
    (
        ("--to", "anthropic/claude-opus-5-5", "--to", "mistral/mistral-small-2603"),
        {"at": "anthropic/claude-opus-5-5,mistral/mistral-small-2603"},
    ),
    (
        ("--to", "minimax-plan/MiniMax-M3", "--to", "groq/openai/gpt-oss-120b"),
        {"at": "minimax-plan/MiniMax-M3,groq/openai/gpt-oss-120b"},
    ),
    (("--where", "user=nobody at all"), {"where": ["user=nobody at all"]}),
)


@pytest.mark.parametrize(("options", "query"), SLICES)
async def test_the_figures_are_the_commands(
    made: FakeHouse, folder: Path, options: tuple[str, ...], query: dict[str, Any]
) -> None:
    last = datetime.now(UTC).date()
    first = last - timedelta(days=40)
    asked = urlencode({"from": first, "to": last, **query}, doseq=True)
    shown = await page(made, f"/whatif?{asked}")
    span = ("--since", first, "--until", last + timedelta(days=1))
    found = told("whatif", *span, *options, "--config", folder / "config.yaml")
    if not found["calls"]:
        assert "There is no call with known usage in this time." in shown.text
        return
    assert shown.values["as-it-was"] == str(found["calls"])
    (was,) = [row for row in shown.rows if row["id"] == "as-it-was"]
    assert usd(was["=spent"]) == Decimal(found["cost_usd"])
    rows = by_route(shown)
    assert list(rows) == [one["route"] for one in found["routes"]]
    for one in found["routes"]:
        row = rows[one["route"]]
        if one["cost_usd"] is None:
            assert row["cost"] == "unknown"
            assert row["difference"] == row["percent"] == "–"
        else:
            assert usd(row["=cost"]) == Decimal(one["cost_usd"])
            assert usd(row["=difference"]) == Decimal(one["difference_usd"])
            percent = Decimal(row["percent"].removesuffix(" %").replace("−", "-").replace(",", ""))
            exact = 100 * Decimal(one["difference_usd"]) / Decimal(found["cost_usd"])
            assert abs(percent - exact) <= Decimal("0.05")
        assert int(row["unpriced"].replace(",", "")) == one["unpriced"]
    if found["estimated"]:
        noun = "call was" if found["estimated"] == 1 else "calls were"
        assert f"the tokens of {found['estimated']} {noun} estimated" in shown.text
    assert found["caveat"] in shown.text
    assert "The same on a terminal: entrepot whatif --since" in " ".join(shown.text.split())


async def test_very_many_calls_are_reckoned_from_their_sums(
    made: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "/whatif?period=30d&where=team=support"
    exact = await page(made, query)
    monkeypatch.setattr(elsewhere, "ENTRIES_MAX", 0)
    summed = await page(made, query)
    assert "So many calls are reckoned from their sums" in summed.text
    assert "So many calls" not in exact.text
    (was,) = [row for row in exact.rows if row["id"] == "as-it-was"]
    (now,) = [row for row in summed.rows if row["id"] == "as-it-was"]
    assert now["=spent"] == was["=spent"]
    before, after = by_route(exact), by_route(summed)
    assert before.keys() == after.keys()
    for route, row in before.items():
        if "=cost" not in row or not row["=cost"]:
            assert after[route]["cost"] == row["cost"]
            continue
        # Where long prompts cost more there is less: none of these is so long.
        assert usd(after[route]["=cost"]) == usd(row["=cost"]), route


async def test_what_is_not_known_is_no_zero(home: FakeHouse) -> None:
    home.keep(
        an_entry(1, at_us=ago_us(0), cost_pico=2 * 10**12),
        an_entry(2, at_us=ago_us(0), cost_pico=None, cost_state="unknown"),
        an_entry(3, at_us=ago_us(0), usage_state="missing", cost_pico=None, cost_state="unknown"),
        an_entry(4, at_us=ago_us(0), usage_state="estimated"),
    )
    shown = await page(home, "/whatif?at=desk/small")
    (was,) = [row for row in shown.rows if row["id"] == "as-it-was"]
    assert "+ 1 unknown" in was["spent"]
    assert "Of 1 of these calls the cost is unknown, and in no sum." in shown.text
    assert "1 more call has no known usage, and is left out." in shown.text
    assert "the tokens of 1 call were estimated" in shown.text
    assert by_route(shown)["desk/small"]["cost"] == "$0"


async def test_a_filter_or_a_route_is_added_and_taken_away(made: FakeHouse) -> None:
    given = "period=30d&where=team=platform&at=desk/qwen3-8b"
    answer = await get(made, f"/whatif?{given}&field=label&value=internal")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["where"] == ["team=platform", "label=internal"]
    assert asked["at"] == ["desk/qwen3-8b"]
    assert "field" not in asked
    answer = await get(made, f"/whatif?{given}&add=openai/gpt-5.5")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["at"] == ["desk/qwen3-8b,openai/gpt-5.5"]
    assert asked["where"] == ["team=platform"]
    assert "add" not in asked
    shown = await page(made, f"/whatif?{given},openai/gpt-5.5")
    links = [unescape(value or "") for key, value in shown.attributes if key == "href"]
    gone = [
        parse_qs(urlsplit(link).query) for link in links if link.startswith("/dashboard/whatif")
    ]
    assert any(one.get("at") == ["desk/qwen3-8b"] and "where" in one for one in gone)
    assert any("at" not in one and one.get("where") == ["team=platform"] for one in gone)
    assert any("where" not in one and "openai" in one.get("at", [""])[0] for one in gone)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("at=anthropc/x", "did you mean 'anthropic'"),
        ("add=desk", "'desk' is no route"),
        ("add=/", "'/' is no route"),
        ("at=anthropic/claude-nothing", "anthropic has no model 'claude-nothing' here"),
        ("at=" + ",".join(f"desk/m{n}" for n in range(ROUTES_MAX + 1)), "At most 30 routes"),
    ],
)
async def test_a_route_that_is_none_is_said_beside_the_form(
    home: FakeHouse, query: str, said: str
) -> None:
    home.keep(an_entry(1, at_us=ago_us(0)))
    answer = await get(home, f"/whatif?{query}")
    assert answer.status_code == 400
    shown = Page(answer.text)
    assert said in shown.text
    assert ("aria-invalid", "true") in shown.attributes
    assert by_route(shown)


@pytest.mark.parametrize(
    "query",
    [
        "where=taem=x", "period=fortnight", "field=colour&value=x", "value=x", "nonsense=1",
        "at=a&at=b", "field=team&value=%00", "from=2026-11-02&to=2026-11-01",
    ],
)  # fmt: skip
async def test_what_is_wrong_with_an_address_is_a_page_that_says_so(
    home: FakeHouse, query: str
) -> None:
    answer = await get(home, f"/whatif?{query}")
    assert answer.status_code == 400
    assert "This cannot be shown" in answer.text


async def test_without_a_ledger_the_forms_are_there(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> Past:
        raise StoreError("the ledger cannot be read: no such table")

    monkeypatch.setattr(elsewhere, "past", gone)
    answer = await get(home, "/whatif")
    assert answer.status_code == 503
    shown = Page(answer.text)
    assert "the ledger cannot be read: no such table" in shown.text
    assert "form" in shown.tags
    assert not by_route(shown)


async def test_an_empty_time_says_so(home: FakeHouse) -> None:
    home.keep(an_entry(1))  # long ago
    assert "There is no call with known usage in this time." in (await page(home, "/whatif")).text


async def test_many_routes_of_a_config_are_told_and_not_all_compared(tmp_path: Path) -> None:
    models = {f"m{n}": [f"desk/model-{n}"] for n in range(ROUTES_MAX + 3)}
    with house(tmp_path, models=models) as found:
        found.keep(an_entry(1, at_us=ago_us(0)))
        shown = await page(found, "/whatif")
    assert len(by_route(shown)) == ROUTES_MAX
    assert "3 more are not compared" in shown.text


async def test_a_gateway_without_anything_configured_has_the_page(tmp_path: Path) -> None:
    with house(tmp_path, {}, providers={}, models={}) as found:
        found.keep(an_entry(1, at_us=ago_us(0)))
        shown = await page(found, "/whatif")
        assert by_route(shown) == {}
        assert "mistral/mistral-small-2603" in known_routes(found.setup)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_is_text_and_nothing_else(home: FakeHouse, name: str) -> None:
    home.keep(an_entry(1, at_us=ago_us(0), key="tame"))
    await home.drain.move()  # a page waits two seconds for it, which a busy machine may need
    tame = await get(home, "/whatif?where=key=tame&add=tame")
    own = name.replace("\u0001", "")[:300]
    home.keep(an_entry(2, at_us=ago_us(0), key=own, provider=own, model=own))
    await home.drain.move()
    answer = await get(home, f"/whatif?where=key={quote(own)}&add={quote(own)}")
    assert tame.status_code == answer.status_code == 400
    shown = Page(answer.text)
    assert set(shown.tags) == set(Page(tame.text).tags)
    assert shown.tags.count("script") == Page(tame.text).tags.count("script")
    assert not [key for key, _ in shown.attributes if key.startswith("on") or key == "style"]
    assert own[:50] in shown.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_speaks_every_language(made: FakeHouse, language: str) -> None:
    answer = await get(made, f"/whatif?lang={language}&at=minimax-plan/MiniMax-M3&period=30d")
    assert answer.status_code == 200
    shown = Page(answer.text)
    for key in ("whatif.caveat", "whatif.lacks_plan", "whatif.as_it_was"):
        assert words(language)(key) in shown.text


def an_answer(pico: int, **more: Any) -> Answer:
    """Return what one route would have cost, of ten calls that cost 1 000."""
    found = Elsewhere(
        pico, more.pop("requests", 10), more.pop("unknown", 0), more.pop("assumed", ())
    )
    return Answer("there/m", found, pico - 1_000, **more)


PAST = Past([Used(0, 0, 10, 0, (1,) * 11)], frozenset(), 1_000)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_a_comparison_can_say_has_words(language: str) -> None:
    t = words(language)
    assert all(t.has(f"whatif.lacks_{lack}") for lack in WHY_NOT)
    assumed = tuple(dict.fromkeys(IN_WORDS.values()))
    alike = between("o200k_base", "o200k_base")
    answers = [
        an_answer(500, assumed=assumed, ratio=alike),
        an_answer(2_000, ratio=RATIOS[0]),
        an_answer(700, unknown=3),
        an_answer(0, lacks="plan", requests=0, unknown=10),
        an_answer(1_000),
    ]
    shown = compared(PAST, answers, t)
    cheaper, dearer, partly, lacking, same = shown.lines
    assert cheaper.state == "good"
    assert cheaper.percent == "−50.0 %"
    assert len(cheaper.notes) == len(assumed) + 1
    assert cheaper.bar * 4 == dearer.bar == 100
    assert (dearer.state, dearer.percent) == ("bad", "+100.0 %")
    assert str(RATIOS[0].high) in dearer.notes[0]
    assert (partly.difference, partly.percent, partly.unpriced) == (None, "", 3)
    assert partly.money.exact
    assert lacking.money.exact == ""
    assert lacking.notes == [t("whatif.lacks_plan")]
    assert (same.state, same.percent) == ("", "0.0 %")
    assert shown.is_measured
    assert shown.calls == 10


def test_of_calls_that_cost_nothing_there_is_no_percent() -> None:
    free = Past(PAST.used)
    (line,) = compared(free, [Answer("there/m", Elsewhere(5, 10, 0, ()), 5)], words("en")).lines
    assert line.percent == "–"
    assert line.difference is not None

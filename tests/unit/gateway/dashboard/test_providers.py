"""The page of providers: how each is now, how it served, its facts, and what its routes cost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing import reports, waits
from billing.money import half_even
from billing.pricing import cost
from billing.reports import Asked
from billing.store import StoreError
from billing.sums import SpendRow
from gateway.dashboard import fact_lines, provider_lines, providers
from gateway.dashboard.fact_lines import FactCell
from gateway.dashboard.lasting import took
from gateway.dashboard.provider_lines import Busy, added_up
from gateway.dashboard.windows import window_line
from gateway.dashboard.words import LANGUAGES, words
from gateway.plan_windows import bought
from providers.errors import ErrorKind, UpstreamError
from providers.launch import State
from providers.plan import Window
from providers.usage import Usage
from routing.window_count import Amounts
from routing.windows import Used
from tests.fakes.house import ADMIN_KEY, CONFIG, HOST_KEY, FakeHouse, a_key, ago_us, house
from tests.fakes.page import HOSTILE, Page, browser, get, page
from tests.unit.billing.samples import an_entry
from tests.unit.gateway.test_freshness import OVERLAY

PATH = "/providers?period=7d"
FAR = "mistral/mistral-small-2603"
ENGLISH = words("en")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway with a queue at home, two keys at one host, a plan, and a host without a key."""
    given = CONFIG["providers"]
    hosts = {
        **given,
        "desk": {**given["desk"], "max_wait_s": 2, "slots": 1},
        "openai": {"api_keys": ["sk-first-canary", "sk-second-canary"]},
        "coding": {"catalog": "alibaba-coding", "api_key": "sk-sp-canary", "tier": "pro"},
        "rented": {"catalog": "ollama", "base_url": "http://127.0.0.1:8",
                   "home": {"watts": 500, "usd_per_kwh": 1}},
    }  # fmt: skip
    wanted = {
        **CONFIG["models"],
        "fast": ["openai/gpt-5", "coding/qwen3-coder-plus", "rented/qwen3-8b"],
    }
    with house(tmp_path, providers=hosts, models=wanted) as made:
        made.windows.hold(bought(made.setup.providers))
        yield made


def some_calls() -> list[Any]:
    """Return calls at two models of a host, some of which failed, and one at home."""
    found = [
        an_entry(number, at_us=ago_us(1 + number), provider="mistral", host="mistral",
                 endpoint="eu", model="mistral-small-2603" if number % 3 else "mistral-large-2512",
                 input=1_000 + number, cache_read=300, output=200 + 7 * number, served_model="",
                 first_content_ms=100 + number, total_ms=1_000 + 40 * number)
        for number in range(20)
    ]  # fmt: skip
    failed = an_entry(50, at_us=ago_us(2), provider="mistral", model="mistral-small-2603",
                      outcome="failed", error="timeout", usage_state="none", input=0, output=0,
                      cost_pico=0, cost_state="nothing", total_ms=9_000)  # fmt: skip
    here = an_entry(51, at_us=ago_us(3), provider="desk", model="small", host="ollama",
                    endpoint="default", served_model="small:latest", input=10, output=90,
                    first_content_ms=50, total_ms=600)  # fmt: skip
    shadow = an_entry(52, at_us=ago_us(3), provider="desk", model="small", purpose="shadow",
                      input=1_000_000, output=1_000_000, total_ms=1)  # fmt: skip
    return [*found, failed, here, shadow]


def rows_of(shown: Page, cell: str) -> dict[str, dict[str, str]]:
    """Return the rows that have a cell, by their headings."""
    return {row[""]: row for row in shown.rows if cell in row}


async def test_what_each_did_is_what_the_ledger_says(home: FakeHouse) -> None:
    entries = some_calls()
    home.keep(*entries)
    shown = await page(home, PATH)
    by = ("provider", "model")
    sums = {row.names: row for row in reports.spend(home.store, Asked(by)).rows}
    waited = waits.waited(home.store, Asked(by))
    assert waited is not None
    routes = rows_of(shown, "breaker")
    for model in ("mistral-small-2603", "mistral-large-2512"):
        row, known = routes[model], waited.rows["mistral", model]
        own = sums["mistral", model]
        assert row["requests"] == f"{own.requests:,}"
        p50, p90, _, p99 = known.first
        assert row["first"] == " · ".join(map(took, (p50, p90, p99)))
        p50, p90, _, p99 = known.total
        assert row["total"] == " · ".join(map(took, (p50, p90, p99)))
        there = [one for one in entries if one.model == model]
        out, took_ms = (
            sum(each)
            for each in zip(*((one.completion_tokens, one.total_ms) for one in there), strict=True)
        )
        assert (own.tokens_out, own.total_ms) == (out, took_ms)
        tenths = half_even(10_000 * out, took_ms)
        assert row["speed"] == f"{tenths // 10}.{tenths % 10}"
    (table,) = (row for row in shown.rows if row.get("") == "mistralMistral AI")
    (whole,) = reports.spend(home.store, Asked(("provider",), where={"provider": ["mistral"]})).rows
    assert table["requests"] == f"{whole.requests:,}" == "21"
    assert table["failed"] == "5 %"


async def test_speed_is_that_of_answers_to_clients(home: FakeHouse) -> None:
    home.keep(*some_calls())
    shown = await page(home, PATH)
    assert rows_of(shown, "breaker")["small"]["speed"] == "150.0"


async def test_who_answered_is_what_hosts_said(home: FakeHouse) -> None:
    home.keep(*some_calls())
    found = rows_of(await page(home, PATH), "served")
    assert found["mistral/mistral-large-2512"]["served"] == "they name none"
    assert found["mistral/mistral-large-2512"]["count"] == "7"
    assert found["mistral/mistral-small-2603"]["count"] == "13", "the failed one answered nothing"
    assert found["desk/small"]["served"] == "small:latest"


async def test_a_typical_call_is_priced_as_the_ledger_prices(home: FakeHouse) -> None:
    home.keep(*some_calls())
    shown = await page(home, PATH)
    whole = SpendRow()
    for row in reports.spend(home.store, Asked(("purpose",))).rows:
        if row.group == "call":
            whole.add(row)
    means = [half_even(count, whole.requests)
             for count in (whole.tokens_in, whole.tokens_cached, whole.tokens_out)]  # fmt: skip
    assert f"{means[0]:,} tokens in, {means[1]:,} of them from a cache" in shown.text
    usage = Usage(input=means[0] - means[1], cache_read=means[1], output=means[2])
    found = {name.split("asked for")[0]: row for name, row in rows_of(shown, "typical").items()}
    priced = cost(usage, home.setup.route(FAR).prices, datetime.now(UTC)).pico
    assert priced is not None
    assert found[FAR]["=typical"] == f"{Decimal(priced).scaleb(-12).normalize():f} USD"
    price = home.setup.route(FAR).prices
    assert price is not None
    now = price.at(datetime.now(UTC))
    assert now is not None
    for cell, figure in (("input", now.input), ("cache_read", now.cache_read),
                         ("output", now.output)):  # fmt: skip
        assert figure is not None
        assert found[FAR][f"={cell}"] == f"{figure.normalize():f} USD"
    assert found["desk/small"]["=typical"] == "0 USD"


async def test_without_calls_nothing_is_typical(home: FakeHouse) -> None:
    shown = await page(home, PATH)
    assert "so there is no typical one to price" in shown.text
    assert {row["typical"] for row in rows_of(shown, "typical").values()} == {"–"}
    assert "paid by a plan" in shown.text
    assert "$0.50 an hour of answering" in shown.text
    assert "Nobody answered in this time" in shown.text


async def test_prices_of_hosts_without_a_key_are_shown_too(home: FakeHouse) -> None:
    assert home.setup.route("deepseek/deepseek-chat").prices is None
    shown = await page(home, PATH)
    (row,) = (row for row in shown.rows if row.get("", "").startswith("deepseek/deepseek-chat"))
    assert row["=input"].endswith(" USD")


def fails(made: FakeHouse, name: str, times: int = 1, key: int = 0, **fault: Any) -> None:
    """Have attempts at a route fail."""
    route = made.setup.route(name)
    kind = fault.pop("kind", ErrorKind.SERVER)
    for _ in range(times):
        made.health.bad(route, route.endpoints[key], UpstreamError(kind, "no", **fault))


async def test_an_open_breaker_is_shown(home: FakeHouse) -> None:
    good = home.setup.route(FAR)
    home.health.good(good, good.endpoint, None, None)
    fails(home, FAR, 5)
    shown = await page(home, PATH)
    row = rows_of(shown, "breaker")["mistral-small-2603"]
    assert row["breaker"].startswith("open")
    assert "83 % of 6 failed in the last half minute" in row["breaker"]
    assert "not asked for another" in shown.text
    assert "its breaker is open for another" in shown.text
    assert "gets no call now" in shown.text


async def test_cooling_keys_are_shown_and_no_remaining_count_is_guessed(home: FakeHouse) -> None:
    before = await page(home, PATH)
    assert "none is known to be used up" in before.text
    assert "how much is left of them is not known" in before.text
    fails(home, "openai/gpt-5", kind=ErrorKind.RATE_LIMITED, retry_after_s=300)
    shown = await page(home, PATH)
    assert "one key's limit is used up: it is left alone for another 5 min" in shown.text
    assert "2 keys, each with its own" in shown.text
    assert "quota:" not in shown.text


LIMITS = {
    "x-ratelimit-remaining-tokens": "1200",
    "x-ratelimit-limit-tokens": "40000",
    "x-ratelimit-reset-tokens": "90s",
    "x-ratelimit-remaining-requests": "59",
}


async def test_what_hosts_say_is_left_of_their_limits_is_shown(home: FakeHouse) -> None:
    route = home.setup.route(FAR)
    home.health.told(route, route.endpoints[0], LIMITS)
    shown = await page(home, PATH)
    said = "59 requests left; 1,200 of 40,000 tokens left, all again after 90 s (its host, "
    assert said in shown.text
    async with browser(home) as asking:
        found = (await asking.get("/api/providers")).json()["providers"]
    (room,) = next(one for one in found if one["name"] == "mistral")["now"]["limits"]
    assert room["left"] == [
        {"kind": "requests", "left": 59, "most": None, "resets_in_s": None},
        {"kind": "tokens", "left": 1200, "most": 40000, "resets_in_s": 90},
    ]
    # The next answer says something new of the same keys.
    home.health.told(route, route.endpoints[0], {**LIMITS, "x-ratelimit-remaining-tokens": "7"})
    assert "7 of 40,000 tokens left" in (await page(home, PATH)).text


async def test_windows_and_the_queue_at_home_are_shown(home: FakeHouse) -> None:
    home.windows.used("coding", Amounts(10))
    route = home.setup.route("desk/small")
    for call in range(3):
        home.home_load.began(route, call)
    shown = await page(home, PATH)
    used = home.windows.of("coding")
    for one in used:
        assert f"10 of {one.most:,f} requests" in shown.text
    assert sum(name == "stroke-dasharray" for name, _ in shown.attributes) == len(used)
    assert "1 running at home, 2 waiting" in shown.text


@pytest.mark.parametrize(
    ("used", "most", "frees", "state", "share", "bar"),
    [
        ("0", "100", 0.0, "good", "0 %", 0),
        ("0.5", "100", 0.0, "good", "< 1 %", 2),
        ("80", "100", 0.0, "odd", "80 %", 80),
        ("100", "100", 60.0, "bad", "100 %", 100),
        (None, None, 0.0, "unknown", "unknown", None),
    ],
)
def test_how_a_window_is_drawn(
    used: str | None, most: str | None, frees: float, state: str, share: str, bar: int | None
) -> None:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    one = Used("plan", Window("5h", "requests", None, "", ""), number(used), number(most), frees)
    line = window_line(one, UTC, ENGLISH)
    assert (line.state, line.share, line.bar) == (state, share, bar)
    assert line.per == "in 5 hours"


async def test_a_host_that_cannot_be_called_says_why(home: FakeHouse) -> None:
    shown = await page(home, PATH)
    assert "DEEPSEEK_API_KEY is not set in the environment" in shown.text
    assert "cannot be called" in shown.text


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State("ready"), "runs here, ready"),
        (State("starting"), "runs here, starting"),
        (State("failed", "no such model"), "runs here, failed: no such model"),
        (State("stopped"), "runs here, stopped until it is asked for"),
    ],
)
async def test_a_server_at_home_says_its_phase(home: FakeHouse, state: State, said: str) -> None:
    class Launched:
        def __init__(self) -> None:
            self.state = state

    home.launched["desk"] = Launched()
    assert said in (await page(home, PATH)).text


def test_the_age_of_facts_is_shown_and_what_is_stale_marked(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mistral.yaml").write_text(OVERLAY)
    gone = {"catalog": "github-models", "api_key": "sk-x"}
    hosts = {**CONFIG["providers"], "gone": gone}
    with house(tmp_path, catalog=["own"], providers=hosts) as made:
        found = provider_lines.lines(made, Busy(), UTC, ENGLISH)  # type: ignore[arg-type]
        lines = {line.name: line for line in found}
        facts = {one.name: one for one in lines["mistral"].facts}
        (model,) = lines["mistral"].models
    mistral = lines["mistral"]
    assert mistral.operator == FactCell("FR", "400 days old, stale", is_doubtful=True)
    assert mistral.place == FactCell("FR", "of no known date", is_doubtful=True)
    assert lines["desk"].operator == FactCell("home"), "one's own machine does not age"
    assert not lines["deepseek"].operator.age.endswith("stale")
    assert lines["gone"].state == "bad"
    assert lines["gone"].words == "the host is retired"
    assert "https://mistral.example/old" in facts["operator"].sources
    assert facts["trains_on_data"].cell.words == "never"
    assert {one.name for one in model.facts} >= {
        "quantisation", "context", "max_output", "can", "weights", "licence", "maker"
    }  # fmt: skip


def test_a_fact_that_nobody_knows_is_said_to_be_unknown() -> None:
    assert fact_lines.words("retention_days", None, ENGLISH) == "unknown"
    assert fact_lines.words("retention_days", 0, ENGLISH) == "not at all"
    assert fact_lines.words("operator", frozenset(), ENGLISH) == "unknown"
    assert fact_lines.words("licence", "Apache-2.0", ENGLISH) == "Apache-2.0"


async def test_it_shows_no_secret_and_is_for_operators_alone(tmp_path: Path) -> None:
    with house(tmp_path, keys=[a_key()], server={"admin_key": ADMIN_KEY}) as made:
        closed = await get(made, PATH)
        assert closed.status_code == 401
        assert "mistral" not in closed.text
        assert HOST_KEY not in (await get(made, PATH, ADMIN_KEY)).text


@pytest.mark.parametrize("query", ["period=year", "to=tomorrow", "where=team=x", "sort=price"])
async def test_what_is_no_address_is_a_page_that_says_so(home: FakeHouse, query: str) -> None:
    answer = await get(home, f"/providers?{query}")
    assert answer.status_code == 400
    assert "This cannot be shown" in Page(answer.text).text


async def test_without_a_ledger_the_present_is_there(
    home: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise StoreError("no such table")

    monkeypatch.setattr("billing.reports.grouped", gone)
    answer = await get(home, PATH)
    assert answer.status_code == 503
    shown = Page(answer.text)
    assert "The books are closed" in shown.text
    assert rows_of(shown, "breaker")["mistral-small-2603"]["breaker"] == "closed"
    assert "Windows of its plan" in shown.text


async def test_hostile_names_stay_text(home: FakeHouse) -> None:
    home.keep(
        *(
            an_entry(number, at_us=ago_us(1), provider="mistral", model=name, host=name,
                     endpoint=name, served_model=name)
            for number, name in enumerate(HOSTILE)
        )
    )  # fmt: skip
    shown = await page(home, PATH)
    assert not {"script", "img", "style"} & set(shown.tags)
    assert len(shown.text) < 200_000


async def test_models_that_clients_invent_do_not_fill_the_page(home: FakeHouse) -> None:
    many = 3 * provider_lines.MODELS_MOST
    home.keep(
        *(
            an_entry(number, at_us=ago_us(1), provider="mistral", model=f"m{number}")
            for number in range(many)
        )
    )
    shown = await page(home, PATH)
    assert f"{many + 1 - provider_lines.MODELS_MOST} more models" in shown.text
    assert f"and {many - providers.ANSWERS_MOST} more" in shown.text
    assert "mistral-small-2603" in rows_of(shown, "breaker"), "those of the config come first"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_shows_all_of_it(home: FakeHouse, language: str) -> None:
    t = words(language)
    home.keep(*some_calls())
    shown = await page(home, f"{PATH}&lang={language}")
    for key in ("provider.now", "price.title", "provider.facts", "answer.title", "fact.unknown",
                "headroom.remaining_unknown", "plan_window.by_count", "price.by_plan"):  # fmt: skip
        assert t(key) in shown.text, key


def test_sums_are_by_provider_and_by_model() -> None:
    rows = [
        SpendRow(("p", "a", "call"), requests=2, tokens_out=30, total_ms=1_500),
        SpendRow(("p", "b", "hedge"), tokens_out=30, total_ms=500),
        SpendRow(("p", "b", "judge"), tokens_out=900, total_ms=1),
        SpendRow(("q", "a", "call"), requests=1),
    ]
    busy = Busy(added_up(rows))
    assert busy.of("p").row.tokens_out == 960
    assert busy.of("p").speed == "30.0"
    assert busy.of("p", "b").speed == "60.0"
    assert busy.of("q").speed == "–"
    assert busy.of("nobody").row.requests == 0
    assert busy.models("p") == ["a", "b"]

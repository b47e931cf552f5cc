"""Providers' exports as they are: each known kind of bill is read, and what is none is said."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from billing.bill import BillLine
from gateway import bill_forms
from gateway.bill_forms import BillForm
from gateway.bill_reading import WrongBillError, read_bill
from gateway.problems import ConfigError

DAY = date(2026, 11, 2)
UNIX = 1793577600  # that day's beginning in UTC


def read(kind: str, *files: object) -> list[BillLine]:
    contents = [
        file.encode() if isinstance(file, str) else json.dumps(file).encode() for file in files
    ]
    return read_bill(bill_forms.named(kind), [(f"{n}", text) for n, text in enumerate(contents, 1)])


def buckets(begin: dict[str, object], *results: dict[str, object]) -> dict[str, object]:
    return {"object": "page", "data": [{**begin, "results": list(results)}], "has_more": False}


def test_openai_usage() -> None:
    line = {
        "object": "organization.usage.completions.result",
        "input_tokens": 1000, "input_cached_tokens": 600, "output_tokens": 50,
        "num_model_requests": 4, "model": "gpt-6.1-mini", "api_key_id": "key_1",
    }  # fmt: skip
    found = read("openai-usage", buckets({"start_time": UNIX}, line))
    assert found == [BillLine(DAY, "gpt-6.1-mini", "key_1", 4, 1000, 50)]


def test_openai_costs_keep_every_digit() -> None:
    amount = '{"value":0.0600000000000000047,"currency":"usd"}'
    text = f'{{"data":[{{"start_time":{UNIX},"results":[{{"amount":{amount}}}]}}]}}'
    (found,) = read("openai-costs", text)
    assert (found.day, found.cost, found.currency) == (DAY, Decimal("0.0600000000000000047"), "USD")


def test_anthropic_usage_adds_every_way_in() -> None:
    line = {
        "uncached_input_tokens": 100, "cache_read_input_tokens": 20, "output_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 1},
        "model": "claude-sonnet-5-5", "api_key_id": None,
    }  # fmt: skip
    found = read("anthropic-usage", buckets({"starting_at": "2026-11-02T00:00:00Z"}, line))
    assert found == [BillLine(DAY, "claude-sonnet-5-5", "", None, 124, 7)]


def test_anthropic_costs_are_in_cents() -> None:
    line = {"amount": "123.45", "currency": "USD", "model": None}
    (found,) = read("anthropic-costs", buckets({"starting_at": "2026-11-02T00:00:00Z"}, line))
    assert found.cost == Decimal("1.2345")


def test_openrouter_activity_and_credits() -> None:
    row = {
        "date": "2026-11-02", "model": "z-ai/glm-5.3", "usage": 0.015, "requests": 5,
        "prompt_tokens": 50, "completion_tokens": 125, "reasoning_tokens": 25,
    }  # fmt: skip
    found = read("openrouter-activity", {"data": [row]})
    assert found == [BillLine(DAY, "z-ai/glm-5.3", "", 5, 50, 125, Decimal("0.015"))]
    before = {"data": {"total_credits": 20, "total_usage": 3.25}}
    after = {"data": {"total_credits": 30, "total_usage": 4.5}}
    assert read("openrouter-credits", before, after) == [BillLine(None, cost=Decimal("1.25"))]


def test_deepseek_exports() -> None:
    amounts = (
        "user_id,utc_date,model,api_key_name,api_key,type,price,amount\n"
        "u,2026-11-02,deepseek-flash,prod,sk-***,input_cache_hit_tokens,0.003,900\n"
        "u,2026-11-02,deepseek-flash,prod,sk-***,input_cache_miss_tokens,0.15,100\n"
        "u,2026-11-02,deepseek-flash,prod,sk-***,output_tokens,0.6,40\n"
        "u,2026-11-02,deepseek-flash,prod,sk-***,request_count,,3\n"
    )
    found = read("deepseek-amount", amounts)
    assert [(line.requests, line.tokens_in, line.tokens_out) for line in found] == [
        (None, 900, None), (None, 100, None), (None, None, 40), (3, None, None),
    ]  # fmt: skip
    costs = "\ufeffutc_date,model,cost,currency\n2026-11-02,deepseek-flash,0.0000417,CNY\n"
    (cost,) = read("deepseek-cost", costs)
    assert (cost.cost, cost.currency) == (Decimal("0.0000417"), "CNY")


@pytest.mark.parametrize(
    ("kind", "shape", "currency"),
    [
        (
            "deepseek-balance",
            lambda left: {"balance_infos": [{"currency": "CNY", "total_balance": left}]},
            "CNY",
        ),
        ("moonshot-balance", lambda left: {"data": {"available_balance": float(left)}}, "USD"),
        ("moonshot-cn-balance", lambda left: {"data": {"available_balance": float(left)}}, "CNY"),
    ],
)
def test_balances_make_a_bill_of_what_was_spent_between(kind, shape, currency) -> None:
    assert read(kind, shape("110.00"), shape("98.75")) == [
        BillLine(None, cost=Decimal("11.25"), currency=currency)
    ]
    with pytest.raises(WrongBillError, match="topped up"):
        read(kind, shape("98.75"), shape("110.00"))
    with pytest.raises(WrongBillError, match="two files"):
        read(kind, shape("1"))


def test_any_csv_can_be_described(tmp_path: Path) -> None:
    form = tmp_path / "ours.yaml"
    form.write_text(
        "title: The export of our reseller\nfile: csv\nseparator: ';'\ndecimal_comma: true\n"
        "zone: Europe/Paris\nday: {at: Datum, written: text, format: '%d.%m.%Y'}\nmodel: Modell\n"
        "tokens_in: [Ein]\ntokens_out: [Aus]\ncost: {at: Betrag, currency: EUR}\n"
    )
    rows = "Datum;Modell;Ein;Aus;Betrag\n02.11.2026;small;1.200;30;€ 1.234,5\n"
    found = read_bill(bill_forms.load(form), [("a.csv", rows.encode())])
    assert found == [BillLine(DAY, "small", "", None, 1200, 30, Decimal("1234.5"), "EUR")]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("openai-usage", "{", "no JSON"),
        ("openai-usage", "[" * 100_000, "no JSON"),
        ("openai-usage", '{"error": {}}', "'data' is not there"),
        ("openai-usage", '{"data": [7]}', "no list of lines"),
        (
            "openai-usage",
            '{"data":[{"start_time":"soon","results":[{"input_tokens":1}]}]}',
            "no day",
        ),
        ("openrouter-activity", '{"data":[{"date":"2026-11-02","usage":true}]}', "no figure"),
        (
            "openrouter-activity",
            '{"data":[{"date":"2026-11-02","requests":1.5}]}',
            "no whole number",
        ),
        ("deepseek-cost", "utc_date,cost\n2026-11-02,1e99\n", "no figure"),
        ("deepseek-cost", "utc_date,cost\n2026-11-02,1e-999999999\n", "no figure"),
        ("deepseek-cost", 'utc_date,cost\n2026-11-02,"1,50"\n', "no figure"),
        ("deepseek-cost", "utc_date,cost\n0001-01-01,1\n", "no day of a bill"),
        ("deepseek-cost", "utc_date,cost\n9999-12-31,1\n", "no day of a bill"),
        ("deepseek-cost", f"utc_date,cost\n2026-11-02,{'1' * 200_000}\n", "no CSV"),
    ],
)
def test_what_is_no_bill_says_where(kind: str, text: str, words: str) -> None:
    with pytest.raises(WrongBillError, match=words):
        read(kind, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: x\nfile: csv\n", "reads no figure"),
        ("title: x\nfile: csv\ncots: {at: a}\n", "unknown key `cots`"),
        ("title: x\nfile: csv\ncost: {at: a}\nday: {at: d, written: text}\n", "format"),
        ("title: x\nfile: csv\ncost: {at: a}\nday: {at: d}\nbalance: true\n", "a balance"),
    ],
)
def test_a_wrong_description_says_where(tmp_path: Path, text: str, words: str) -> None:
    form = tmp_path / "form.yaml"
    form.write_text(text)
    with pytest.raises(ConfigError, match=words):
        bill_forms.load(form)


def test_every_known_kind_has_a_source_and_says_how_it_is_got_where_that_is_an_api() -> None:
    for name in bill_forms.names():
        form: BillForm = bill_forms.named(name)
        assert form.source["url"]
        assert form.source["date"]
        assert form.fetch or form.file == "csv"

"""Files of the ledger: exact, in constant memory, and nothing in them that a spreadsheet runs."""

from __future__ import annotations

import builtins
import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest

from billing import cells, exports, focus, pages
from billing.calendar_cuts import moment
from billing.ledger import Entry
from billing.money import usd_text
from billing.reports import total
from billing.store import Store
from tests.unit.billing.samples import NOON_US, an_entry

HOUR_US = 3_600 * 1_000_000
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1")
# FOCUS 1.2: the columns that have to be there, each with its type and whether it may be empty.
# https://focus.finops.org/focus-specification/v1-2/ ("Feature level: Mandatory"), read 2026-11-26.
MANDATORY = {
    "BilledCost": ("Decimal", False),
    "BillingAccountId": ("String", False),
    "BillingAccountName": ("String", True),
    "BillingCurrency": ("String", False),
    "BillingPeriodEnd": ("Date/Time", False),
    "BillingPeriodStart": ("Date/Time", False),
    "ChargeCategory": ("String", False),
    "ChargeClass": ("String", True),
    "ChargeDescription": ("String", True),
    "ChargePeriodEnd": ("Date/Time", False),
    "ChargePeriodStart": ("Date/Time", False),
    "ContractedCost": ("Decimal", False),
    "EffectiveCost": ("Decimal", False),
    "InvoiceIssuerName": ("String", False),
    "ListCost": ("Decimal", False),
    "PricingQuantity": ("Decimal", True),
    "PricingUnit": ("String", True),
    "ProviderName": ("String", False),
    "PublisherName": ("String", False),
    "ServiceCategory": ("String", False),
    "ServiceName": ("String", False),
}
CATEGORIES = {"Adjustment", "Credit", "Purchase", "Tax", "Usage"}

SOME = [
    an_entry(1, cost_pico=2**63 - 1, tags="a,b", user="ada"),
    an_entry(2, cost_pico=None, at_us=NOON_US + 1),
    an_entry(3, cost_pico=7, at_us=NOON_US + HOUR_US, team="", energy_j=5, reconciled=False),
    an_entry(3, attempt_id="req_3.c1", purpose="correction", corrects="req_3.1", cost_pico=-5,
             at_us=NOON_US + HOUR_US, input=-1, output=0, cache_read=0),
    an_entry(4, cost_pico=0, at_us=NOON_US + 30 * 24 * HOUR_US, output=0),
    an_entry(5, cost_pico=0, cost_state="nothing", outcome="failed", error="connect", input=0,
             output=0, cache_read=0),
]  # fmt: skip


def table(written: bytes) -> list[dict[str, str]]:
    """Return the lines of a CSV."""
    return list(csv.DictReader(io.StringIO(written.decode(), newline="")))


def whole(form: str, entries: list[Entry]) -> bytes:
    """Return a file of entries."""
    return b"".join(exports.FORMS[form](entries))


@pytest.mark.parametrize("name", ["key", "user", "tags", "model_asked", "team", "model"])
@pytest.mark.parametrize("text", FORMULAS)
def test_what_clients_name_is_no_formula_in_csv_and_itself_elsewhere(name: str, text: str) -> None:
    entry = an_entry(1, **{name: text})
    (row,) = table(whole("csv", [entry]))
    assert row[name] == f"'{text}".replace("\r", " ")
    assert json.loads(whole("jsonl", [entry]))[name] == text
    assert read_parquet(whole("parquet", [entry]))[0][name] == text


def test_numbers_below_zero_stay_numbers() -> None:
    (row,) = table(whole("csv", [an_entry(1, cost_pico=-5, input=-3)]))
    assert (row["cost_usd"], row["input"]) == ("-0.000000000005", "-3")
    assert cells.lines([[cells.Figure("-1"), "-1", -1, None]]) == "-1,'-1,-1,\n"


def read_parquet(written: bytes) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="no pyarrow")
    found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(written)).to_pylist()
    return found


def test_every_form_has_every_field_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "BATCH", 2)
    monkeypatch.setattr(exports, "ROW_GROUP", 2)
    lines = [json.loads(line) for line in whole("jsonl", SOME).splitlines()]
    rows, arrow = table(whole("csv", SOME)), read_parquet(whole("parquet", SOME))
    assert len(lines) == len(rows) == len(arrow) == len(SOME)
    for entry, line, row, columns in zip(SOME, lines, rows, arrow, strict=True):
        assert tuple(line) == tuple(row) == tuple(columns) == exports.COLUMNS
        for name in Entry.__struct_fields__:
            value, shown = getattr(entry, name), exports.MONEY.get(name, name)
            if name in exports.MONEY and value is not None:
                assert line[shown] == row[shown] == usd_text(value)
                assert columns[shown] == Decimal(value).scaleb(-12)
            else:
                assert line[shown] == columns[shown] == value
                assert row[shown] == ("" if value is None else str(value))
        assert columns["at"] == moment(entry.at_us)
    kinds = {type(row["cost_usd"]) for row in arrow}
    assert kinds == {Decimal, type(None)}


@pytest.mark.parametrize("form", exports.FORMS)
def test_an_export_is_written_as_it_is_read(store: Store, form: str) -> None:
    store.insert(SOME)
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="no pyarrow")
    entries = list(pages.each(store, None, None))
    assert b"".join(exports.FORMS[form](pages.each(store, None, None))) == whole(form, entries)
    given = iter(entries * 4_000)
    pieces = exports.FORMS[form](given)
    next(pieces)
    assert sum(1 for _ in given) > len(entries) * 4_000 - exports.ROW_GROUP - 1, "all was read"


def test_parquet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return load(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(exports.MissingError, match=r"entrepot\[parquet\]"):
        next(exports.parquet(SOME))


def focus_rows(store: Store, **where: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a whole export in the FinOps format."""
    return table(b"".join(focus.focus(store, None, None, where)))


def test_focus_adds_up_to_the_ledger_exactly(store: Store) -> None:
    store.insert(SOME)
    rows = focus_rows(store)
    costs = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    for name in costs:
        pico = sum((Decimal(row[name]) for row in rows), Decimal()).scaleb(12)
        assert pico == total(store, None, None).cost_pico
    assert [row["ChargeCategory"] for row in rows] == ["Usage", "Usage", "Adjustment", "Usage"]
    assert json.loads(rows[0]["Tags"]) == {
        "team": "platform", "key": "ci", "user": "ada", "label": "internal", "tag/a": True,
        "tag/b": True,
    }  # fmt: skip
    assert (rows[1]["SubAccountId"], rows[1]["PricingQuantity"]) == ("", "22")
    assert len(focus_rows(store, tag=("a",))) == 1


def test_focus_has_the_mandatory_columns_of_the_right_type(store: Store) -> None:
    store.insert([*SOME, an_entry(9, provider="=1+1", team="@x", tags="-2")])
    rows = focus_rows(store)
    assert {name: kind for name, (kind, _) in MANDATORY.items()}.items() <= focus.COLUMNS.items()
    assert [name for name in focus.COLUMNS if name.startswith("x_")]
    for row in rows:
        assert tuple(row) == tuple(focus.COLUMNS)
        for name, kind in focus.COLUMNS.items():
            value, (_, may_be_empty) = row[name], MANDATORY.get(name, ("", True))
            assert may_be_empty or value, name
            assert not value.startswith(tuple("=+@\t"))
            if value and kind == "Decimal":
                Decimal(value)
            elif value and kind == "Date/Time":
                assert moment(0).strptime(value, "%Y-%m-%dT%H:%M:%SZ")
            elif value and kind == "JSON":
                assert isinstance(json.loads(value), dict)
        assert row["ChargeCategory"] in CATEGORIES
        assert row["BillingCurrency"] == "USD"
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"]
        assert row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]


def test_focus_leaves_out_what_has_no_known_cost_and_asks_for_whole_quarters(store: Store) -> None:
    store.insert([an_entry(1, cost_pico=None), an_entry(2, team="x", cost_pico=3)])
    (row,) = focus_rows(store)
    assert (row["SubAccountName"], row["x_UnknownCostAttempts"]) == ("x", "0")
    with pytest.raises(ValueError, match="whole quarter"):
        next(focus.focus(store, moment(NOON_US + 1), None, {}))

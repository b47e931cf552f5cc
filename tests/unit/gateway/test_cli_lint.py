"""What `entrepot providers --lint` finds, in the built-in catalogue and in folders of one's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
GOOD = """\
id: harbour
name: Harbour
kind: hosted
status: {is: live, source: [new]}
auth: {kind: bearer}
wires: {chat: /v1/chat/completions}
operator:
  company: {is: {name: Harbour AB, countries: [SE]}, source: [new]}
  parent: {is: none, source: [new]}
place:
  processed_in: {is: [SE], source: [new]}
  trains_on_data: {is: never, source: [new]}
  retention_days: {is: 30, source: [new]}
  zdr: {is: 'no', source: [new]}
default_endpoint: only
endpoints:
  only: {base_url: {is: 'https://harbour.example', source: [new]}}
models:
  glm-5.2:
    family: glm-5.2
    prices: {is: {input: '1.4', output: '4.4'}, source: [new]}
sources:
  new: {url: 'https://harbour.example/docs', date: 'TODAY'}
""".replace("TODAY", datetime.now(UTC).date().isoformat())
OLD = "  old: {url: 'https://harbour.example/terms', date: read 2024-01-02}\n"


@pytest.fixture
def lint(tmp_config: Config, tmp_path: Path) -> Callable[..., Any]:
    """Return what is found of a host of one's own, each replacement made in a good one."""
    folder = tmp_path / "own"
    folder.mkdir()
    path = tmp_config({"catalog": ["own"], "providers": {}})

    def found(
        *changes: tuple[str, str], more: str = "", others: dict[str, str] | None = None
    ) -> Any:
        text = GOOD
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        (folder / "harbour.yaml").write_text(text + more)
        for name, other in (others or {}).items():
            (folder / name).write_text(other)
        return told("providers", "--lint", next(iter(others or {"harbour.yaml": 0})).split(".")[0],
                    "-c", path)  # fmt: skip

    return found


def test_the_built_in_catalogue_has_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    shown = entrepot("providers", "--lint")
    assert shown.exit_code == 0, [li for li in shown.stdout.splitlines() if ": error: " in li]
    assert " 0 errors, " in shown.stdout.splitlines()[-1]
    found = told("providers", "--lint")
    assert found["good"] is True
    assert found["hosts"] > 70
    for note in found["notes"]:
        assert Path(note["file"]).is_file()
        assert note["line"] > 0
        assert note["what"]


def test_a_good_entry_is_good(lint: Callable[..., Any]) -> None:
    assert lint() == {
        "good": True, "hosts": 1, "stale_after_days": 180, "errors": [], "notes": []
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "check", "line", "says"),
    [
        ("{is: never, source: [new]}", "{is: never, source: [new], conflict: [{is: by_default, source: [new]}]}", "conflict", 12, "never, which promises more than by_default"),
        ("{is: 30, source: [new]}", "{is: 30, source: [new], conflict: [{is: 90, source: [new]}]}", "conflict", 13, "`retention_days` keeps 30"),
        ("{is: none, source: [new]}", "{is: none, source: [new], conflict: [{is: {name: Pier, countries: [US]}, source: [new]}]}", "conflict", 9, "more than Pier (US)"),
        ("{is: [SE], source", "{is: [SE, home], source", "home", 11, "caller's home"),
        ("countries: [SE]", "countries: [home]", "home", 8, "not home"),
        ("    family: glm-5.2\n", "    family: glm-5.2\n    context: {is: 9000000, source: [new]}\n", "model", 21, "its family `glm-5.2` only"),
        ("    family: glm-5.2\n", "    family: glm-5.2\n    context: {is: 1000, source: [new]}\n    max_output: {is: 2000, source: [new]}\n", "model", 22, "2000 tokens in a context of 1000"),
        ("    family: glm-5.2\n", "    family: glm-5.2\n    can: {is: [tools], source: [new]}\n    cannot: {is: [tools], source: [new]}\n", "model", 22, "both can and cannot: tools"),
        ("    family: glm-5.2\n", "    family: glm-5.2\n    maker: {is: {name: X, countries: [FR]}, source: [new]}\n", "model", 21, "is made in ['FR']"),
    ],
)  # fmt: skip
def test_a_contradiction_is_an_error_with_its_line(
    lint: Callable[..., Any],
    tmp_path: Path,
    before: str,
    after: str,
    check: str,
    line: int,
    says: str,
) -> None:
    (error,) = lint((before, after))["errors"]
    assert (error["check"], error["line"]) == (check, line)
    assert error["file"] == str(tmp_path / "own" / "harbour.yaml")
    assert says in error["what"]
    shown = entrepot("providers", "--lint", "harbour", "-c", tmp_path / "config.yaml")
    assert shown.exit_code == 1
    assert f"harbour.yaml:{line}: error: " in shown.stdout


def test_a_company_is_of_the_same_countries_in_every_entry(
    lint: Callable[..., Any], tmp_path: Path
) -> None:
    lint(("name: Harbour AB, countries: [SE]", "name: Mistral AI SAS, countries: [SE]"))
    errors = told("providers", "--lint", "-c", tmp_path / "config.yaml")["errors"]
    assert errors
    assert {error["check"] for error in errors} == {"country"}
    assert all("`Mistral AI SAS` is of FR here, of SE in" in error["what"] for error in errors)


@pytest.mark.parametrize(
    ("before", "after", "more", "check", "says"),
    [
        ("live, source: [new]", "live, source: [old]", OLD, "old", "`status` was confirmed"),
        ("prices: {is: {input: '1.4', output: '4.4'}, source: [new]}", "prices: {is: {input: '1.4', output: '4.4'}, source: [old]}", OLD, "old", "1 more facts are older than 180 days"),
        ("live, source: [new]", "live, source: [blank]", "  blank: {url: 'https://x', date: 'a copy, undated'}\n", "undated", "source `blank` names no year"),
        ("is: live, source: [new]", "is: unknown", "", "status", "nobody knows whether"),
        ("is: none, source: [new]", "is: {name: Pier, countries: unknown}, source: [new]", "", "country", "`Pier`, its parent, has no country"),
        ("    prices: {is: {input: '1.4', output: '4.4'}, source: [new]}\n", "", "", "price", "no price is known of glm-5.2"),
        ("    family: glm-5.2\n", "    maker: {is: unknown}\n    weights: {is: unknown}\n    licence: {is: unknown}\n    context: {is: unknown}\n    max_output: {is: unknown}\n", "", "family", "of no family: glm-5.2"),
        ("is: never, source: [new]", "is: never, source: [new], conflict: [{is: never, source: [new]}]", "", "conflict", "that is no conflict"),
        ("auth: {kind: bearer}", "auth: {kind: bearer}\ngenai_prices: zai", "", None, ""),
        ("input: '1.4'", "input: '9'", "genai_prices: zai\n", "other price", "input 9, not 1.4"),
    ],
)  # fmt: skip
def test_what_is_missing_or_old_is_a_note(
    lint: Callable[..., Any], before: str, after: str, more: str, check: str | None, says: str
) -> None:
    found = lint((before, after), more=more)
    assert found["errors"] == []
    notes = {note["check"]: note["what"] for note in found["notes"]}
    assert set(notes) == ({check} if check else set())
    assert says in notes.get(check or "", "")


def test_an_endpoint_of_which_nothing_is_known_and_a_host_without_models(
    lint: Callable[..., Any],
) -> None:
    place = GOOD[GOOD.index("place:") : GOOD.index("default_endpoint")]
    unknown = "place: {processed_in: &no {is: unknown}, trains_on_data: *no, retention_days: *no, zdr: *no}\n"
    models = GOOD[GOOD.index("models:") : GOOD.index("sources:")]
    found = lint((place, unknown), (models, ""))
    assert {note["check"] for note in found["notes"]} == {"place", "models"}


def test_a_plan_and_what_is_like_another(lint: Callable[..., Any]) -> None:
    plan = """\
id: pier
like: harbour
name: Pier
kind: hosted
default_endpoint: only
endpoints: {only: {base_url: {is: 'https://pier.example', source: [new]}}}
models: {glm-5.2: {family: mistral-small-4}}
plan:
  name: Pier
  payg: harbor
  tiers: {small: {fees: {is: unknown}, windows: {is: unknown}}}
  terms: {gateway: {is: allowed, source: [new]}, clients: {is: [any], source: [new]}}
"""
    errors = lint(others={"pier.yaml": plan})["errors"]
    told_ = {error["check"]: (error["line"], error["what"]) for error in errors}
    assert told_["payg"] == (10, "there is no host `harbor` for who pays by the token")
    assert told_["like"][1] == "`glm-5.2` is made in FR, at `harbour` in CN"


def test_a_file_that_cannot_be_read_is_told_as_everywhere(
    tmp_config: Config, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "harbour.yaml").write_text(
        GOOD.replace("is: live, source: [new]", "is: live")
    )
    path = tmp_config({"catalog": ["own"], "providers": {}})
    shown = entrepot("providers", "--lint", "-c", path)
    assert shown.exit_code == 2
    assert f"{tmp_path}/own/harbour.yaml:4: " in shown.stderr
    assert "has no source" in shown.stderr


def test_an_unknown_host_is_answered_with_the_nearest(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    shown = entrepot("providers", "--lint", "mitsral")
    assert shown.exit_code == 2
    assert "did you mean 'mistral'?" in shown.stderr

"""`entrepot check` for CI: JUnit, JSON with counts, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.running import config
from tests.unit.gateway.commands import entrepot, told

PROVIDERS = {"mistral": {"endpoint": "eu", "api_key": "k"}, "deepseek": {"api_key": "k"}}
WHOLE: dict[str, Any] = {
    "providers": PROVIDERS,
    "models": {"m": ["mistral/mistral-small-2603", "deepseek/deepseek-flash"]},
}
HOLDS = {"given": {"label": "secret"}, "never": {"operator": ["CN"]}}
BREAKS = {"given": {"label": "public"}, "never": {"operator": ["CN"]}}
RULES = [{"name": 'no <China> & "co"', "when": {"label": "secret"}, "forbid": {"operator": "CN"}}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return config(tmp_path, **WHOLE, policy={"rules": RULES, "expect": [HOLDS, BREAKS]})


def report(text: str) -> Xml.Element:
    assert text.startswith("<?xml")
    return Xml.fromstring(text)


def test_each_promise_is_a_test_case_and_a_broken_one_fails_with_its_request(path: Path) -> None:
    done = entrepot("check", "--config", path, "--junit", "-")
    assert done.exit_code == 1
    root = report(done.stdout)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
    _, promises = root.findall("testsuite")
    good, bad = promises.findall("testcase")
    assert good.find("failure") is None
    assert "secret" in good.get("name", "")
    failure = bad.find("failure")
    assert failure is not None
    assert "label public, model m: deepseek/deepseek-flash may answer" in (failure.text or "")
    assert failure.get("message") == failure.text


def test_warnings_are_told_beside_the_cases(path: Path) -> None:
    root = report(entrepot("check", "--config", path, "--junit", "-").stdout)
    shown = [suite.findtext("system-out") or "" for suite in root.findall("testsuite")]
    notices = told("check", "--config", path)["proof"]["warnings"]
    assert notices == [] or notices[0]["text"] in shown[1]


def test_a_report_in_a_file_leaves_the_screen_as_it_is(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.xml"
    done = entrepot("check", "--config", path, "--junit", out)
    assert done.exit_code == 1
    assert "BROKEN" in done.stdout
    assert report(out.read_text(encoding="utf-8")).get("failures") == "1"
    assert told("check", "--config", path, "--junit", out)["good"] is False


def test_all_is_well_with_exit_code_0(tmp_path: Path) -> None:
    path = config(tmp_path, **WHOLE, policy={"rules": RULES, "expect": [HOLDS]})
    done = entrepot("check", "--config", path, "--junit", "-")
    assert done.exit_code == 0
    assert report(done.stdout).get("failures") == "0"


def test_a_config_that_cannot_be_used_is_an_error_for_each_problem(tmp_path: Path) -> None:
    rules = [{"name": "r", "forbid": {"operator": "UK"}}, {"name": "s", "prefer": "weighted"}]
    path = config(tmp_path, **WHOLE, policy={"rules": rules})
    done = entrepot("check", "--config", path, "--junit", "-")
    assert done.exit_code == 2
    root = report(done.stdout)
    errors = [error.get("message", "") for error in root.iter("error")]
    assert root.get("errors") == str(len(errors)) == "2"
    assert any("UK" in error and "GB" in error for error in errors)
    assert all(str(path) in error for error in errors)


def test_two_documents_do_not_fit_on_one_screen(path: Path) -> None:
    done = entrepot("check", "--config", path, "--junit", "-", "--json")
    assert done.exit_code == 2
    assert "file" in done.stderr


def test_a_report_that_cannot_be_written_is_said(path: Path, tmp_path: Path) -> None:
    done = entrepot("check", "--config", path, "--junit", tmp_path / "none" / "report.xml")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_signs_that_xml_cannot_hold_do_not_break_the_report(tmp_path: Path) -> None:
    rules = [
        {"name": "bell \x07 and \ufffe", "when": {"model": "none"}, "forbid": {"operator": "CN"}}
    ]
    path = config(tmp_path, **WHOLE, policy={"rules": rules})
    text = entrepot("check", "--config", path, "--junit", "-").stdout
    assert "no request is one that rule" in text
    report(text)


def test_json_has_every_finding_and_warning_with_its_counts(path: Path) -> None:
    proof = told("check", "--config", path)["proof"]
    good, bad = proof["expectations"]
    assert (good["holds"], bad["holds"]) == (True, False)
    assert good["cases"] > 0
    assert good["request"] is None
    assert bad["request"] == {"label": "public", "model": "m", "team": "", "key": "", "tags": []}
    assert proof["cases"] >= good["cases"] + bad["cases"]
    assert all(
        {"kind", "text", "rules", "routes", "requests"} <= notice.keys()
        for notice in proof["warnings"]
    )

"""What ``check`` found as a JUnit report, which CI systems read: one test case a promise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as Xml

from gateway.commands.live import Tried
from gateway.problems import Problem
from gateway.setup import Setup
from routing.proof import Finding, Proof

_NAME = "entrepot check"


def as_junit(
    file: str, setup: Setup, found: Proof, warnings: Iterable[Problem], tried: Iterable[Tried]
) -> str:
    """Return the report of a config that can be used: its promises, and calls made with --live."""
    suites = [_suite(file, [_case(file, "can be used")], map(str, warnings))]
    promises = [_promise(setup.policy.hash, finding) for finding in found.findings]
    suites.append(
        _suite("the policy's promises", promises, (notice.text for notice in found.warnings))
    )
    calls = [_call(one) for one in tried]
    if calls:
        suites.append(_suite("one call to each route", calls))
    return _document(suites)


def unreadable(file: str, problems: Iterable[Problem]) -> str:
    """Return the report of a config that cannot be used: one test case in error a problem."""
    cases = []
    for problem in problems:
        case = _case(problem.file, f"line {problem.line}: {problem.what}")
        _say(case, "error", "problem", str(problem))
        cases.append(case)
    return _document([_suite(file, cases)])


def _promise(policy: str, finding: Finding) -> Xml.Element:
    case = _case(f"policy {policy}", finding.expect)
    if not finding.holds:
        _say(case, "failure", "expectation", finding.counter_example)
    _text(Xml.SubElement(case, "system-out"), f"over {finding.cases} kinds of requests")
    return case


def _call(one: Tried) -> Xml.Element:
    case = _case("live", one.route)
    case.set("time", f"{one.ms / 1000:.3f}")
    if not one.good:
        _say(case, "failure", str(one.status), one.said)
    return case


def _case(group: str, name: str) -> Xml.Element:
    return Xml.Element("testcase", {"classname": _clean(group), "name": _clean(name), "time": "0"})


def _say(case: Xml.Element, outcome: str, kind: str, text: str) -> None:
    found = Xml.SubElement(case, outcome, {"type": kind, "message": _clean(text)})
    _text(found, text)


def _suite(name: str, cases: Sequence[Xml.Element], out: Iterable[str] = ()) -> Xml.Element:
    suite = Xml.Element("testsuite", {"name": _clean(name), **_counts(cases)})
    suite.extend(cases)
    lines = list(out)
    if lines:
        _text(Xml.SubElement(suite, "system-out"), "\n".join(lines))
    return suite


def _document(suites: Sequence[Xml.Element]) -> str:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    root = Xml.Element("testsuites", {"name": _NAME, **_counts(cases)})
    root.extend(suites)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def _counts(cases: Sequence[Xml.Element]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": "0",
    }


def _text(element: Xml.Element, text: str) -> None:
    element.text = _clean(text)


def _clean(text: str) -> str:
    """Return ``text`` without the signs that XML 1.0 cannot hold."""
    return "".join(
        sign
        if sign in "\t\n\r"
        or " " <= sign <= "\ud7ff"
        or "\ue000" <= sign <= "\ufffd"
        or sign >= "\U00010000"
        else "\N{MIDDLE DOT}"
        for sign in text
    )

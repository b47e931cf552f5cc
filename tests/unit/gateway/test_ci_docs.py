"""The ready workflows say what the commands understand."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.source_tree import ROOT
from tests.unit.gateway.commands import entrepot

WORKFLOWS = ("docs/ci/github.yml", "docs/ci/gitlab.yml")
# `"$IMAGE" check …` in one, `entrepot check …` in the other; a line may be continued.
CALL = re.compile(r'(?:entrepot|"\$IMAGE"(?: \\)?)\s+(check|diff)\s+((?:\\\n|[^\n])*)')


def scripts(node: Any) -> list[str]:
    """Return every text of a workflow that is run."""
    if isinstance(node, list):
        return [text for item in node for text in scripts(item)]
    if not isinstance(node, dict):
        return []
    found = [text for name in ("run", "script") for text in _texts(node.get(name))]
    return found + [text for value in node.values() for text in scripts(value)]


def _texts(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def calls(path: str) -> list[tuple[str, str]]:
    texts = scripts(yaml.safe_load((ROOT / path).read_text(encoding="utf-8")))
    return [(found[1], found[2]) for text in texts for found in CALL.finditer(text)]


@pytest.mark.parametrize("path", WORKFLOWS)
def test_both_commands_are_called_with_options_that_they_have(path: str) -> None:
    found = calls(path)
    assert [command for command, _ in found] == ["check", "diff"]
    for command, words in found:
        known = entrepot(command, "--help").stdout
        options = re.findall(r"--[a-z-]+", words)
        assert options
        for option in options:
            assert option in known, f"{path}: {command} {option}"


@pytest.mark.parametrize("path", WORKFLOWS)
def test_nothing_is_secret_but_the_ledger(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"LEDGER_URL"}


def test_what_the_page_links_to_exists() -> None:
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert len(links) >= 2
    assert all((ROOT / "docs" / link).exists() for link in links)

"""Every host of the catalogue answers in its own manner, over a socket, and is understood.

``tests/exchanges/reading.py`` says how a file is written and how one host is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.catalog import BUILTIN
from tests.exchanges.playing import Stage, why_unknown, write_config
from tests.exchanges.reading import FOLDER, NEEDED, FileError, Found, Loader, found, read
from tests.fakes.upstream import Upstream
from tests.replay.corpus import CORPUS
from tests.running import running

ALL = list(found())
# What has no chat to show: it relays other endpoints only, or nobody can ask it any more.
PLAIN_WIRES = {"embeddings", "rerank"}
GONE = ("closed", "retired")


@pytest.fixture(scope="module")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Run one gateway with the hosts of those tests that run at all."""
    chosen = [
        item.callspec.params["one"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "one" in getattr(item, "fixturenames", ())
    ]
    folder = tmp_path_factory.mktemp("exchanges")
    wanted = [one for one in chosen if isinstance(one, Found)]
    with Upstream() as upstream, running(write_config(folder, upstream, wanted)) as gateway:
        yield Stage(gateway, upstream)


@pytest.mark.parametrize("one", ALL, ids=str)
def test_a_host_is_understood(one: Found, stage: Stage) -> None:
    unknown = why_unknown(one)
    assert not unknown, unknown
    if one.exchange.is_recorded and not CORPUS.is_dir():
        pytest.skip("the recorded corpus does not lie beside the repository")
    wrong = stage.play(one)
    assert not wrong, "\n".join(wrong)


def entries() -> list[tuple[str, dict[str, Any]]]:
    """Return the catalogue's host files, as they are written."""
    return [
        (path.stem, yaml.load(path.read_text(encoding="utf-8"), Loader))
        for path in sorted(BUILTIN.glob("*.yaml"))
    ]


def why_not_needed(entry: dict[str, Any]) -> str:
    """Return why a host needs no exchanges, "" where it does."""
    status = (entry.get("status") or {}).get("is")
    if status in GONE:
        return f"it is {status}"
    if entry.get("wires") and set(entry["wires"]) <= PLAIN_WIRES:
        return "it answers no chat"
    return ""


@pytest.mark.parametrize(("host", "entry"), entries(), ids=[name for name, _ in entries()])
def test_a_host_has_its_exchanges(host: str, entry: dict[str, Any]) -> None:
    path = FOLDER / f"{host}.yaml"
    if not path.is_file() and why_not_needed(entry):
        return
    assert path.is_file(), f"write tests/exchanges/{host}.yaml"
    exchanges = read(path).exchanges
    lacking = [
        f"{name}.expect.{what}"
        for name, needed in NEEDED.items()
        for what in needed
        if name not in exchanges or getattr(exchanges[name].expect, what) is None
    ]
    assert not lacking, f"tests/exchanges/{host}.yaml lacks {', '.join(lacking)}"


def test_no_exchange_is_of_a_host_that_is_none() -> None:
    known = {name for name, _ in entries()}
    assert not [path.name for path in FOLDER.glob("*.yaml") if path.stem not in known]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("written: x\nexchanges: {plain: {model: m, answer: {json: {}}}}", "expect"),
        (
            "written: x\nexchanges: {e: {model: m, answer: {json: 1}, expect: {kind: none}}}",
            "no kind of error",
        ),
        (
            "written: x\nexchanges: {e: {model: m, answer: {json: 1}, expect: {usage: {in: 1}}}}",
            "no buckets",
        ),
        ("written: x\nexchanges: {e: {model: m, expect: {text: a}}}", "no answer"),
        ("written: [", "not YAML"),
        ("written: x\nmore: 1\nexchanges: {}", "more"),
    ],
)
def test_a_file_with_a_fault_says_which(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "some-host.yaml"
    path.write_text(text)
    with pytest.raises(FileError, match=words):
        read(path)

"""What every test gets: a clean environment, a loop that ends clean, a fake upstream."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from hypothesis import settings

from tests import http_client
from tests.databases import (  # noqa: F401 - fixtures that tests in several folders use
    _numbers,
    empty_url,
    ledger_url,
    own_postgres,
    postgres,
    postgres_url,
    sqlite_store,
    store,
    unsummed,
)
from tests.fakes.upstream import Upstream
from tests.valkey import _valkey, own_valkey, valkey_url  # noqa: F401 - fixtures

# What a developer's machine may have set and a test must not see.
# (COLUMNS is set by the test runner's own workers.)
UNWANTED = re.compile(r"(HTTPS?|ALL|NO)_PROXY|.*_API_KEY|ENTREPOT_.*|COLUMNS", re.IGNORECASE)
GRACE_S = 2.0


# No test asserts on a timing. Where CI is set, the examples are the same at every run.
# Fewer examples than usual in the everyday run, whose time is short; `make slow` asks for more.
settings.register_profile(
    "untimed",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "40")),
)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Clean the environment for fixtures that outlive one test, and their child processes."""
    for name in filter(UNWANTED.fullmatch, list(os.environ)):
        del os.environ[name]
    http_client.chosen()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in filter(UNWANTED.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _well_hosts() -> None:
    # What one test did to a host is not what the next one meets, where they share a gateway.
    loaded = sys.modules.get("tests.running")
    for gateway in loaded.ALIVE if loaded is not None else ():
        gateway.recover()


@pytest.fixture(autouse=True)
def _clean_loop(request: pytest.FixtureRequest) -> None:
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_loop_ends_clean")


@pytest_asyncio.fixture
async def _loop_ends_clean() -> AsyncIterator[None]:
    """Fail a test that leaves a task running or whose loop had an error nobody handled."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=GRACE_S)
    loop.set_exception_handler(None)
    assert not left, f"tasks still run after the test: {left}"
    assert not faults, f"errors nobody handled in the loop: {faults}"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A fake host of its own for this test; see ``tests/fakes/upstream.py``."""
    with Upstream() as host:
        yield host
    assert not host.faults, f"the fake itself failed: {host.faults}"


@pytest.fixture
def tmp_config(tmp_path: Path) -> Callable[..., Path]:
    """``tmp_config(config, name="config.yaml")`` writes YAML text or a mapping, gives its path."""

    def write(config: str | Mapping[str, Any], name: str = "config.yaml") -> Path:
        path = tmp_path / name
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path

    return write

"""The SDKs at one gateway for the whole folder; a warning of any of them fails the test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.upstream import Upstream
from tests.running import running
from tests.sdk.house import Sdk, write_config
from tests.wires import clients

JUDGES = ("openai", "anthropic", "google_genai", "google.genai", "pydantic")


class _Heard(logging.Handler):
    """Keeps what a logger says at WARNING or above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.said.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture(autouse=True)
def _no_sdk_warns() -> Iterator[None]:
    """Python warnings are errors already; some SDKs warn by way of logging instead."""
    heard = _Heard()
    for name in JUDGES:
        logging.getLogger(name).addHandler(heard)
    yield
    for name in JUDGES:
        logging.getLogger(name).removeHandler(heard)
    assert not heard.said


@contextmanager
def _judged(folder: Path, **parts: Any) -> Iterator[Sdk]:
    with Upstream() as upstream, running(write_config(folder, upstream, **parts)) as gateway:
        chat = clients.openai_client(gateway.url)
        messages = clients.anthropic_client(gateway.url)
        gemini = clients.gemini_client(gateway.url)
        yield Sdk(gateway, upstream, chat, messages, gemini)


@pytest.fixture(scope="package", autouse=True)
def _sdks_are_closed() -> Iterator[None]:
    yield
    clients.close_all()


@pytest.fixture(scope="package")
def _strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    with _judged(tmp_path_factory.mktemp("sdk")) as found:
        yield found


@pytest.fixture(scope="package")
def _lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sdk]:
    with _judged(
        tmp_path_factory.mktemp("lenient"),
        translate={"on_unsupported": "drop", "emulate_schema": True},
        store={"minutes": 5, "max_mb": 8},
    ) as found:
        yield found


def _fresh(found: Sdk) -> Iterator[Sdk]:
    found.begin()
    yield found
    assert not found.upstream.faults
    assert not found.upstream.unused


@pytest.fixture
def sdk(_strict: Sdk) -> Iterator[Sdk]:
    """The gateway as it comes: nothing dropped, nothing emulated, nothing kept."""
    yield from _fresh(_strict)


@pytest.fixture
def lenient(_lenient: Sdk) -> Iterator[Sdk]:
    """A gateway that may drop and emulate, and keeps answers."""
    yield from _fresh(_lenient)

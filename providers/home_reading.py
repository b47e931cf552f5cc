"""How the answers of a server at home are read: what they tell of a model, and of its load."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec

from providers.home_server import (
    NOTHING_LEARNT,
    Find,
    Learnt,
    Load,
    LoadAt,
    Path,
    Probe,
    Tokenise,
)
from providers.host import Model
from providers.usage import TOKENS_MAX

EACH = "*"
MODEL = "{model}"
PLACE_FACTS = ("operator", "processed_in", "trains_on_data", "retention_days", "zdr")
PASSED_ON = "unknown: the server says that it passes this model on to other machines"
SILENT = "unknown: the server did not say in time whether this model runs there"
# Nobody's window is larger; a figure beyond it is a mistake.
WINDOW_MOST = 1 << 31
DIGITS_MOST = 10
REQUESTS_MOST = 1 << 31
_FIGURE = r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"


def question(probe: Probe, model: str) -> bytes | None:
    """Return the body of a question, None for one that has none."""
    if probe.post is None:
        return None
    filled = {key: model if value == MODEL else value for key, value in probe.post.items()}
    return msgspec.json.encode(filled)


def read(probe: Probe, answer: Any, model: str) -> Learnt:
    """Return what a probe's answer tells of ``model``."""
    row: Any = answer
    if probe.rows is not None:
        rows = [row for row in values(answer, (*probe.rows, EACH)) if isinstance(row, Mapping)]
        wanted = {form.replace(MODEL, model).lower() for form in probe.spelled}
        row = next((row for row in rows if wanted & set(_names(row, probe.names))), None)
        if row is None:
            # A list of what is loaded has said something of every model that is not in it.
            return Learnt(loaded=False if "loaded" in probe.finds else None)
    found = {name: list(values(row, find.path)) for name, find in probe.finds.items()}
    return Learnt(
        context=_window(probe.finds["context"], found["context"]) if "context" in found else None,
        tools=_flag(probe.finds["tools"], found["tools"]) if "tools" in found else None,
        # It names the other machines where there are any, and nothing where there are none.
        remote=any(found["remote"]) if "remote" in found else None,
        loaded=_flag(probe.finds["loaded"], found["loaded"]) if "loaded" in found else None,
    )


def together(parts: Iterable[Learnt]) -> Learnt:
    """Return what several answers tell: the first that says something of a thing is believed."""
    whole = NOTHING_LEARNT
    for part in parts:
        whole = Learnt(
            context=part.context if whole.context is None else whole.context,
            tools=part.tools if whole.tools is None else whole.tools,
            # One that says so is enough: what leaves the house must not pass for staying.
            remote=part.remote if not whole.remote and part.remote is not None else whole.remote,
            loaded=part.loaded if whole.loaded is None else whole.loaded,
            silent=whole.silent or part.silent,
        )
    return whole


def as_found(model: Model, learnt: Learnt) -> Model:
    """Return ``model`` with what the server itself said of it."""
    evidence = dict(model.evidence)
    elsewhere = bool(learnt.remote) or (learnt.silent and learnt.remote is None)
    if elsewhere:
        evidence.update(dict.fromkeys(PLACE_FACTS, PASSED_ON if learnt.remote else SILENT))
    if learnt.context is not None:
        evidence["context"] = f"{learnt.context} · said by the server"
    lacks = {"tools"} if learnt.tools is False else set()
    return replace(
        model,
        remote=model.remote or elsewhere,
        context=learnt.context or model.context,
        cannot=model.cannot | lacks,
        evidence=MappingProxyType(evidence),
    )


def read_load(at: LoadAt, raw: bytes) -> Load | None:
    """Return the load that an answer tells; None where it is another kind of answer."""
    if at.metrics:
        text = raw.decode(errors="replace")
        running = metric(text, at.running)
        return None if running is None else Load(running, metric(text, at.waiting or ""))
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    running = _sum(said, at.running)
    return None if running is None else Load(running, _sum(said, at.waiting or ""))


def metric(text: str, name: str) -> int | None:
    """Return the sum of one metric over its labels, in the text form of Prometheus."""
    if not name:
        return None
    line = re.compile(rf"^{re.escape(name)}(?:\{{[^\n]*\}})? +({_FIGURE})(?: |$)", re.MULTILINE)
    return _total([float(number) for number in line.findall(text)])


def root(base_url: str) -> str:
    """Return the address of the server itself, above its wires."""
    return base_url.rstrip("/").removesuffix("/v1").removesuffix("/api")


def counted(at: Tokenise, said: Any) -> int | None:
    """Return the number of tokens that a count's answer tells, None for none."""
    found = next(values(said, at.count), None)
    if isinstance(found, list):
        return len(found)
    return found if type(found) is int and 0 <= found <= TOKENS_MAX else None


def values(value: Any, path: Path) -> Iterator[Any]:
    """Yield what stands at ``path``: nothing, one thing, or one for each element passed."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if step == EACH:
        inner: Iterable[Any] = ()
        if isinstance(value, Mapping):
            inner = value.values()
        elif isinstance(value, list):
            inner = value
        for item in inner:
            yield from values(item, rest)
    elif isinstance(value, Mapping) and step in value:
        yield from values(value[step], rest)


def _names(row: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        if isinstance(name := row.get(key), str):
            yield name.lower()


def _window(find: Find, found: list[Any]) -> int | None:
    if find.pattern is not None:
        texts = (re.search(find.pattern, text) for text in found if isinstance(text, str))
        words = [match[1] for match in texts if match]
        found = [int(word) for word in words if word.isdecimal() and len(word) <= DIGITS_MOST]
    fits = [
        number
        for number in found
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < WINDOW_MOST
    ]
    # Of several loaded at once nobody knows which will answer.
    return min(fits, default=None)


def _flag(find: Find, found: list[Any]) -> bool | None:
    if not found:
        return None
    if find.has is not None:
        return any(find.has in one if isinstance(one, list) else find.has == one for one in found)
    return any(found)


def _sum(said: Any, path: str) -> int | None:
    if not path:
        return None
    steps = tuple(path.split("."))
    return _total([one for one in values(said, steps) if isinstance(one, int | float)])


def _total(figures: Sequence[int | float]) -> int | None:
    total = sum(figures)
    return int(total) if figures and 0 <= total < REQUESTS_MOST else None

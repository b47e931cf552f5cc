"""What a host wants otherwise in a request's body: moved, dropped, bounded, filled in.

One small engine for every wire and both lanes. The body is in the wire's own words before and in
the host's words after; what a field is called and what it may be stands in the host's dialect, and
so in the catalogue's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.dialect import Dialect, Range

Json = dict[str, Any]
Path = tuple[str, ...]
DO_NOT = "none"  # the effort of a client that wants no thinking
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Altered:
    """A field that the host takes only with another value; ``reason`` says which it takes."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Adapted:
    """The body for a host. ``lost`` names what was dropped, ``changed`` says what has a new value.

    ``altering`` has what was changed although that may change the answer: whether that is allowed
    is the gateway's to say.
    """

    body: Json
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    altering: tuple[Altered, ...] = ()


def concerned(body: Json, dialect: Dialect, effort: Path = ()) -> bool:
    """Whether anything in ``body`` may have to be put otherwise for the host.

    ``effort`` leads to the client's own word for effort, where that goes to the host.
    """
    if dialect.fills or not dialect.touched.isdisjoint(body):
        return True
    return bool(effort and effort[0] in body and (dialect.efforts or not dialect.thinking_off))


def altered(body: Json, dialect: Dialect, effort: Path = ()) -> bool:
    """Whether ``body`` has a value that the host does not take, in whose place another would alter
    the answer.
    """
    stop = effort and effort[0] in body and not dialect.thinking_off
    if not stop and dialect.watched.isdisjoint(body):
        return False
    return bool(adapted(body, dialect, effort).altering)


def adapted(body: Json, dialect: Dialect, effort: Path = ()) -> Adapted:
    """Return ``body`` as the host wants it; ``body`` itself stays as it was."""
    if not concerned(body, dialect, effort):
        return Adapted(body)
    work = _Work(body)
    if effort:
        if work.get(effort) == DO_NOT and not dialect.thinking_off:
            field = ".".join(effort)
            work.altering.append(Altered(field, f"cannot be told not to think (`{field}`)"))
        work.say(effort, dialect.efforts)
    for name, place in dialect.rename.items():
        work.move(name, tuple(place.split(".")))
    for path in dialect.drops:
        if work.take(path) is not _NOTHING:
            work.lost.append(".".join(path))
    for path, allowed in dialect.allows.items():
        work.allow(path, allowed)
    for path, bounds in dialect.clamps.items():
        work.clamp(path, bounds)
    for path, value in dialect.defaults.items():
        if work.get(path) in (None, _NOTHING) and work.put(path, value):
            work.changed.append(f"{'.'.join(path)} set to {_words(value)}")
    for path, value in dialect.sets.items():
        before = work.get(path)
        work.force(path, value)
        if before is not _NOTHING and before != value:
            work.changed.append(f"{'.'.join(path)} set to {_words(value)}")
    return Adapted(work.body, tuple(work.lost), tuple(work.changed), tuple(work.altering))


class _Work:
    """A body under change; only the mappings on the way to a changed field are copied."""

    def __init__(self, body: Json) -> None:
        self.body: Json = dict(body)
        self.lost: list[str] = []
        self.changed: list[str] = []
        self.altering: list[Altered] = []
        self._own: set[int] = {id(self.body)}

    def get(self, path: Path) -> Any:
        holder: Any = self.body
        for step in path:
            if not isinstance(holder, dict) or step not in holder:
                return _NOTHING
            holder = holder[step]
        return holder

    def take(self, path: Path) -> Any:
        if self.get(path) is _NOTHING:
            return _NOTHING
        return self._holder(path).pop(path[-1])

    def put(self, path: Path, value: Any) -> bool:
        """Set a field; False where the client has something else than a mapping on the way."""
        holder: Any = self.body
        for step in path[:-1]:
            holder = holder.get(step)
            if holder is None:
                break
            if not isinstance(holder, dict):
                return False
        self._holder(path)[path[-1]] = value
        return True

    def force(self, path: Path, value: Any) -> None:
        """Set a field whatever the client has put in its way: facts are judged by it."""
        for length in range(1, len(path)):
            on_the_way = self.get(path[:length])
            if not isinstance(on_the_way, dict):
                if on_the_way not in (None, _NOTHING):
                    self.lost.append(".".join(path[:length]))
                self.put(path[:length], {})
        self._holder(path)[path[-1]] = value

    def move(self, name: str, place: Path) -> None:
        if name not in self.body:
            return
        value = self.body.pop(name)
        # What the client said by the host's own name stands.
        if self.get(place) is _NOTHING:
            self.put(place, value)

    def allow(self, path: Path, allowed: tuple[Any, ...]) -> None:
        value = self.get(path)
        if value is _NOTHING or value is None or any(_same(value, one) for one in allowed):
            return
        self.take(path)
        field = ".".join(path)
        self.lost.append(field)
        only = " or ".join(_words(one) for one in allowed)
        self.altering.append(Altered(field, f"takes `{field}` only as {only}"))

    def say(self, path: Path, words: Mapping[str, str]) -> None:
        """Put a word as the host calls it, or leave it out where it has none for it."""
        value = self.get(path)
        if not isinstance(value, str) or words.get(value, value) == value:
            return
        field, word = ".".join(path), words[value]
        if word:
            self.put(path, word)
            self.changed.append(f"{field} {_words(value)} to {_words(word)}")
        else:
            self.take(path)
            self.lost.append(field)

    def clamp(self, path: Path, bounds: Range) -> None:
        value = self.get(path)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        nearest = value
        if bounds.at_least is not None and value < bounds.at_least:
            nearest = bounds.at_least
        elif bounds.at_most is not None and value > bounds.at_most:
            nearest = bounds.at_most
        if nearest == value:
            return
        self.put(path, nearest)
        field = ".".join(path)
        self.changed.append(f"{field} {_words(value)} to {_words(nearest)}")
        if bounds.alters:
            self.altering.append(Altered(field, f"takes `{field}` only {bounds}"))

    def _holder(self, path: Path) -> Json:
        """Return the mapping that holds the last step, made and copied as need be."""
        holder = self.body
        for step in path[:-1]:
            inner: Json = holder.get(step) or {}
            if id(inner) not in self._own:
                inner = dict(inner)
                self._own.add(id(inner))
                holder[step] = inner
            holder = inner
        return holder


def _same(value: Any, one: Any) -> bool:
    # In Python True is 1, on a wire it is not.
    return bool(value == one) and isinstance(value, bool) == isinstance(one, bool)


def _words(value: Any) -> str:
    """Return a value for a header: figures and single words as they are, the rest by its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value)[:40]
    if isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= 40:
        return value
    return "an object" if isinstance(value, Mapping) else "another value"

"""The one connection guard: what is not on the list is refused inside the process.

It is an audit hook of the interpreter (``sys.addaudithook``): CPython tells it of every look-up of
a name and of every connection of a Python socket, whichever library makes it, before anything is
sent. So a library that phones home is refused like our own code, and no code path has to remember
to ask. A hook cannot be taken away; what it allows is replaced when the config is read anew.

- Names: only those on the list may be looked up, since a look-up alone tells somebody something.
- Addresses: this machine's own always; those that stand on the list; and those to which a name on
  the list led. Our client looks names up through uvloop, which raises no audit events, so it raises
  its own (``LOOKUP``, ``RESOLVED``): of its connections the guard knows each address exactly. Of
  other libraries it knows only that this thread has looked up an allowed name shortly before, and
  takes what is connected to at that name's port: another look-up of ours might be given others of
  the host's machines, and a healthy deployment would break by the round robin of its DNS.
- Where clouds hand out credentials a name never leads, unless that address is itself on the list
  (for credentials of this machine). A private address behind a public name is no mistake: private
  links of clouds are made so. At ``home_only`` the reverse holds: no name leads out of the house.
- Calls: the client tells each one (``CALL``), because behind a proxy, or on a connection that is
  already open, nothing is looked up any more.

What it does not see: C code with sockets of its own (the database driver, whose host is listed and
checked when the config is read; the system's resolver), and other processes (a launched model
server, which is started offline). A name that is given right to ``connect`` is refused, but CPython
has looked it up by then. Unix sockets and the kernel's own stay on this machine.
"""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from providers import addresses

# The client's own audit events, each with host and port; ``RESOLVED`` with the addresses, too.
CALL = "entrepot.call"
LOOKUP = "entrepot.lookup"
RESOLVED = "entrepot.resolved"

# Longer than any library waits between looking a name up and connecting to its last address.
RECENT_S = 60.0
GIVEN_MAX = 8192
NAMED_MAX = 100  # hosts that refusals are counted by; the rest is "other"
SCHEME_PORTS = {"http": 80, "https": 443, "postgresql": 5432}
LOCALHOST = "localhost"
_ON_THIS_MACHINE = frozenset(
    family
    for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG")
    if (family := getattr(socket, name, None)) is not None
)
_INTERNET = (socket.AF_INET, socket.AF_INET6)

Place = tuple[str, int]  # a host as ``plain`` gives it, and a port


class EgressRefusedError(PermissionError):
    """A connection or a look-up that the list does not allow; an ``OSError``, as libraries expect.

    ``strerror`` says of which host.
    """


@dataclass(frozen=True, slots=True)
class Allowed:
    """The list. ``home_only``: whatever a name leads to must be at home, too."""

    places: frozenset[Place]
    home_only: bool = False


def plain(host: str | bytes) -> str:
    """Return a host as the list has it: small letters, no dot at the end, addresses one way."""
    name = host.decode("latin-1") if isinstance(host, bytes) else host
    name = name.strip("[]").lower().removesuffix(".")
    address = addresses.read(name)
    return name if address is None else str(address)


def place_of(url: str) -> Place:
    """Return the host and port to which ``url`` leads."""
    parts = urlsplit(url)
    return plain(parts.hostname or ""), parts.port or SCHEME_PORTS.get(parts.scheme, 0)


def is_this_machine(host: str) -> bool:
    """Whether a plain host is this machine without anybody being asked."""
    address = addresses.read(host)
    return host == LOCALHOST if address is None else address.is_loopback


class Guard:
    """Holds the list and judges by it. ``watch_process`` puts it over the whole process, for good.

    ``refused`` is told the host of each refusal, in whatever thread that happens; it must not fail.
    ``hear`` takes one audit event, and raises ``EgressRefusedError`` for what is not allowed.
    """

    def __init__(self, allowed: Allowed, refused: Callable[[str], None] | None = None) -> None:
        self.refused = refused
        self._named: set[str] = set()
        self._given: dict[Place, set[str]] = {}
        self._here = threading.local()
        self.hear = _hearing(
            {
                CALL: self._call,
                LOOKUP: self._look_up,
                RESOLVED: self._resolved,
                "socket.connect": self._connect,
                "socket.sendto": self._connect,
                "socket.sendmsg": self._connect,
                "socket.getaddrinfo": self._library_looks_up,
                "socket.gethostbyname": self._library_looks_up,
                "socket.gethostbyaddr": self._reverse,
            }
        )
        self.allow(allowed)

    def allow(self, allowed: Allowed) -> None:
        """Put another list in the place of this one; connections that are open stay open."""
        self._names = frozenset(host for host, _ in allowed.places)
        self._places = allowed.places
        self._home_only = allowed.home_only

    def watch_process(self) -> None:
        """Judge everything that this process does from now on. It cannot be undone."""
        sys.addaudithook(self.hear)

    def _call(self, arguments: tuple[Any, ...]) -> None:
        if arguments not in self._places:
            host, port = arguments
            if not is_this_machine(host):
                raise self._refusal(*_shown((host, port)))

    def _look_up(self, arguments: tuple[Any, ...]) -> str:
        """Judge a look-up; return the name, "" for what needs none."""
        asked, port = arguments[0], arguments[1] if len(arguments) > 1 else None
        if asked is None:
            return ""
        name = plain(asked)
        if is_this_machine(name) or addresses.read(name) is not None:
            return ""
        number = int(str(port)) if str(port).isdigit() else 0
        if name not in self._names or (number and (name, number) not in self._places):
            raise self._refusal(*_shown((name, number)))
        return name

    def _library_looks_up(self, arguments: tuple[Any, ...]) -> None:
        if name := self._look_up(arguments):
            recent: dict[str, float] = self._here.__dict__
            recent[name] = time.monotonic()

    def _reverse(self, arguments: tuple[Any, ...]) -> None:
        host = plain(arguments[0])
        if not is_this_machine(host) and host not in self._names:
            raise self._refusal(*_shown((host, 0)))

    def _resolved(self, arguments: tuple[Any, ...]) -> None:
        asked, port, found = arguments
        host, texts = plain(asked), [plain(text) for text in found]
        good = [text for text in texts if self._may_be_led_to(host, text, port)]
        if texts and not good:
            where = "not at home" if self._home_only else "where clouds hand out credentials"
            raise self._refusal(host, f"{host} leads to {texts[0]}, {where}, and that address")
        for text in good:
            self._remember(host, (text, port))

    def _may_be_led_to(self, host: str, text: str, port: int) -> bool:
        address = addresses.read(text)
        if address is None:
            return False
        if address.is_loopback or (text, port) in self._places:
            return True
        if host == LOCALHOST or addresses.is_metadata(address):
            return False
        return not self._home_only or addresses.is_private(address)

    def _remember(self, host: str, place: Place) -> None:
        # The newest stand last, so that what was looked up again is not the first to go.
        hosts = self._given.pop(place, set())
        self._given[place] = {*(name for name in hosts if name in self._names), host}
        while len(self._given) > GIVEN_MAX:
            self._given.pop(next(iter(self._given)), None)

    def _connect(self, arguments: tuple[Any, ...]) -> None:
        connecting, to = arguments[0], arguments[1]
        if to is None or connecting.family in _ON_THIS_MACHINE:
            return
        if connecting.family not in _INTERNET:
            what = f"a socket of the family {connecting.family}"
            raise self._refusal(what, what)
        place = plain(to[0]), to[1]
        # A name here is one that CPython has looked up by itself: nobody saw what it led to.
        if addresses.read(place[0]) is None:
            raise self._refusal(*_shown(place))
        if is_this_machine(place[0]) or place in self._places:
            return
        if not any((name, place[1]) in self._places for name in self._led_to(*place)):
            raise self._refusal(*_shown(place))

    def _led_to(self, text: str, port: int) -> list[str]:
        """Return the names that may have led to an address."""
        names = list(self._given.get((text, port), ()))
        since = time.monotonic() - RECENT_S
        names += [name for name, at in self._here.__dict__.items() if at >= since]
        return [name for name in names if self._may_be_led_to(name, text, port)]

    def _refusal(self, host: str, what: str) -> EgressRefusedError:
        if self.refused is not None:
            if host not in self._named and len(self._named) >= NAMED_MAX:
                self.refused("other")
            else:
                self._named.add(host)
                self.refused(host)
        text = f"{what} is not on this gateway's egress list; `entrepot egress` shows it"
        return EgressRefusedError(errno.EACCES, text)


def _hearing(
    checks: Mapping[str, Callable[[tuple[Any, ...]], object]],
) -> Callable[[str, tuple[Any, ...]], None]:
    """Return the hook: a plain function, which the interpreter calls three times as fast."""
    check_of = checks.get

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        # Every file that is opened and every module comes by here: one look, and nothing else.
        check = check_of(event)
        if check is not None:
            check(arguments)

    return hear


def _shown(place: Place) -> tuple[str, str]:
    """Return a place's host, and the place as people write it."""
    host, port = place
    at = f"[{host}]" if ":" in host else host
    return host, f"{at}:{port}" if port else at

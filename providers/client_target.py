"""Where a call goes: an address with its credential, bound once, and the head of a request."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from providers import guard
from providers.errors import ErrorKind, UpstreamError
from providers.guard import EgressRefusedError, Place

# What our own client takes: a host that is a plain name or an address, and nothing in need of being
# encoded. Names and passwords in addresses, names in other scripts and zones of IPv6 are left to
# the library.
_PLAIN = re.compile(
    r"https?://(?:(?=[^/?#]{1,253}(?:[/?#]|$))[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\])"
    r"(?::[0-9]{1,5})?(?P<path>[/?][!-~]*)?",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# These say how a message is framed or its connection used, which is ours to say.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip
_PORTS = {"http": 80, "https": 443}
_LENGTH = b"Content-Length: "


@dataclass(frozen=True, slots=True)
class Way:
    """How our own client gets to a target: whom it connects to, and the head of a POST.

    ``origin`` names who is connected to. ``head`` ends where the length of the body comes, and is
    b"" where the headers cannot be sent at all.
    """

    origin: str
    host: str
    port: int
    tls: bool
    path: str
    head: bytes = field(repr=False)  # with the credential in it


@dataclass(frozen=True, slots=True)
class Target:
    """One address with the headers (the credential among them) that belong to it and no other.

    ``place`` is what the guard is asked for, None where that is this machine. ``way`` is None where
    only the library's client can go there.
    """

    url: str
    headers: Mapping[str, str]
    proxy: str | None
    place: Place | None
    way: Way | None

    def __repr__(self) -> str:
        """Show the address only: the headers hold a credential."""
        return f"Target({self.url})"


def target(url: str, headers: Mapping[str, str]) -> Target:
    """Bind ``url`` and ``headers`` once, with the proxy that the environment names for it."""
    fixed = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "entrepot",
    }
    fixed = merged(fixed, headers)
    place = guard.place_of(url)
    away = None if guard.is_this_machine(place[0]) else place
    proxy = environment_proxy(url)
    return Target(url, fixed, proxy, away, None if proxy else _way(url, fixed))


def environment_proxy(url: str) -> str | None:
    """Return the proxy of HTTP_PROXY / HTTPS_PROXY / ALL_PROXY for ``url``, NO_PROXY honoured.

    This machine is never reached through a proxy: what is said at home must not leave it.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    name = parts.hostname
    if not proxy or not name or guard.is_this_machine(name) or proxy_bypass(name):
        return None
    return proxy


def merged(fixed: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return ``fixed`` with ``extra``, which takes the place of what has the same name."""
    replaced = {name.lower() for name in extra}
    return {name: said for name, said in fixed.items() if name.lower() not in replaced} | dict(
        extra
    )


def is_framed(headers: Iterable[str]) -> bool:
    """Whether ``headers`` meddle with the frame of the message, which the library can deal with."""
    return not _FRAMING.isdisjoint(name.lower() for name in headers)


def ask_guard(aim: Target) -> None:
    """Tell the guard of a call. Raises ``UpstreamError`` of kind connect where it says no."""
    # On a connection that is open, or behind a proxy, nothing else would ask.
    if aim.place is not None:
        try:
            sys.audit(guard.CALL, *aim.place)
        except EgressRefusedError as refused:
            raise UpstreamError(ErrorKind.CONNECT, str(refused.strerror)) from refused


def head_with(aim: Target, way: Way, extra: Mapping[str, str]) -> bytes:
    """Return the head of a POST with ``extra`` headers; b"" where they cannot be sent.

    Like ``Way.head`` it ends where the length of the body comes.
    """
    if not extra:
        return way.head
    replaced = {name.lower() for name in extra}
    if "host" in replaced or any(name.lower() in replaced for name in aim.headers):
        return head("POST", aim.url, way.path, aim.headers, extra)
    more = _lines(extra, "latin-1")
    return way.head[: -len(_LENGTH)] + more + _LENGTH if way.head and more else b""


def head(
    method: str, url: str, path: str, fixed: Mapping[str, str], extra: Mapping[str, str]
) -> bytes:
    """Return the first line and the headers of a request; b"" where they cannot be sent.

    A POST's ends where the length of its body comes, that of another is whole. ``extra`` takes the
    place of what has the same name in ``fixed``.
    """
    replaced = {name.lower() for name in extra}
    kept = {name: said for name, said in fixed.items() if name.lower() not in replaced}
    if "host" not in replaced and not any(name.lower() == "host" for name in kept):
        kept = {"Host": _host_header(url), **kept}
    first, more = _lines(kept, "utf-8"), _lines(extra, "latin-1")
    if (kept and not first) or (extra and not more):
        return b""
    end = _LENGTH if method == "POST" else b"\r\n"
    return b"%s %s HTTP/1.1\r\n%s%s%s" % (method.encode(), path.encode(), first, more, end)


def _way(url: str, headers: Mapping[str, str]) -> Way | None:
    plain = _PLAIN.fullmatch(url.partition("#")[0])
    parts = urlsplit(url)
    if plain is None or parts.hostname is None or is_framed(headers):
        return None
    path = plain["path"] or "/"
    path = path if path.startswith("/") else "/" + path
    port = parts.port or _PORTS[parts.scheme]
    return Way(
        origin=f"{parts.scheme}://{parts.hostname}:{port}",
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "https",
        path=path,
        head=head("POST", url, path, headers, {}),
    )


def _host_header(url: str) -> str:
    parts = urlsplit(url)
    name = parts.hostname or ""
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in (None, _PORTS[parts.scheme]) else f"{name}:{parts.port}"


def _lines(headers: Mapping[str, str], code: str) -> bytes:
    """Return ``headers`` as they are sent; b"" where one of them is no header.

    ``code`` is how they are encoded if they can be: what clients send was read with one sign for
    each byte, and goes on as those bytes.
    """
    text = "".join([f"{name}: {said}\r\n" for name, said in headers.items()])
    count = len(headers)
    # A line break within a value would begin a header that nobody asked for.
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        return b""
    if not all(map(_TOKEN.fullmatch, headers)):
        return b""
    try:
        return text.encode(code)
    except UnicodeEncodeError:
        return text.encode(errors="replace")

"""Base URLs as people write them: one address whichever way it is written, and what it reaches."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from gateway.problems import WrongError
from providers import addresses

# What people copy from a host's documentation along with the base URL.
_CALLS = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages/count_tokens",
    "/messages",
    "/embeddings",
)
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")

_METADATA_NAMES = frozenset({"metadata", "instance-data"})  # alone, or before a domain
_PRIVATE_ENDS = (".localhost", ".local", ".lan", ".home.arpa")

_EXAMPLE = "such as https://api.example.com/v1 or http://127.0.0.1:8081/v1"


def base_url(text: str, catalog: str | None = None) -> str:
    """Return the one base URL that ``text`` means; a call's path is appended to it.

    ``catalog`` is the catalogue's own base URL of that endpoint: its path completes an address
    that stops short of it. Without one, an address without a path gets ``/v1``. Another path is
    the writer's and stays. Raises ``WrongError`` for what is no address of a model server.
    """
    parts, host = _split(text)
    path = _path(parts.path)
    theirs = urlsplit(catalog) if catalog is not None else None
    if theirs is None:
        path = path or "/v1"
    else:
        own = _path(theirs.path)
        same_host = (theirs.hostname or "").lower() == host
        if not path or (same_host and (path == "/v1" or own.startswith(path + "/"))):
            path = own
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{port}{path}"


def is_private(url: str) -> bool:
    """Whether ``url`` leads to this machine or the network around it, judged without a lookup.

    Names of one word count: they are services of one's own network. Carrier addresses
    (100.64.0.0/10) and ``.internal`` do not: they are often somebody else's machines.
    """
    return is_home(_host(urlsplit(url.strip())))


def is_home(host: str) -> bool:
    """Whether a host alone leads there, as ``is_private`` has it."""
    address = addresses.read(host)
    if address is None:
        return "." not in host or host.endswith(_PRIVATE_ENDS)
    return addresses.is_private(address)


def same_host(one: str, other: str) -> bool:
    """Whether two addresses name the same host."""
    return _host(urlsplit(one.strip())) == _host(urlsplit(other.strip()))


def is_loopback(host: str) -> bool:
    """Whether listening on ``host`` serves this machine only."""
    address = addresses.read(host.strip("[]").lower())
    return host.lower() == "localhost" if address is None else address.is_loopback


def clear_text(url: str) -> bool:
    """Whether prompts and keys would cross the public network unencrypted."""
    return urlsplit(url.strip()).scheme.lower() == "http" and not is_private(url)


def _split(text: str) -> tuple[SplitResult, str]:
    """Take ``text`` apart. No message repeats it: there may be a password in it."""
    text = text.strip()
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise WrongError("has no http:// or https:// in front", _EXAMPLE)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise WrongError("is not an address", _EXAMPLE) from None
    if parts.scheme not in _PORTS:
        raise WrongError("is neither http nor https", _EXAMPLE)
    if "@" in parts.netloc:
        raise WrongError("holds a user name or password", "put the credential under api_key")
    if "?" in text or "#" in text:
        raise WrongError("holds a query or a fragment", "the address up to the ? or #")
    if port == 0 or re.search(r"[\s\\]", text) or not _PATH.fullmatch(parts.path):
        raise WrongError("is not an address", _EXAMPLE)
    if any(part in (".", "..") for part in parts.path.lower().replace("%2e", ".").split("/")):
        raise WrongError("has a . or .. in its path", "the path written out")
    host = _host(parts)
    _refuse_host(host)
    return parts, host


def _refuse_host(host: str) -> None:
    address = addresses.read(host)
    if address is None:
        last = host.rpartition(".")[2]
        if not host or not _NAME.fullmatch(host) or _NUMBER.fullmatch(last):
            raise WrongError(
                "names no host in the usual way", "a host name, or an address such as 192.168.1.5"
            )
        if host.partition(".")[0] in _METADATA_NAMES:
            raise _metadata()
        return
    if address.is_unspecified:
        raise WrongError("is an address to listen on, not to call", "127.0.0.1 for this machine")
    if addresses.is_metadata(address):
        raise _metadata()


def _metadata() -> WrongError:
    return WrongError(
        "is an address where clouds hand out credentials, or one for a whole network",
        "the address of a model server",
    )


def _host(parts: SplitResult) -> str:
    return (parts.hostname or "").lower().removesuffix(".")


def _path(path: str) -> str:
    """Return a base path without slashes too many, without a call's own path, never /v1/v1."""
    path = re.sub("/{2,}", "/", path).rstrip("/")
    while True:
        end = next((call for call in _CALLS if path.endswith(call)), None)
        if end is not None:
            path = path.removesuffix(end)
        elif path.endswith("/v1/v1"):
            path = path.removesuffix("/v1")
        else:
            return path

"""Which model servers run on this machine: their usual ports asked, on 127.0.0.1 only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from providers import home_reading
from providers.home_server import NOTHING_LEARNT
from providers.host import Host

HERE = "127.0.0.1"
WITHIN_S = 0.3
ANSWER_MAX_BYTES = 1_000_000
MODELS_MAX = 50
NAME_MAX_CHARS = 200
# How a gateway of this kind answers: it is no model server of its own.
OURSELVES = "entrepot"


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _List(msgspec.Struct):
    data: list[_Model]


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that lists its models in the usual form; ``host`` is guessed by its port.

    Where several kinds of server have that port, it is the one whose own questions it answers;
    ``may_be`` are the others.
    """

    host: Host
    port: int
    models: tuple[str, ...]
    ourselves: bool = False
    may_be: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """Its address, as a config has it."""
        return f"http://{HERE}:{self.port}/v1"


def find(hosts: Iterable[Host]) -> list[LocalServer]:
    """Return the servers that answer within 0.3 s on the usual ports of hosts at home.

    Where nothing tells two kinds of server apart, the one that comes first in ``hosts`` counts.
    """
    return asyncio.run(_find([host for host in hosts if host.kind == "home"]))


async def _find(hosts: list[Host]) -> list[LocalServer]:
    by_port: dict[int, list[Host]] = {}
    for host in hosts:
        for port in host.usual_ports:
            by_port.setdefault(port, []).append(host)
    answers = await asyncio.gather(*(_ask(some, port) for port, some in by_port.items()))
    return [server for server in answers if server is not None]


async def _ask(hosts: list[Host], port: int) -> LocalServer | None:
    listed: list[_Model] | None = None
    for path in dict.fromkeys(f"/v1{host.models_path or '/models'}" for host in hosts):
        try:
            async with asyncio.timeout(WITHIN_S):
                body = await _get(port, path)
            listed = msgspec.json.decode(body, type=_List).data
            break
        except (OSError, TimeoutError, ValueError):
            continue
    if listed is None:
        return None
    ourselves = any(model.owned_by == OURSELVES for model in listed)
    names = tuple(model.id for model in listed if _usable(model.id))[:MODELS_MAX]
    host = hosts[0] if ourselves or len(hosts) == 1 else await _kind(hosts, port, names)
    may_be = tuple(other.id for other in hosts if other is not host)
    return LocalServer(host, port, names, ourselves, may_be)


async def _kind(hosts: list[Host], port: int, names: tuple[str, ...]) -> Host:
    """Return the kind of server: one that knows the models' names, else whose question it answers.

    The models have the first word, since one kind may be another one's program under a new name.
    """
    for host in hosts:
        if any("*" not in known and known in names for known in host.models):
            return host
    for host in hosts:
        if await _answers(host, port, names):
            return host
    return hosts[0]


async def _answers(host: Host, port: int, names: tuple[str, ...]) -> bool:
    """Whether the server tells of itself where only this kind does: a GET, no word of a prompt."""
    probes = host.server.probes if host.server is not None else ()
    for probe in probes if names else ():
        if probe.post is not None:
            continue
        path = probe.path.replace(home_reading.MODEL, quote(names[0], safe=""))
        try:
            async with asyncio.timeout(WITHIN_S):
                said = msgspec.json.decode(await _get(port, path))
        except (OSError, TimeoutError, ValueError):
            continue
        if home_reading.read(probe, said, names[0]) != NOTHING_LEARNT:
            return True
    return False


async def _get(port: int, path: str) -> bytes:
    """Return the body of an answer with status 200. Raises ``OSError`` or ``ValueError``."""
    reader, writer = await asyncio.open_connection(HERE, port, limit=ANSWER_MAX_BYTES)
    try:
        # The old protocol, so that nothing comes in chunks; and no proxy is asked.
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {HERE}:{port}\r\n\r\n".encode())
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        if status.split()[1:2] != [b"200"]:
            raise ValueError("no model server")
        length = next((int(h[15:]) for h in headers if h.startswith(b"content-length:")), None)
        return await _body(reader, length)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as fault:
        raise ValueError("no model server") from fault
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, length: int | None) -> bytes:
    """Return so many bytes, or all up to the end of the connection."""
    if length is not None and length <= ANSWER_MAX_BYTES:
        return await reader.readexactly(length)
    parts: list[bytes] = []
    while sum(map(len, parts)) < ANSWER_MAX_BYTES and (part := await reader.read(65536)):
        parts.append(part)
    return b"".join(parts)


def _usable(name: str) -> bool:
    """Whether a name that some server states can stand in a config."""
    plain = name.isprintable() and name == name.strip() and "${" not in name
    return plain and 0 < len(name) <= NAME_MAX_CHARS

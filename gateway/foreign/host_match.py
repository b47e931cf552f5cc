"""Which host of the catalogue somebody's account is: by its address first, then by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway import urls
from gateway.commands.catalog_texts import CatalogTexts
from gateway.commands.keyed_hosts import filled
from gateway.foreign.draft import Source
from gateway.foreign.names import NamesForm, WordForm
from providers.catalog import Catalog
from providers.host import Host, HostEndpoint, with_blanks

# What stands behind a base URL in a wire's path; of some, people take the version with it or not.
_CALLS = tuple(
    re.compile(rf"/{call}$")
    for call in (
        r"chat/completions",
        r"completions",
        r"responses",
        r"messages",
        r"v1/messages",
        r"v2/chat",
        r"models/\{model\}:\w+",
        r"model/\{model\}/\w+",
    )
)
# How well a path fits: exactly a wire's, the endpoint's, one leads on to the other, not at all.
WIRE, BASE, PART, HOST_ONLY = 3, 2, 1, 0


@dataclass(frozen=True, slots=True)
class Match:
    """The host and endpoint that are meant. ``endpoint`` None is the usual one.

    ``base_url`` is "" where the catalogue has it whole, ``needs`` the blanks nobody filled.
    ``remark`` is what the user should know of the choice.
    """

    host: str
    endpoint: str | None = None
    base_url: str = ""
    needs: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Matcher:
    """What is needed to find hosts."""

    catalog: Catalog
    texts: CatalogTexts
    names: NamesForm

    def match(self, source: Source) -> Match | None:
        """Return the host that ``source`` means; None where the catalogue has none.

        Raises ``WrongError`` for an address that is none.
        """
        word = self.names.words.get(source.word)
        if not source.base_url:
            return self._by_word(source, word) if word is not None else None
        if "${" in source.base_url:
            # Only its name says what it is; a base URL from the environment stays there.
            return Match(word.host, word.endpoint, source.base_url) if word is not None else None
        # With another host's address beside it a path is taken as it is.
        address = urls.base_url(source.base_url, "https://nowhere.invalid")
        if urls.is_private(address):
            return self._at_home(address, word)
        found = self._by_address(address, word, dict(source.blanks))
        if found is None and word is not None and self._is_home(word.host):
            return Match(word.host, base_url=address, remark="its address is not at home")
        return found

    def _is_home(self, host: str) -> bool:
        return self.catalog.hosts[host].kind == "home"

    def _by_word(self, source: Source, word: WordForm) -> Match | None:
        host = self.catalog.hosts[word.host]
        if host.kind == "home":
            port = host.usual_ports[0] if host.usual_ports else 8000
            return Match(host.id, base_url=f"http://127.0.0.1:{port}/v1")
        blanks = dict(source.blanks)
        endpoint = host.endpoints[word.endpoint or host.default_endpoint]
        if (region := blanks.get("region")) and endpoint.region != region:
            endpoint = _in_region(host, region) or endpoint
        return _bound(host, endpoint, blanks)

    def _at_home(self, address: str, word: WordForm | None) -> Match | None:
        if word is not None and self._is_home(word.host):
            return Match(word.host, base_url=address)
        port = urlsplit(address).port
        usual = [
            name
            for name in self.texts.at_home()
            if port is not None and port in self.catalog.hosts[name].usual_ports
        ]
        if not usual:
            return None
        others = f"; it may also be {' or '.join(usual[1:])}" if usual[1:] else ""
        return Match(usual[0], base_url=address, remark=f"judged by its port{others}")

    def _by_address(
        self, address: str, word: WordForm | None, blanks: dict[str, str]
    ) -> Match | None:
        parts = urlsplit(address)
        ending = ".".join((parts.hostname or "").split(".")[-2:])
        found: list[tuple[tuple[int, bool, bool, bool], Host, HostEndpoint, dict[str, str]]] = []
        for name in self.texts.naming(ending):
            host = self.catalog.hosts[name]
            for endpoint in host.endpoints.values():
                fit = _fit(endpoint, parts.netloc, parts.path)
                if fit is None:
                    continue
                hint = word is not None and word.host == name
                said = word.endpoint if hint and word is not None else None
                usual = endpoint.id == (said or host.default_endpoint)
                found.append(((fit[0], hint, host.plan is None, usual), host, endpoint, fit[1]))
        if not found:
            return None
        best = max(found, key=lambda one: one[0])
        rank, host, endpoint, groups = best
        same = {h.id for r, h, *_ in found if r[0] == rank[0] and h.id != host.id}
        remark = f"{' and '.join(sorted(same))} has that address, too" if same else ""
        if rank[0] == HOST_ONLY:
            remark = "its path is another one than the catalogue's, which is used"
        match = _bound(host, endpoint, {**blanks, **groups})
        return Match(match.host, match.endpoint, match.base_url, match.needs, remark)


def _bound(host: Host, endpoint: HostEndpoint, blanks: dict[str, str]) -> Match:
    """Return the match at an endpoint, its blanks filled as far as they are known."""
    name = None if endpoint.id == host.default_endpoint else endpoint.id
    if not endpoint.blanks:
        return Match(host.id, name)
    known = {blank: blanks[blank] for blank in endpoint.blanks if blank in blanks}
    needs = tuple(blank for blank in endpoint.blanks if blank not in known)
    return Match(host.id, name, filled(endpoint.base_url or "", known), needs)


def _in_region(host: Host, region: str) -> HostEndpoint | None:
    """Return the endpoint of a region by its own name of it, else one that takes any."""
    for endpoint in host.endpoints.values():
        if region in (endpoint.region, endpoint.id):
            return endpoint
    return next((e for e in host.endpoints.values() if "region" in e.blanks), None)


def _fit(endpoint: HostEndpoint, netloc: str, path: str) -> tuple[int, dict[str, str]] | None:
    """Return how well an address fits an endpoint, and what it says of the endpoint's blanks."""
    if endpoint.base_url is None:
        return None
    best: tuple[int, dict[str, str]] | None = None
    for base, wire_path in _addresses(endpoint):
        parts = urlsplit(base)
        at = with_blanks(parts.netloc).fullmatch(netloc)
        if at is None:
            continue
        whole = parts.path + wire_path
        wires = [(WIRE, call.sub("", whole)) for call in _CALLS if call.search(whole)]
        for level, own in (*wires, (BASE, parts.path)):
            same = with_blanks(own).fullmatch(path)
            if same is not None and (best is None or best[0] < level):
                best = level, {**at.groupdict(), **same.groupdict()}
        leads = with_blanks(parts.path).match(path) if parts.path else None
        if (leads or parts.path.startswith(path)) and (best is None or best[0] < PART):
            best = PART, {**at.groupdict(), **(leads.groupdict() if leads else {})}
        if best is None:
            best = HOST_ONLY, at.groupdict()
    return best


def _addresses(endpoint: HostEndpoint) -> Iterator[tuple[str, str]]:
    for wire in endpoint.wires.values():
        yield (wire.base_url or endpoint.base_url or "").rstrip("/"), wire.path

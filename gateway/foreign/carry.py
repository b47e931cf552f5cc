"""A draft matched with the catalogue: our providers and models, and what must be set or known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from gateway import anywhere, urls
from gateway.config_providers import ProviderForm
from gateway.config_values import check_headers
from gateway.foreign.draft import Draft, Note, Source, Uses, variable_of
from gateway.foreign.host_match import Match, Matcher
from gateway.plan_terms import terms_against
from gateway.problems import WrongError
from gateway.signing import SIGNED
from providers.host import Host

_PORT = 8080
_NAME_MAX = 64
_PLAIN = re.compile(r"[\w./~-]{1,200}")
ADMIN_VARIABLE = "ENTREPOT_ADMIN_KEY"


@dataclass(slots=True)
class Carried:
    """What the files will say. ``catalog`` leads from a host's id to its address and wire.

    ``variables`` leads from a variable that has to be set to why.
    """

    port: int = _PORT
    admin_key: str = ""
    timeouts: dict[str, Decimal] = field(default_factory=dict)
    drop_unsupported: bool = False
    providers: dict[str, dict[str, Any]] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    models: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    catalog: dict[str, tuple[str, str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    carried: list[Note] = field(default_factory=list)
    left: list[Note] = field(default_factory=list)


def carry(draft: Draft, matcher: Matcher, file: str) -> Carried:
    """Return what becomes of ``draft``, which was read from ``file``."""
    return _Carrier(draft, matcher, file).carried()


class _Carrier:
    """The work under way: names that are taken, keys that have a variable."""

    def __init__(self, draft: Draft, matcher: Matcher, file: str) -> None:
        self.draft, self.matcher, self.file = draft, matcher, file
        self.made = Carried(carried=draft.carried, left=draft.left)
        self.names: dict[Source, str] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.reserved: set[str] = set()

    def carried(self) -> Carried:
        """Return the whole."""
        made, draft = self.made, self.draft
        # Those whose name clients ask by have the first choice of it.
        sources = sorted(draft.sources.items(), key=lambda pair: not pair[1].named)
        found = [(source, uses, self._match(source, uses)) for source, uses in sources]
        for source, _, match in found:
            if match is not None and not source.key and (usual := self._usual(match)):
                self.reserved.add(usual)
            self.reserved.add(variable_of(source.key) or "")
        for source, uses, match in found:
            if match is not None:
                self._provider(source, uses, match)
        # In the order of their file.
        made.providers = {
            self.names[source]: made.providers[self.names[source]]
            for source in draft.sources
            if source in self.names
        }
        self._models()
        self._server()
        made.timeouts = draft.timeouts
        made.drop_unsupported = draft.drop_unsupported
        made.carried.sort(key=lambda note: note.line)
        made.left.sort(key=lambda note: note.line)
        return made

    def _match(self, source: Source, uses: Uses) -> Match | None:
        """Return the host of a source, or say why it has none."""
        what = f"provider {source.name!r}" if source.name else "a model without a provider"
        try:
            match = self.matcher.match(source)
        except WrongError as fault:
            # Its address may hold a password, so it is not repeated.
            self._leave(uses.line, what, f"its address {fault.what}")
            return None
        if match is not None:
            return match
        if source.base_url and "${" not in source.base_url:
            return self._unknown(source, uses)
        why = "is a variable, and no host is known by its name"
        none = "the catalogue has no host of that name, and it has no address"
        self._leave(uses.line, what, f"its address {why}" if source.base_url else none)
        return None

    def _provider(self, source: Source, uses: Uses, match: Match) -> None:
        name = self._name(source, uses, match)
        self.names[source] = name
        if uses.named and name != source.name:
            told = f"clients ask for {name}/MODEL"
            self.made.carried.append(Note(uses.line, f"the name {source.name!r}", told))
        self.made.providers[name] = self._entry(source, uses, match, name)
        if match.remark:
            self.made.remarks[name] = match.remark
        host = self._host(match)
        if host is not None and host.plan is not None and terms_against(host.plan, ProviderForm()):
            why = (
                f"a plan ({host.plan.name}) waits for `terms:` under it; `entrepot check` says why"
            )
            self._leave(uses.line, f"the use of {name}", why)

    def _usual(self, match: Match) -> str | None:
        host = self._host(match)
        return host.auth_env if host is not None and host.auth_kind not in SIGNED else None

    def _entry(self, source: Source, uses: Uses, match: Match, name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if match.host != name:
            entry["catalog"] = match.host
        if match.endpoint is not None:
            entry["endpoint"] = match.endpoint
        if match.base_url:
            entry["base_url"] = self._filled(match, name)
        key = self._key(source, uses, match, name)
        if key:
            entry["api_key"] = key
        if variable_of(source.credentials) or _PLAIN.fullmatch(source.credentials):
            entry["credentials"] = source.credentials
        elif source.credentials:
            why = "credentials are the path of a file or a profile's name here"
            self._leave(uses.line, f"the credentials of {name}", why)
        headers = self._headers(source, uses, name)
        if headers:
            entry["headers"] = headers
        timeouts = self._timeouts(uses, name)
        if timeouts:
            entry["timeouts"] = timeouts
        prices = self._prices(uses, name)
        if prices:
            entry["prices"] = prices
        limits = {model: said for model, said in uses.models.items() if said and "*" not in model}
        if limits:
            entry["models"] = limits
        return entry

    def _host(self, match: Match) -> Host | None:
        if match.host in self.made.catalog:
            return None
        catalog = self.matcher.catalog
        usual = catalog.hosts[match.host].default_endpoint
        return catalog.at(match.host, match.endpoint or usual)

    def _unknown(self, source: Source, uses: Uses) -> Match:
        """Make a host of the user's own: its wire is known by their word, the rest is unknown."""
        address = urls.base_url(source.base_url, "https://nowhere.invalid")
        parts = urlsplit(address)
        host = re.sub(r"[^a-z0-9]+", "-", parts.netloc.lower()).strip("-")
        word = self.matcher.names.words.get(source.word)
        wire = word.wire if word is not None and word.wire == "messages" else "chat"
        taken = self.made.catalog.get(host, (address, wire)) != (address, wire)
        if host in self.matcher.catalog.hosts or taken:
            host = f"{host}-{len(self.made.catalog) + 1}"
        self.made.catalog[host] = address, wire
        told = f"catalog/{host}.yaml: asked on the {wire} wire, and all its facts are unknown"
        self.made.carried.append(Note(uses.line, f"the address of {source.name!r}", told))
        return Match(host, remark="a host of your own catalogue: nothing is known of it yet")

    def _name(self, source: Source, uses: Uses, match: Match) -> str:
        # A word such as the one for a wire says nothing of a host that nobody knows.
        word = self.matcher.names.words.get(source.word)
        keeps = uses.named or (word is not None and word.host == match.host)
        wanted = source.name if keeps else match.host
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-._")[:_NAME_MAX] or match.host
        first, number = name, 2
        while name in self.made.providers or name == anywhere.ANY:
            name, number = f"{first}-{number}", number + 1
        return name

    def _filled(self, match: Match, name: str) -> str:
        base_url = match.base_url
        for blank in match.needs:
            variable = _variable(f"{name}_{blank}")
            base_url = base_url.replace(f"{{{blank}}}", f"${{{variable}}}")
            self.made.variables[variable] = f"{blank} in the address of {name}"
        for variable in re.findall(r"\$\{([A-Za-z_]\w*)", base_url):
            self.made.variables.setdefault(variable, f"the address of {name}")
        return base_url

    def _key(self, source: Source, uses: Uses, match: Match, name: str) -> str:
        host, usual = self._host(match), self._usual(match)
        keyless = host is not None and host.auth_kind == "none"
        if not source.key:
            if keyless or (usual is None and host is not None) or source.credentials:
                return ""
            variable = usual or _variable(f"{name}_API_KEY")
        elif (given := variable_of(source.key)) is not None:
            variable = given
        else:
            variable = self._for_clear_text((match.host, source.key), usual, name)
            told = f"in clear text in {self.file}:{uses.line}, and not copied"
            told += "; only where that server wants a key" if keyless else ""
            self.made.variables[variable] = f"the key of {name}: {told}"
        self.made.variables.setdefault(variable, f"the key of {name}")
        # A server at home that needs no key must not be passed over for lacking one.
        return f"${{{variable}:-}}" if keyless else f"${{{variable}}}"

    def _for_clear_text(self, secret: tuple[str, str], usual: str | None, name: str) -> str:
        if secret in self.keys:
            return self.keys[secret]
        taken = {*self.keys.values(), *self.made.variables, *self.reserved}
        variable = usual or _variable(f"{name}_API_KEY")
        if variable in taken:
            variable = _variable(f"{name}_API_KEY")
        number = 2
        while variable in taken:
            variable = f"{_variable(name)}_API_KEY_{number}"
            number += 1
        self.keys[secret] = variable
        return variable

    def _headers(self, source: Source, uses: Uses, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for header, value in source.headers:
            try:
                check_headers([(header, "x")])
            except WrongError as fault:
                self._leave(uses.line, f"a header of {name}", f"it {fault.what}")
                continue
            variable = variable_of(value)
            if variable is None:
                # Any header may carry a credential, so none is copied.
                variable = _variable(f"{name}_{header}")
            self.made.variables.setdefault(variable, f"the header {header} of {name}")
            found[header] = f"${{{variable}}}"
        return found

    def _timeouts(self, uses: Uses, name: str) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for limit, values in uses.timeouts.items():
            if len(values) == 1 and 0 < (one := next(iter(values))) <= 7200:
                found[limit] = one
            else:
                why = "a provider has one time limit of each kind, and its models had several"
                self._leave(uses.line, f"{limit} of {name}", why)
        return found

    def _prices(self, uses: Uses, name: str) -> dict[str, dict[str, Decimal]]:
        found: dict[str, dict[str, Decimal]] = {}
        for model, prices in uses.prices.items():
            if {"input", "output"} <= prices.keys():
                found[model] = prices
            elif prices:
                why = "a price needs both input and output"
                self._leave(uses.line, f"the price of {name}/{model}", why)
        return found

    def _models(self) -> None:
        routes: dict[str, list[str]] = {}
        for name, targets in self.draft.models.items():
            if any("${" in word for word in (name, *(model for _, model in targets))):
                self._leave(1, "a model whose name is a variable", "names stand in the file here")
                continue
            found = [self._route(*target) for target in targets if target[0] in self.names]
            if found:
                routes[name] = list(dict.fromkeys(found))
        first = {name: list(found) for name, found in routes.items()}
        for name, further, line in self.draft.fallbacks:
            if name not in routes:
                continue
            for other in further:
                if other in first:
                    added = [route for route in first[other] if route not in routes[name]]
                    routes[name] += added
                elif other != name:
                    self._leave(
                        line, f"the fallback {other!r} of {name!r}", "no model has that name"
                    )
            told = f"further routes of {name!r}"
            self.made.carried.append(Note(line, f"fallbacks of {name!r}", told))
        for name, found in routes.items():
            chosen = self.draft.prefer != "listed" and len(found) > 1
            more = {"prefer": self.draft.prefer} if chosen else {}
            self.made.models[name] = {"routes": found, **more}
        self._aliases(routes)

    def _route(self, source: Source, model: str) -> str:
        return f"{self.names[source]}/{model}"

    def _aliases(self, routes: Iterable[str]) -> None:
        for alias, meant in self.draft.aliases.items():
            if meant not in routes:
                self._leave(1, f"the alias {alias!r}", "what it means was not carried over")
            elif alias not in self.made.models:
                self.made.models[alias] = meant

    def _server(self) -> None:
        draft, made = self.draft, self.made
        if draft.port is not None and 0 < draft.port <= 65535:
            made.port = int(draft.port)
        host, place = draft.host
        if host and not urls.is_loopback(host):
            why = "without keys it serves this machine alone; make one, then set server.host"
            self._leave(draft.lines.find(place), "the address to listen on", why)
        if draft.admin_key:
            variable = variable_of(draft.admin_key) or ADMIN_VARIABLE
            made.admin_key = f"${{{variable}:-}}"
            clear = "" if variable_of(draft.admin_key) else "; it stood there in clear text"
            made.variables[variable] = f"the key of the dashboard, /api and /metrics{clear}"
        if draft.client_key is not None:
            why = "clients' keys are known by their hash: `entrepot keys create NAME` makes one"
            line = draft.lines.find(draft.client_key)
            self._leave(line, f"{draft.client_key[-1]} as a client's key", why)

    def _leave(self, line: int, what: str, why: str) -> None:
        self.made.left.append(Note(line, what, why))


def _variable(text: str) -> str:
    made = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")
    return f"_{made}" if made[:1].isdigit() else made

"""Reads a config whose models are a list of deployments, each with a name that clients ask for."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from gateway.foreign.draft import Draft, Source, key_of, mapping, number, sequence, text
from gateway.foreign.names import NamesForm

_ENVIRONMENT = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_read",
    "cache_creation_input_token_cost": "cached_write",
}
_LIMITS = {"max_input_tokens": "context", "max_output_tokens": "max_output"}
_TIMES = {"timeout": "answer_s", "stream_timeout": "first_byte_s"}
_READ = {"model", "api_key", "api_base", "base_url", "custom_llm_provider", "order"}
_HEADERS = ("headers", "extra_headers")
_NO_CHAT = ("embedding", "image", "audio", "rerank", "moderation", "video", "ocr")
PER_MILLION = 1_000_000


def read(data: dict[str, Any], draft: Draft, names: NamesForm) -> None:
    """Read the whole config into ``draft``."""
    words = draft.format.words
    known = {
        text(mapping(one).get("credential_name")): mapping(mapping(one).get("credential_values"))
        for one in sequence(data.get("credential_list"))
    }
    found: dict[str, list[tuple[Decimal, Source, str]]] = {}
    for number_, item in enumerate(sequence(data.get("model_list"))):
        one = _Deployment(draft, names, ("model_list", number_), mapping(item), known)
        one.read(found)
    for name, some in found.items():
        # The lowest order first, else as they stand.
        draft.models[name] = [(s, m) for _, s, m in sorted(some, key=lambda each: each[0])]
    _router(draft, mapping(data.get("router_settings")))
    _settings(draft, words["settings"], mapping(data.get(words["settings"])))
    _general(draft, mapping(data.get("general_settings")))
    read_here = {"model_list", "router_settings", words["settings"], "general_settings"}
    draft.leave_rest(data, (), {*read_here, "credential_list"})


def reference(value: object) -> str:
    """Return a value of theirs with a variable in our own notation."""
    return _ENVIRONMENT.sub(r"${\1}", text(value))


class _Deployment:
    """One element of the list."""

    def __init__(
        self,
        draft: Draft,
        names: NamesForm,
        place: tuple[str | int, ...],
        item: dict[str, Any],
        credentials: dict[str, dict[str, Any]],
    ) -> None:
        self.draft, self.names, self.place = draft, names, place
        self.name = text(item.get("model_name"))
        self.key = draft.format.words["params"]
        credential = draft.format.words["credential"]
        given = mapping(item.get(self.key))
        self.params = {**credentials.get(text(given.get(credential)), {}), **given}
        self.params.pop(credential, None)
        self.info = mapping(item.get("model_info"))
        draft.leave_rest(item, place, {"model_name", self.key, "model_info"})

    def read(self, found: dict[str, list[tuple[Decimal, Source, str]]]) -> None:
        """Add the deployment to ``found`` under its name, or say why it is none."""
        draft, place = self.draft, self.place
        mode = text(self.info.get("mode"))
        if not self.name or not text(self.params.get("model")):
            draft.leave(place, f"model_list[{place[1]}]", "it has no model_name or no model")
        elif mode.startswith(_NO_CHAT):
            draft.leave(place, f"model {self.name!r}", f"{mode} is not served here")
        else:
            self._read(found)

    def _read(self, found: dict[str, list[tuple[Decimal, Source, str]]]) -> None:
        draft, names, params = self.draft, self.names, self.params
        word, model = names.split(text(params["model"]))
        if given := text(params.get("custom_llm_provider")):
            word, model = given, text(params["model"]).removeprefix(f"{given}/")
        model = names.model(word, model)
        if not model:
            draft.leave(self.place, f"model {self.name!r}", "it names a provider and no model")
            return
        wild = model.endswith("*")
        source = self._source(word, self.name.partition("/")[0] if wild else "")
        uses = draft.source(source, draft.lines.find(self.place), named=wild)
        for theirs, ours in _TIMES.items():
            if (seconds := number(params.get(theirs))) is not None:
                uses.timeouts.setdefault(ours, set()).add(seconds)
        self._facts(uses.prices.setdefault(model, {}), uses.models.setdefault(model, {}))
        handled = {*_READ, *_TIMES, *_PRICES, *_LIMITS, *_HEADERS}
        rest = handled | names.blanks.keys() | set(names.credentials)
        draft.leave_rest(params, (*self.place, self.key), rest)
        draft.leave_rest(
            self.info, (*self.place, "model_info"), {*_PRICES, *_LIMITS, "mode", "id", "base_model"}
        )
        if not wild:
            order = number(params.get("order")) or Decimal(0)
            found.setdefault(self.name, []).append((order, source, model))
        elif self.name in ("*", ""):
            why = f"no name passes to a host without being named; clients ask for {word}/MODEL"
            draft.leave(self.place, f"model {self.name!r}", why)
        else:
            draft.carry(self.place, f"model {self.name!r}", "every provider/model can be asked for")

    def _source(self, word: str, name: str) -> Source:
        params = self.params
        headers = {k: v for one in _HEADERS for k, v in mapping(params.get(one)).items()}
        blanks = {
            blank: reference(params[theirs])
            for theirs, blank in self.names.blanks.items()
            if text(params.get(theirs))
        }
        given = [reference(params[one]) for one in self.names.credentials if text(params.get(one))]
        return Source(
            word=word,
            name=name or word,
            base_url=reference(params.get("api_base") or params.get("base_url")),
            key=reference(params.get("api_key")),
            headers=tuple(sorted((name, reference(value)) for name, value in headers.items())),
            blanks=tuple(sorted(blanks.items())),
            credentials=given[0] if given else "",
        )

    def _facts(self, prices: dict[str, Decimal], limits: dict[str, int]) -> None:
        for part in (self.info, self.params):
            for theirs, ours in _PRICES.items():
                if (cost := number(part.get(theirs))) is not None:
                    prices[ours] = cost * PER_MILLION
            for theirs, ours in _LIMITS.items():
                if limit := number(part.get(theirs)):
                    limits[ours] = int(limit)


def _router(draft: Draft, data: dict[str, Any]) -> None:
    place = ("router_settings",)
    strategy = text(data.get("routing_strategy"))
    if strategy in draft.format.strategies:
        draft.prefer = draft.format.strategies[strategy]
        draft.carry((*place, "routing_strategy"), "routing_strategy", f"prefer: {draft.prefer}")
    elif strategy:
        why = "routes are tried in the order in which they stand, or the cheapest first"
        draft.leave((*place, "routing_strategy"), "routing_strategy", why)
    for alias, said in mapping(data.get("model_group_alias")).items():
        meant = text(mapping(said).get("model")) or text(said)
        draft.aliases[alias] = meant
        draft.carry((*place, "model_group_alias", alias), f"alias {alias!r}", f"models: {alias}")
    _fallbacks(draft, place, data)
    if (seconds := number(data.get("timeout"))) is not None:
        draft.timeouts["answer_s"] = seconds
    read_here = {"routing_strategy", "model_group_alias", "timeout", *_FALLBACKS}
    draft.leave_rest(data, place, read_here)


_FALLBACKS = ("fallbacks", "context_window_fallbacks", "default_fallbacks")


def _fallbacks(draft: Draft, place: tuple[str, ...], data: dict[str, Any]) -> None:
    for field in ("fallbacks", "context_window_fallbacks"):
        for number_, one in enumerate(sequence(data.get(field))):
            here = (*place, field, number_)
            for name, further in mapping(one).items():
                line = draft.lines.find(here)
                draft.fallbacks.append((name, [*map(text, sequence(further))], line))
    further = [*map(text, sequence(data.get("default_fallbacks")))]
    line = draft.lines.find((*place, "default_fallbacks"))
    draft.fallbacks += [(name, further, line) for name in draft.models if further]


def _settings(draft: Draft, section: str, data: dict[str, Any]) -> None:
    place = (section,)
    if data.get("drop_params") is True:
        draft.drop_unsupported = True
        draft.carry((*place, "drop_params"), "drop_params", "translate: on_unsupported: drop")
    if (seconds := number(data.get("request_timeout"))) is not None:
        draft.timeouts["answer_s"] = seconds
    _fallbacks(draft, place, data)
    draft.leave_rest(data, place, {"drop_params", "request_timeout", *_FALLBACKS})


def _general(draft: Draft, data: dict[str, Any]) -> None:
    draft.admin_key = key_of(reference(data.get("master_key")))
    if draft.admin_key:
        draft.client_key = ("general_settings", "master_key")
    draft.leave_rest(data, ("general_settings",), {"master_key"})

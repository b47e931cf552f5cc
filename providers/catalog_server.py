"""Freezes what the catalogue says of a server at home."""

from __future__ import annotations

from types import MappingProxyType

from providers.catalog_evidence import value
from providers.catalog_server_form import LoadForm, ProbeForm, ServerForm, TokeniseForm
from providers.home_server import Find, LoadAt, Path, Probe, Server, Tokenise


def frozen_server(form: ServerForm) -> Server:
    """Return what can be asked of a kind of server."""
    return Server(
        overflow=value(form.overflow),
        usual_windows=tuple(value(form.usual_windows) or ()),
        probes=tuple(map(_probe, form.probes)),
        loads=tuple(map(_load, form.load)),
        tokenise=_tokenise(form.tokenise) if form.tokenise is not None else None,
    )


def _probe(form: ProbeForm) -> Probe:
    return Probe(
        path=form.path,
        post=MappingProxyType(form.post) if form.post is not None else None,
        rows=_path(form.rows) if form.rows is not None else None,
        names=tuple(form.names),
        spelled=tuple(form.spelled),
        finds=MappingProxyType(
            {
                name: Find(_path(said.at), said.has, said.pattern)
                for name, said in form.finds.items()
            }
        ),
    )


def _load(form: LoadForm) -> LoadAt:
    return LoadAt(form.path, form.metrics, form.running, form.waiting)


def _tokenise(form: TokeniseForm) -> Tokenise:
    return Tokenise(form.path, form.sends, form.field, _path(form.count))


def _path(text: str) -> Path:
    return tuple(text.split("."))

"""``entrepot init --from FILE``: another gateway's config turned into ours, and what is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from gateway.commands import catalog_texts, init_write
from gateway.commands.screen import NOT_SO, fail, print_json, say
from gateway.foreign import texts
from gateway.foreign.carry import Carried, carry
from gateway.foreign.draft import Note
from gateway.foreign.host_match import Matcher
from gateway.foreign.names import names
from gateway.foreign.read import read
from gateway.problems import ConfigError
from providers.catalog import builtin


def run(source: Path, out: Path, *, as_json: bool) -> None:
    """Carry ``source`` over into ``out``. No key's value is copied or said."""
    known = names()
    try:
        draft = read(source, known)
    except ConfigError as fault:
        fail(str(fault))
    made = carry(draft, Matcher(builtin(), catalog_texts.read(), known), source.name)
    written = [*_catalog(made, out.parent / texts.CATALOG, source.name)]
    written = [*init_write.write(out, texts.config(made, source.name, draft.format.name)), *written]
    if as_json:
        print_json(
            {
                "written": written,
                "format": draft.format.name,
                "providers": list(made.providers),
                "models": list(made.models),
                "carried": [asdict(note) for note in made.carried],
                "left": [asdict(note) for note in made.left],
                "set": [
                    {"variable": name, "why": why, "is_set": bool(os.environ.get(name))}
                    for name, why in made.variables.items()
                ],
            }
        )
    else:
        say(*_summary(made, source, draft.format.name, out, written))
    init_write.end_if_unusable(out)


def _catalog(made: Carried, folder: Path, source: str) -> Iterator[Path]:
    """Write a file for each host that nobody knows; one that is there already stays."""
    try:
        for host, (address, wire) in made.catalog.items():
            folder.mkdir(exist_ok=True)
            path = folder / f"{host}.yaml"
            if not path.exists():
                path.write_text(texts.catalog_file(host, address, wire, source), encoding="utf-8")
                yield path
    except OSError as fault:
        fail(f"{fault.filename or folder} cannot be written: {fault.strerror or fault}", NOT_SO)


def _summary(
    made: Carried, source: Path, format_name: str, out: Path, written: list[Path]
) -> Iterator[str]:
    yield f"read {source} as {format_name}"
    yield f"{len(made.providers)} providers: {', '.join(made.providers) or 'none'}"
    yield f"{len(made.models)} models: {', '.join(made.models) or 'none'}"
    yield from _list("carried over:", source, made.carried)
    yield from _list("not carried over:", source, made.left)
    missing = {name: why for name, why in made.variables.items() if not os.environ.get(name)}
    if missing:
        yield ""
        yield "set these in the environment of the gateway:"
        for name, why in missing.items():
            yield f"  {name}: {why}"
    yield ""
    yield f"wrote {' and '.join(map(str, written))}"
    option = "" if out == Path("config.yaml") else f" --config {out}"
    yield ""
    yield "next:"
    yield f"  entrepot check{option}"
    yield f"  entrepot serve{option}     then http://127.0.0.1:{made.port}/dashboard"


def _list(title: str, source: Path, notes: list[Note]) -> Iterator[str]:
    if notes:
        yield ""
        yield title
        for note in notes:
            yield f"  {source.name}:{note.line}: {note.what}: {note.text}"

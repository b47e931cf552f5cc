"""The files that a carried config becomes: ours, and one for each host that nobody knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.commands.init_text import MODELS, TAIL
from gateway.foreign.carry import Carried

CATALOG = "catalog"
_HEAD = """\
# Entrepôt's config, carried over by `entrepot init --from` from
# {file}: {format}.
#
# The file is watched: a valid edit takes effect at once, an invalid one is refused and named.
# `entrepot check` reads it without starting anything.
#
# ${{VAR}} comes from the environment; a provider whose variable is not set is passed over.

server:
  host: 127.0.0.1              # any other address needs keys (below) and an admin_key
  port: {port}
"""
_MIDDLE = """
ledger: sqlite:///var/entrepot.db      # or postgresql://user:password@host/database
policy: policy.yaml                    # which data may go where
"""
_CATALOG = """\
catalog: [{folder}]                     # hosts that the catalogue does not know, one file each
"""
_HOST = """\
# A host that no catalogue knew, made by `entrepot init --from`. Nothing is known of it: a rule that
# requires a fact refuses it. Write what you know in the place of `unknown`, with a source of yours,
# such as `processed_in: {{is: [FR], source: [contract]}}`.
id: {id}
name: {name}
kind: hosted
auth: {{kind: {kind}{header}}}
operator:
  company: {{is: unknown}}
  parent: {{is: unknown}}
place:
  processed_in: {{is: unknown}}
  trains_on_data: {{is: unknown}}
  retention_days: {{is: unknown}}
  zdr: {{is: unknown}}
wires:
  {wire}: {path}
default_endpoint: default
endpoints:
  default:
    base_url: {{is: {base_url}, source: [carried]}}
sources:
  carried: {{url: {source}, date: '{date}'}}
"""
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# How a host of a wire is asked where nobody said otherwise: its path, and how the key goes.
_SPOKEN = {
    "chat": ("/chat/completions", "bearer", ""),
    "messages": ("/v1/messages", "header", ", header: x-api-key"),
}


def config(made: Carried, file: str, format_name: str) -> str:
    """Return the text of our config."""
    text = _HEAD.format(file=file, format=format_name, port=made.port)
    if made.admin_key:
        text += f'  admin_key: "{made.admin_key}"      # opens /dashboard, /api and /metrics\n'
    if made.timeouts:
        text += f"  timeouts: {_flow(made.timeouts)}\n"
    text += _MIDDLE
    text += _CATALOG.format(folder=CATALOG) if made.catalog else ""
    if made.drop_unsupported:
        text += "\ntranslate: {on_unsupported: drop}      # what a host cannot say is left out\n"
    text += "\nproviders:" + ("\n" if made.providers else " {}\n")
    for name, entry in made.providers.items():
        text += "".join(f"{line}\n" for line in _provider(name, entry, made.remarks.get(name, "")))
    text += MODELS.partition("Local servers")[0].rstrip("# \n") + "\n"
    text += "models:" + ("\n" if made.models else " {}\n")
    for name, said in made.models.items():
        text += f"  {_text(name)}: {_model(said)}\n"
    return text + TAIL


def catalog_file(host: str, address: str, wire: str, file: str) -> str:
    """Return the catalogue's file of a host of which only the address is known."""
    path, kind, header = _SPOKEN[wire]
    return _HOST.format(
        id=host,
        name=json.dumps(address.partition("//")[2]),
        kind=kind,
        header=header,
        wire=wire,
        path=path,
        base_url=json.dumps(address),
        source=json.dumps(f"the config {file}"),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _provider(name: str, entry: dict[str, Any], remark: str) -> Iterator[str]:
    comment = f"  # {remark}" if remark else ""
    yield f"  {name}:{'' if entry else ' {}'}{comment}"
    for key, value in entry.items():
        yield f"    {key}: {_flow(value)}"


def _model(said: dict[str, Any] | str) -> str:
    if isinstance(said, str):
        return _flow(said)
    return _flow(said if len(said) > 1 else said["routes"])


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        inner = (f"{_text(key)}: {_flow(one)}" for key, one in value.items())
        return f"{{{', '.join(inner)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Return a text as YAML, in quotes where it could mean anything else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)

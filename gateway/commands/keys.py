"""``entrepot keys``: a key for a client. Only its hash ever stands in the config."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from gateway.auth import KEY_MAX_BYTES, key_hash
from gateway.commands.reading import ConfigOption, config_path
from gateway.commands.screen import JsonOption, fail, print_json, say
from gateway.config_file import Loaded, read
from gateway.config_keys import KeyForm
from gateway.problems import ConfigError, faults_of
from routing.policy import LabelError

KEY_BYTES = 32

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose key it is; shown in ledger and dashboard.")
    ],
    team: Annotated[str | None, typer.Option(help="The team that its calls count for.")] = None,
    label: Annotated[str | None, typer.Option(help="The least label of its calls.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a new key once, and the lines for the config that hold its hash."""
    key = "ek-" + secrets.token_urlsafe(KEY_BYTES)
    entry = {"name": name, "hash": key_hash(key)}
    entry |= {field: value for field, value in (("team", team), ("label", label)) if value}
    _refuse_what_cannot_stand(entry, config)
    if as_json:
        print_json({"key": key, "config": entry})
        return
    say(f"The key, shown this once: {key}", "", "Into the config, under `keys:`", "")
    # A name such as 007 or true is text only in quotes.
    say(
        *(
            f"  {'- ' if n == 0 else '  '}{f}: {_quoted(v)}"
            for n, (f, v) in enumerate(entry.items())
        )
    )


@app.command("hash")
def hash_of(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Read a key from standard input and print its hash."""
    del config  # every command takes it; a hash needs none
    try:
        key = (getpass.getpass("key: ") if sys.stdin.isatty() else sys.stdin.read()).strip()
    except (EOFError, UnicodeDecodeError):
        key = ""
    if not key:
        fail("no key on standard input; echo the key into this command")
    if len(key) > KEY_MAX_BYTES or not all(33 <= ord(sign) < 127 for sign in key):
        fail(f"that is no key: one word of plain ASCII of at most {KEY_MAX_BYTES} signs would be")
    if as_json:
        print_json({"hash": key_hash(key)})
    else:
        say(key_hash(key))


def _refuse_what_cannot_stand(entry: dict[str, str], given: Path | None) -> None:
    """End where the config would refuse the entry: its form, its label, a name that is taken."""
    try:
        KeyForm.model_validate(entry)
    except ValidationError as error:
        fail("\n".join(f"{fault.what}, {fault.right}" for fault in faults_of(error, KeyForm)))
    path = config_path(given)
    if path is None:
        return
    try:
        loaded = read(path, dict(os.environ))
    except ConfigError as fault:
        if given is not None and not path.exists():
            fail(str(fault))
        # A config may be wrong just because it lacks the key that is being made.
        say(f"{path} has mistakes, so label and name were not checked against it", to=sys.stderr)
        return
    _refuse_what_does_not_fit(entry, loaded)


def _refuse_what_does_not_fit(entry: dict[str, str], loaded: Loaded) -> None:
    if entry["name"] in {key.name for key in loaded.config.keys}:
        fail(f"{loaded.file} has a key of the name {entry['name']!r} already; choose another name")
    try:
        loaded.policy.label_rank(entry.get("label", loaded.policy.labels[0]))
    except LabelError as fault:
        fail(str(fault))


def _quoted(text: str) -> str:
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    wordlike = plain.isalpha() and plain.lower() not in ("true", "false", "null", "yes", "no")
    return text if wordlike or text.startswith("sha256:") else "'" + text.replace("'", "''") + "'"

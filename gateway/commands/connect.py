"""``entrepot connect``: what a client needs to call this gateway: print, write, or run with it.

No key is ever printed or written: a client's key stands in an environment variable, and only the
name of that goes into files.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.config import Config, matching
from gateway.config_keys import KeyForm
from gateway.config_models import ModelForm
from gateway.connect.form import KEY, PLAIN_NAME, ClientForm, FileForm, Words, client, names
from gateway.connect.merge import MergeError
from gateway.connect.place import Placed, fresh, placed, where
from gateway.setup import Setup, compile_setup
from routing.policy_form import nearest

VARIABLE = "ENTREPOT_KEY"
ANY_WORD = "unused"  # what a client says for a key where the gateway asks for none
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Told:
    """A client, the words for it, and whose keys the gateway knows (none: it asks for none)."""

    client: ClientForm
    words: Words
    keys: tuple[str, ...]


def run(
    name: Annotated[
        str | None, typer.Argument(metavar="[CLIENT]", help="The client; none lists all.")
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="A command to run, set up as the client."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="What to ask for; else the config's first model.")
    ] = None,
    small: Annotated[
        str | None, typer.Option("--small-model", help="For a client's side tasks; else MODEL.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="The name of the key to be used; checked against MODEL.")
    ] = None,
    variable: Annotated[
        str, typer.Option(help="The environment variable that holds the key.")
    ] = VARIABLE,
    url: Annotated[
        str | None, typer.Option(help="The gateway's address, where the config does not say it.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put it into the client's files, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what CLIENT needs to call this gateway, write it there, or run a command with it."""
    known = names()
    if name is None:
        _list([client(each) for each in known], as_json)
        return
    if name not in known:
        fail(
            f"there is no client {name!r}; {nearest(name, known, '`entrepot connect` lists them')}"
        )
    setup = compile_setup(load_config(config)[1])
    words = _words(setup, model, small, variable, url)
    _check_key(setup.config, key, words)
    told = Told(client(name), words, tuple(each.name for each in setup.config.keys))
    if command:
        _run_with(told, command)
    elif write:
        _write(told, yes, as_json)
    elif as_json:
        print_json(_document(told))
    else:
        _tell(told)


def _list(known: list[ClientForm], as_json: bool) -> None:
    if as_json:
        fields = ("name", "title", "kind", "wires", "program")
        print_json([{field: getattr(form, field) for field in fields} for form in known])
        return
    show(
        ("client", "what it is", "speaks", "is set up by"),
        [
            (form.name, form.title, ", ".join(form.wires), _set_up_by(form))
            for form in sorted(known, key=lambda form: (form.kind, form.name))
        ],
    )
    say("", "`entrepot connect CLIENT` prints what it needs, `--write` puts it there,")
    say("`entrepot connect CLIENT -- COMMAND…` runs a command with it.")


def _set_up_by(form: ClientForm) -> str:
    return ", ".join(file.path for file in form.files) or "environment"


def _words(
    setup: Setup, model: str | None, small: str | None, variable: str, url: str | None
) -> Words:
    if not _NAME.fullmatch(variable):
        fail("--variable is no name of an environment variable; letters, digits and _ make one")
    asked = model or _first(setup.config)
    for each in (asked, small or asked):
        if setup.candidates(each) is None:
            advice = nearest(each, setup.config.models, "see `entrepot models --mine`")
            fail(f"nothing answers to {each!r} in this config; {advice}")
        if not PLAIN_NAME.fullmatch(each):
            fail(f"{each!r} has signs that not every client's file can hold; give it an alias")
    return Words(_address(setup.config, url), asked, small or asked, variable)


def _first(config: Config) -> str:
    named = (n for n, e in config.models.items() if isinstance(e, ModelForm) and "*" not in n)
    first = next(named, None)
    if first is None:
        fail("the config names no model; say what to ask for with --model")
    return first


def _address(config: Config, url: str | None) -> str:
    """Return where clients reach the gateway, without a slash or /v1 at the end."""
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
            fail("--url is no address; one is such as https://gateway.example.com")
        return url.rstrip("/").removesuffix("/v1")
    host, port = config.server.host, config.server.port
    if port == 0:
        fail("the config leaves the port to the system (port: 0); say the address with --url")
    try:
        if ipaddress.ip_address(host).is_unspecified:
            # It listens on all addresses; this machine is one of them.
            host = "::1" if ":" in host else "127.0.0.1"
    except ValueError:
        pass  # a name
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _check_key(config: Config, key: str | None, words: Words) -> None:
    if key is None:
        return
    by_name: dict[str, KeyForm] = {each.name: each for each in config.keys}
    if key not in by_name:
        fail(f"there is no key {key!r}; {nearest(key, by_name, 'the config has no such key')}")
    may = by_name[key].models
    for model in {words.model, words.small} if may is not None else ():
        if matching(may or (), model) is None:
            fail(f"the key {key!r} may not ask for {model!r}", NOT_SO)


def _run_with(told: Told, command: list[str]) -> None:
    """Become ``command`` with the client's environment; its exit code is ours."""
    form, words = told.client, told.words
    secret = os.environ.get(words.variable) or ("" if told.keys else ANY_WORD)
    if not secret:
        fail(f"{words.variable} is not set; it has to hold a key of this gateway{_of(told)}")
    for file in form.files:
        if file.needed and _placed(told, file).differs:
            path = where(file, os.environ)
            does = f"`entrepot connect {form.name} --write` with these options puts it there"
            fail(f"{form.title} needs its settings in {path}; {does}", NOT_SO)
    program = shutil.which(command[0])
    if program is None:
        fail(f"{command[0]}: there is no such command", NOT_SO)
    arguments = list(command)
    if Path(command[0]).stem == form.program:
        arguments[1:1] = words.into(form.arguments)
    environment = {n: v for n, v in os.environ.items() if n not in form.unset}
    environment |= {words.variable: secret}
    environment |= {n: v.replace(KEY, secret) for n, v in words.environment(form).items()}
    sys.stdout.flush()
    os.execve(program, arguments, environment)  # noqa: S606  # no shell is what is wanted


def _write(told: Told, yes: bool, as_json: bool) -> None:
    form = told.client
    if not form.files:
        fail(f"{form.title} reads no file of its own: it is set up by its environment alone")
    if as_json and not yes:
        fail("--write --json cannot ask; say --yes too")
    changes = [found for file in form.files if (found := _placed(told, file)).differs]
    if not as_json:
        for change in changes:
            say(change.difference(), "")
        if not changes:
            say(f"{form.title} is set up already: nothing to write")
        elif not yes and not typer.confirm("Write this?"):
            fail("nothing was written", NOT_SO)
    written = [(change, change.write()) for change in changes]
    if as_json:
        print_json(
            [
                {"path": change.path, "difference": change.difference(), "backup": backup}
                for change, backup in written
            ]
        )
        return
    for change, backup in written:
        say(f"wrote {change.path}" + (f", the old one is {backup}" if backup else ""))
    if written:
        say(*_about_the_key(told))


def _placed(told: Told, file: FileForm) -> Placed:
    try:
        return placed(file, told.words, os.environ)
    except MergeError as fault:
        fail(f"{where(file, os.environ)} {fault}; nothing was changed", NOT_SO)


def _document(told: Told) -> dict[str, Any]:
    form, words = told.client, told.words
    return {
        "client": form.name,
        "title": form.title,
        "wires": form.wires,
        "address": words.root,
        "model": words.model,
        "small_model": words.small,
        "key": {"variable": words.variable, "needed": bool(told.keys), "names": told.keys},
        "environment": {n: _reference(v, words) for n, v in words.environment(form).items()},
        "unset": form.unset,
        "arguments": words.into(form.arguments),
        "files": [
            {
                "path": where(file, os.environ),
                "format": file.format,
                "needed": file.needed,
                "content": fresh(file, words),
            }
            for file in form.files
        ],
        "install": form.install,
        "example": words.into(form.example),
        "notes": words.into(form.notes),
    }


def _tell(told: Told) -> None:
    form, words = told.client, told.words
    speaks = " and ".join(form.wires)
    say(f"{form.title} speaks {speaks} to {words.root}, and asks for {words.model}", "")
    say(*_about_the_key(told), "")
    say(*environment_lines(told.client, words))
    if form.program:
        shown = [form.program, *words.into(form.arguments)]
        say(shlex.join(shown), "", "The same in one go:", "")
        say(f"  entrepot connect {form.name} -- {form.program}")
    for file in form.files:
        kept = "It needs this" if file.needed else "To keep it, put this"
        say("", f"{kept} in {where(file, os.environ)}:", "")
        say(*(f"  {line}".rstrip() for line in fresh(file, words).splitlines()))
    if form.files:
        say("", f"`entrepot connect {form.name} --write` puts it there and shows it first.")
    if form.example:
        say("", f"# {form.install}", *words.into(form.example).splitlines())
    if form.notes:
        say("", *(f"- {note}" for note in words.into(form.notes)))


def environment_lines(form: ClientForm, words: Words) -> list[str]:
    """Return the lines for a shell that set the client's environment; the key as a reference."""
    lines = [f"unset {' '.join(form.unset)}"] if form.unset else []
    for name, value in words.environment(form).items():
        if value != KEY:
            lines.append(f"export {name}={shlex.quote(value)}")
        elif name != words.variable:
            lines.append(f'export {name}="{_reference(value, words)}"')
    return lines


def _reference(value: str, words: Words) -> str:
    return value.replace(KEY, f"${words.variable}")


def _about_the_key(told: Told) -> list[str]:
    if told.keys:
        return [f"# {told.words.variable} has to hold a key of this gateway{_of(told)}"]
    return [
        "# This gateway has no keys: any word will do",
        f"export {told.words.variable}={ANY_WORD}",
    ]


def _of(told: Told) -> str:
    return f" (it has: {', '.join(told.keys)}; `entrepot keys create NAME` makes one)"

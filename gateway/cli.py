"""The ``entrepot`` command. A command's own module is loaded only when that command runs."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import typer

# name -> one line of help; the module is gateway.commands.<name>, or what ROOMS says
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "Run the gateway.",
        "init": "Find local servers and keys, and write a config with comments.",
        "check": "What is wrong in config and policy; proves what `expect` says.",
        "explain": "Every route for a request, in order, each with its reason.",
        "egress": "Every host that can ever be contacted, each with its reason.",
        "providers": "Hosts with their facts, each with source and date.",
        "models": "What can be asked for: who runs it, where, and what it costs.",
        "keys": "Make a key for a client, or the hash of one.",
        "diff": "What a proposed config would have changed of past requests.",
        "compare": "A model's route against its shadow: cost, time, answers.",
        "spend": "What was spent, by provider, model, day, key, label, …",
        "flows": "Which data went to which operator and place, and when.",
        "whatif": "What the calls of the past would have cost elsewhere.",
        "reconcile": "A provider's bill against the ledger: differences, causes.",
        "budgets": "What is spent and left, and when it will be used up.",
        "ledger": "The books: verify, export, roll off months, go back.",
        "plans": "Subscriptions: what they took in, cost and saved; what is left.",
        "home": "What answering at home costs, marginal and full, beside an API.",
        "connect": "Point a client here: print, write, or run with what it needs.",
        "doctor": "What is installed, reachable and set; never the value of a key.",
    }
)
ROOMS: Mapping[str, str] = MappingProxyType({"ledger": "ledger_group"})
NOT_SO = 1
INTERRUPTED = 130


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the application, with the command that ``arguments`` name loaded."""
    app = typer.Typer(
        name="entrepot",
        help="A neutral port for calls to language models: one address, your rules, an exact "
        "ledger.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        # Plain help: rich would be loaded for it.
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    asked = next((word for word in arguments if not word.startswith("-")), "")
    for name, text in COMMANDS.items():
        if name != asked:
            app.command(name, help=text)(_not_loaded)
            continue
        module = importlib.import_module(f"gateway.commands.{ROOMS.get(name, name)}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=text)
        else:
            app.command(name)(module.run)
    return app


def main() -> None:
    """Run the command line; exit 0 good, 1 not so, 2 wrong usage or unreadable config."""
    # What is made at start stays: to look for garbage meanwhile takes a tenth of the time.
    gc.set_threshold(100_000, 50, 1000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names come from everywhere; a terminal that cannot show a sign shows a question mark.
            stream.reconfigure(errors="replace")
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: Sequence[str]) -> int:
    code = 0
    try:
        build(arguments)()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else NOT_SO
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as fault:
        code = NOT_SO
        if not isinstance(fault, BrokenPipeError):
            print(f"entrepot: {fault}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        # Whoever read our output has seen enough, or the disk is full: nothing more to be said.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # until exit
        code = code or NOT_SO
    return code


def _not_loaded() -> None:
    raise AssertionError("only the command that was asked for can run")


if __name__ == "__main__":
    main()

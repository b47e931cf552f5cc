"""``entrepot ledger heads``: how far each chain of entries has come, to be kept elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billing import audit_store
from billing.audit_rows import highest
from billing.store import StoreError
from gateway.commands import heads_file, ledger
from gateway.commands.heads_file import HeadsError
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say


def run(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("heads.json"),
    sign: Annotated[
        Path | None,
        typer.Option(help="Sign it with this Ed25519 key (PEM); the signature goes to FILE.sig."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the last number and hash of every writer's day to a file.

    Kept where nobody who can write the ledger can write, they show if it is ever chained anew.
    """
    _, loaded = load_config(config)
    given = loaded.config.ledger
    ledger.drained(loaded.config.journal)
    try:
        with ledger.existing(given) as store:
            found = [] if store is None else list(highest(audit_store.heads(store)).values())
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(given)}: {fault}", NOT_SO)
    try:
        count = heads_file.write(out, found)
        signature = heads_file.sign(out, sign) if sign is not None else None
    except (HeadsError, OSError) as fault:
        fail(str(fault), NOT_SO)
    if as_json:
        print_json({"file": out, "heads": count, "signature": signature})
        return
    say(f"{count} heads in {out}" + (f", signed in {signature}" if signature else ""))

"""``entrepot ledger downgrade``: the ledger in the form that an older version knows."""

from __future__ import annotations

from typing import Annotated

import typer

from billing import migrate
from billing.store import StoreError
from gateway.commands import ledger
from gateway.commands.reading import ConfigOption, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say


def run(
    to: Annotated[str, typer.Option(metavar="REVISION", help="The older form, as 0003.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the ledger to an older form, before an older version starts; stop the gateway first.

    What that form has no place for is kept aside, and the next upgrade puts it back.
    """
    _, loaded = load_config(config)
    address = loaded.config.ledger
    try:
        with ledger.existing(address) as store:
            if store is None:
                fail(f"the ledger {ledger.shown(address)} is not there yet", NOT_SO)
        migrate.downgrade(address, to)
    except StoreError as fault:
        fail(f"the ledger {ledger.shown(address)}: {fault}", NOT_SO)
    except migrate.MigrationError as fault:
        fail(str(fault), NOT_SO)
    if as_json:
        print_json({"ledger": ledger.shown(address), "revision": to})
    else:
        say(f"the ledger {ledger.shown(address)} is at {to} now; this version brings it up again")

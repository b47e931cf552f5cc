"""``entrepot ledger``: what is done with the books themselves."""

from __future__ import annotations

import typer

from gateway.commands import (
    ledger_downgrade,
    ledger_export,
    ledger_heads,
    ledger_roll_off,
    ledger_verify,
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("verify")(ledger_verify.run)
app.command("heads")(ledger_heads.run)
app.command("export")(ledger_export.run)
app.command("roll-off")(ledger_roll_off.run)
app.command("downgrade")(ledger_downgrade.run)

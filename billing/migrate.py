"""Brings a ledger's database to the form that this code knows, at every start.

All migrations run in one transaction, on SQLite too: one that fails leaves the database as it was.
Another process that starts at the same time waits. Alembic is imported only where there is work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from billing.schema import HEAD
from billing.store import (
    StoreError,
    changing_schema,
    current_revision,
    open_engine,
    revision,
    url_of,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

# What a migration's own Python can raise; the database's faults are the store's.
_OWN_FAULTS = (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError)
SCRIPTS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """The ledger cannot be used as it is; the text says why and what would help."""


def migrate(url: str) -> None:
    """Bring the database at ``url`` to ``HEAD``; makes it where there is none.

    Raises ``MigrationError``, also for a database that a newer version has written.
    """
    try:
        address = url_of(url).set(query={}).render_as_string(hide_password=True)
        engine = open_engine(url)
    except StoreError as fault:
        raise MigrationError(str(fault)) from fault
    try:
        if current_revision(engine) == HEAD:
            return
        with changing_schema(engine) as connection:
            at = revision(connection)
            if at != HEAD:  # nobody else has done it meanwhile
                _upgrade(connection, at)
    except StoreError as fault:
        raise MigrationError(
            f"the ledger {address} could not be brought up to date and is as it was: {fault}"
        ) from fault
    except MigrationError as fault:
        raise MigrationError(f"the ledger {address} {fault}") from fault
    finally:
        engine.dispose()


def _upgrade(connection: Connection, at: str | None) -> None:
    """Run what is missing; faults other than the database's own become ``MigrationError``."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if at is not None and at not in known:
        raise MigrationError(
            f"is at revision {at!r}, which this version does not know: it was written by a newer "
            "one; start that, or restore a copy from before it"
        )
    try:
        command.upgrade(config, "head")
    except (CommandError, *_OWN_FAULTS) as fault:
        raise MigrationError(
            f"could not be brought up to date and is as it was: {fault}"
        ) from fault

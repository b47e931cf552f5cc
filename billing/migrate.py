"""Brings a ledger's database to the form that this code knows, at every start; or to an older one.

All migrations run in one transaction, on SQLite too, over all its files: one that fails leaves the
ledger as it was. Another process that starts at the same time waits. A ledger that is new is made
in the newest form at once; Alembic is imported only where there is an older one. On PostgreSQL a
lock is waited for at most two seconds, since who comes after waits behind it, and then tried again
for a minute. What an upgrade has to sum it sums before it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, OperationalError

from billing import backfill, server_changes
from billing.database import (
    StoreError,
    changing_schema,
    open_engine,
    reading,
    revision,
    url_of,
    writing,
)
from billing.file_changes import put_together, tidy
from billing.months import REMOVED, MonthFiles
from billing.rollup_tables import summed, take_away
from billing.schema import HEAD, create

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

# What a migration's own Python can raise; the database's faults are the store's.
_OWN_FAULTS = (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError)
SCRIPTS = Path(__file__).parent / "migrations"
FIRST_WITH_SUMS = "0005"
_ALWAYS_US = 2**62


class MigrationError(Exception):
    """The ledger cannot be used as it is; the text says why and what would help."""


class LedgerAwayError(MigrationError):
    """The ledger's database cannot be reached now; nothing says that anything is wrong with it."""


def migrate(url: str, say: Callable[[str], None] = lambda _: None) -> None:
    """Bring the database at ``url`` to ``HEAD``; makes it where there is none.

    ``say`` is told how far a long one is. Raises ``MigrationError``, also for a database that a
    newer version has written, and ``LedgerAwayError`` for one that cannot be reached.
    """
    with _changing(url) as (engine, files):
        if _is_ready(engine, files):
            return
        if files is not None:
            _upgrade_files(engine, files)
            backfill.fill(engine, say)
            return
        with server_changes.alone(engine):
            if not _is_ready(engine, None):  # nobody else has done it meanwhile
                server_changes.prepare(engine)
                server_changes.with_patience(lambda: _upgrade_server(engine))
                backfill.fill(engine, say)


def downgrade(url: str, to: str) -> None:
    """Bring the database to an older form, ``to``, for an older version; no gateway may run.

    Months in files are put into the main file again. What the older form has no place for is kept
    aside, and a later ``migrate`` puts it back. Raises ``MigrationError``.
    """
    with _changing(url) as (engine, files):
        if files is None:
            with server_changes.alone(engine):
                server_changes.with_patience(lambda: _downgrade_server(engine, to))
            return
        with changing_schema(engine) as main:
            if _leaves_sums(main, to):
                tidy(main, files)
                take_away(main, summed(main, 0, _ALWAYS_US))
                put_together(main, files)
            _downgrade(main, to)
        with writing(engine) as main:
            tidy(main, files)


@contextmanager
def _changing(url: str) -> Iterator[tuple[Engine, MonthFiles | None]]:
    """Give the database, reached; every fault meanwhile becomes a ``MigrationError``."""
    try:
        address = url_of(url).set(query={}).render_as_string(hide_password=True)
        engine = open_engine(url)
    except StoreError as fault:
        raise MigrationError(str(fault)) from fault
    files = MonthFiles(engine) if engine.dialect.name == "sqlite" else None
    try:
        with reading(engine):
            pass
        yield engine, files
    except StoreError as fault:
        kind = LedgerAwayError if _is_away(fault) else MigrationError
        raise kind(
            f"the ledger {address} could not be brought up to date and is as it was: {fault}"
        ) from fault
    except MigrationError as fault:
        raise MigrationError(f"the ledger {address} {fault}") from fault
    finally:
        if files is not None:
            files.close()
        engine.dispose()


def _is_away(fault: StoreError) -> bool:
    """Whether there was no connection, or it broke; a statement that fails has one."""
    cause = fault.__cause__
    if not isinstance(cause, DBAPIError):
        return False
    return cause.connection_invalidated or (
        isinstance(cause, OperationalError) and cause.statement is None
    )


def _is_ready(engine: Engine, files: MonthFiles | None) -> bool:
    with reading(engine) as connection:
        if revision(connection) != HEAD or backfill.unfinished(connection):
            return False
    for month in files.names() if files is not None else ():
        part = files.engine(month) if files is not None else None
        if part is not None:
            with reading(part) as connection:
                if revision(connection) != HEAD:
                    return False
    return True


def _upgrade_files(engine: Engine, files: MonthFiles) -> None:
    """Upgrade every file; the main one, by which the others are known, is committed last."""
    with ExitStack() as stack:
        main = stack.enter_context(changing_schema(engine))
        for month in files.names():
            part = files.engine(month)
            if part is not None:
                connection = stack.enter_context(writing(part))
                if (at := revision(connection)) not in (HEAD, REMOVED):
                    _upgrade(connection, at)
        if (at := revision(main)) != HEAD:
            _upgrade(main, at)
    with writing(engine) as main:
        tidy(main, files)


def _upgrade_server(engine: Engine) -> None:
    with changing_schema(engine) as connection:
        if (at := revision(connection)) != HEAD:
            _upgrade(connection, at)


def _downgrade_server(engine: Engine, to: str) -> None:
    with changing_schema(engine) as connection:
        if _leaves_sums(connection, to):
            take_away(connection, summed(connection, 0, _ALWAYS_US))
        _downgrade(connection, to)


def _leaves_sums(connection: Connection, to: str) -> bool:
    at = revision(connection)
    if backfill.unfinished(connection):
        raise MigrationError("is not summed up yet; start the gateway once, and then go back")
    return to < FIRST_WITH_SUMS <= (at or "")


def _upgrade(connection: Connection, at: str | None) -> None:
    """Run what is missing; faults other than the database's own become ``MigrationError``."""
    if at is None:
        create(connection)
        return
    from alembic import command

    config = _config(connection)
    if at not in _known(config):
        raise MigrationError(
            f"is at revision {at!r}, which this version does not know: it was written by a newer "
            "one; start that, or restore a copy from before it"
        )
    _run(
        lambda: command.upgrade(config, "head"), "could not be brought up to date and is as it was"
    )


def _downgrade(connection: Connection, to: str) -> None:
    from alembic import command

    config, at = _config(connection), revision(connection)
    known = _known(config)
    if at not in known:
        raise MigrationError(f"is at revision {at!r}, which this version does not know")
    if to not in known or to >= at:
        older = ", ".join(sorted(one for one in known if one < at)) or "none"
        raise MigrationError(f"is at revision {at}; older ones are {older}")
    _run(
        lambda: command.downgrade(config, to), f"could not be brought back to {to} and is as it was"
    )


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _known(config: Config) -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def _run(change: Callable[[], None], failed: str) -> None:
    from alembic.util import CommandError

    try:
        change()
    except (CommandError, *_OWN_FAULTS) as fault:
        raise MigrationError(f"{failed}: {fault}") from fault

"""Sums what an older version has written, before anybody reads the sums: in steps that are kept.

A process that is killed meanwhile loses one step. While it lasts nobody writes entries: an older
version does not know the new form, and a newer one waits for the end.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, func, select

from billing.database import reading, writing
from billing.rollup_tables import add_up, summed
from billing.schema import DAY_S, marks
from billing.schema import entries as table

MARK = "summed_until_us"
# So many entries at once, about; a day is never split.
STEP = 200_000
_DAY_US = DAY_S * 1_000_000


def unfinished(connection: Connection) -> bool:
    """Return whether entries of an older version are not all summed yet."""
    return _summed_until(connection) is not None


def is_unfinished(engine: Engine) -> bool:
    """Like ``unfinished``, on a connection of its own. Raises ``StoreError``."""
    with reading(engine) as connection:
        return unfinished(connection)


def fill(engine: Engine, say: Callable[[str], None]) -> None:
    """Sum all entries that are not summed yet; ``say`` is told how far it is.

    Raises ``StoreError``.
    """
    with reading(engine) as connection:
        at_us = _summed_until(connection)
        if at_us is None:
            return
        whole = connection.execute(select(func.count()).select_from(table)).scalar_one()
    done = 0
    while at_us is not None:
        with writing(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            at_us, more = _step(connection)
        done += more
        if at_us is not None:
            say(f"summing up the ledger, {done} of {whole} entries")


def _step(connection: Connection) -> tuple[int | None, int]:
    """Sum the next days; return from when on entries are not summed (None: all are), how many."""
    since_us = _summed_until(connection)
    if since_us is None:  # another process has ended it
        return None, 0
    later = select(table.c.at_us).where(table.c.at_us >= since_us).order_by(table.c.at_us)
    last = connection.execute(later.offset(STEP).limit(1)).scalar()
    if last is None:
        last = connection.execute(select(func.max(table.c.at_us))).scalar() or 0
        connection.execute(marks.delete().where(marks.c.name == MARK))
        until_us = None
    else:
        until_us = max(last - last % _DAY_US, since_us - since_us % _DAY_US + _DAY_US)
        said = marks.update().where(marks.c.name == MARK).values(value=str(until_us))
        connection.execute(said)
    found = summed(connection, since_us, until_us if until_us is not None else last + 1)
    add_up(connection, found)
    return until_us, sum(figures[0] for figures in found.quarters.values())


def _summed_until(connection: Connection) -> int | None:
    value = connection.execute(select(marks.c.value).where(marks.c.name == MARK)).scalar()
    return int(value) if value is not None else None

"""SQLite's files of months beside the main one: ended removals, and all put together again."""

from __future__ import annotations

from sqlalchemy import Connection, select

from billing.database import reading, revision, writing
from billing.months import REMOVED, SUMS_OF, MonthFiles, mark_of, remove_file, set_form
from billing.rollup_tables import SUMMED, add_rows
from billing.schema import HEAD, heads, rolled_off
from billing.schema import entries as table

_BATCH = 10_000


def tidy(main: Connection, files: MonthFiles) -> None:
    """End what a killed process has begun; ``main`` is in a transaction that writes.

    A file whose removal is written down goes; one that was only marked for it is used again.
    """
    gone = set(main.execute(select(rolled_off.c.part)).scalars())
    for month in files.names():
        engine = files.engine(month)
        if engine is None:
            continue
        with reading(engine) as connection:
            part, marked = mark_of(connection), revision(connection) == REMOVED
            source = mark_of(connection, SUMS_OF)
        # Sums of a file that was not removed after all are in that file.
        if part in gone or (source and source not in gone):
            remove_file(files.path(month))
        elif marked:
            with writing(engine) as connection:
                set_form(connection, HEAD)
    main.execute(rolled_off.delete().where(rolled_off.c.archive == ""))


def put_together(main: Connection, files: MonthFiles) -> None:
    """Copy all entries of the months into the main file, and write down that they are there.

    The files are left: ``tidy`` removes them once this is committed. Raises
    ``StoreError``.
    """
    for month in files.read():
        engine = files.engine(month)
        if engine is None:
            continue
        with reading(engine) as connection:
            query = select(table).order_by(table.c.at_us, table.c.attempt_id)
            found = connection.execution_options(yield_per=_BATCH).execute(query)
            count = 0
            for rows in found.mappings().partitions():
                main.execute(table.insert(), [dict(row) for row in rows])
                count += len(rows)
            part = mark_of(connection)
            for summed in SUMMED if mark_of(connection, SUMS_OF) else (heads,):
                add_rows(main, summed, connection.execute(select(summed)))
        main.execute(
            rolled_off.insert().values(
                part=part, month=month[:7], archive="", entries=count, at_us=0
            )
        )

"""After every test that had a ledger: its rollups are what SQL makes of its entries."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from billing.database import revision, url_of
from billing.months import SUMS_OF, mark_of
from billing.rollup_tables import stored, summed
from billing.schema import (
    DAY_S,
    DAYS,
    GRAINS,
    HEAD,
    HOUR_S,
    HOURS,
    latencies,
    rolled_off,
    slices,
)
from billing.store import Store

ALWAYS_US = 2**62


def rollups_agree(url: str) -> None:
    """Fail where a sum differs; what is no ledger of this form has none, and is passed over."""
    address = url_of(url)
    if address.drivername == "sqlite" and not Path(str(address.database)).is_file():
        return
    store = Store.open(url)
    try:
        store.engine.connect().close()
    except SQLAlchemyError:  # it is away, or was spoilt: nothing can be compared
        store.close()
        return
    try:
        for number, engine in enumerate(store.parts(None, None)):
            with engine.connect() as connection:
                if revision(connection) != HEAD:
                    return
                removed = number == 0 and connection.execute(select(rolled_off).limit(1)).first()
                if removed or mark_of(connection, SUMS_OF):
                    continue  # of a month that was removed the sums stay
                _compare(connection)
    finally:
        store.close()


def _compare(connection: Connection) -> None:
    expected = summed(connection, 0, ALWAYS_US)
    grains = expected.grains()
    for grain in GRAINS:
        assert stored(connection, grain) == grains[grain], (
            f"rollups of grain {grain} differ from entries"
        )
    for grain, size in ((HOURS, HOUR_S), (DAYS, DAY_S)):
        counted = select(*list(latencies.columns)[1:]).where(latencies.c.grain == grain)
        took = {tuple(row[:-1]): row[-1] for row in connection.execute(counted)}
        whole: Counter[tuple[int | str, ...]] = Counter()
        for (at, *what), n in expected.latencies.items():
            whole[(at - at % size, *what)] += n
        assert took == whole, f"how long attempts took, by {size} s, differs from entries"
    ids = connection.execute(select(slices.c.id)).scalars().all()
    assert len(ids) == len({d for places in grains.values() for _, d in places})

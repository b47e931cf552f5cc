"""The ledger at size: how fast entries go in, what they take on disk, how fast reports come out.

``python -m bench.ledger [--entries 1000000] [--on sqlite|postgresql|both] [--keep FOLDER]``: makes
entries of one month (20 keys, 6 teams, 12 routes, 3 labels, some users and tags), a tenth of them
and then all, each in a ledger of its own: times ``Store.insert`` on a part of them, fills up with
the databases' own quick ways, asks what the pages ask, calls a gateway with those rows and one
without any, archives the month and removes it. Prints a table for ``docs/benchmarks.md``. A million
entries need 1.3 GB of disk; all is made in FOLDER (or the system's) and removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import yaml
from sqlalchemy import text

from bench import asks, config, load, mock
from bench.processes import CORES, Process, free_port
from billing import archive, flows, pages, removal, reports, waits
from billing.database import reading, writing
from billing.ledger import Entry
from billing.migrate import migrate
from billing.months import bounds_of, later
from billing.reports import Asked
from billing.rollup_tables import add_up
from billing.rollups import gathered
from billing.schema import entries as table
from billing.store import INSERT, Store

MONTH = "2026-09"
ROUTES = [(f"host{n % 5}", f"maker/model-{n}") for n in range(12)]
PLACES = [("US", "US"), ("FR", "FR"), ("home", "home"), ("CN", "SG"), ("US,DE", "DE")]
TRUE_RATE_OF = 40_000
# What a journal hands over at once when there is much to do.
SEGMENT = 10_000
BATCH = 50_000
# Calls to each gateway, one after another, in turns.
ROUNDS, CALLS = 6, 60


def made(number: int, at_us: int, dice: random.Random) -> Entry:
    """Return one entry such as a gateway writes."""
    key = dice.randrange(20)
    route = min(int(dice.expovariate(0.4)), 11)
    provider, model = ROUTES[route]
    operator, place = PLACES[route % 5]
    tokens_in, cached, out = dice.randrange(200, 9000), dice.randrange(6000), dice.randrange(900)
    cost = tokens_in * 250_000 + cached * 25_000 + out * 1_000_000
    request = f"req_{at_us // 1000:x}{number:016x}"
    failed = dice.random() < 0.02
    return Entry(
        attempt_id=f"{request}.1",
        request_id=request,
        attempt=1,
        at_us=at_us,
        key=f"key{key}",
        team=f"team{key % 6}",
        label=("public", "internal", "personal")[key % 3 if dice.random() < 0.9 else 0],
        tags="batch" if key == 4 else "",
        user=f"user{dice.randrange(40)}" if key < 4 else "",
        wire="chat",
        stream=dice.random() < 0.7,
        lane="relay",
        host_wire="chat",
        model_asked=f"alias{route % 8}",
        provider=provider,
        model=model,
        host=provider,
        endpoint="default",
        operator=operator,
        place=place,
        policy_hash="5f0c9be3a1d2",
        config_hash="0a4c57be9d11",
        outcome="failed" if failed else "completed",
        error="rate_limited" if failed else "",
        status=429 if failed else 200,
        finish="" if failed else "stop",
        usage_state="none" if failed else "reported",
        input=0 if failed else tokens_in,
        cache_read=0 if failed else cached,
        output=0 if failed else out,
        cost_pico=0 if failed else cost,
        cost_state="nothing" if failed else "priced",
        prices='{"input":"0.25","cache_read":"0.025","output":"1"}',
        price_source="genai-prices",
        price_date="2026-08-01",
        first_content_ms=None if failed else int(dice.lognormvariate(6, 0.7)),
        total_ms=int(dice.lognormvariate(7.5, 0.8)),
        served_model=model,
        decision=f"listed {provider}/{model} host1/maker/model-1 host2/maker/model-2",
        cost_least_pico=0 if failed else cost,
        cost_most_pico=0 if failed else cost,
        native_pico=0 if failed else cost,
        recorded_us=at_us + 2_000_000,
        writer="gateway-1",
        seq=number + 1,
        hash=f"{number:064x}",
    )


def a_month(count: int, begin: int = 0) -> Iterator[list[Entry]]:
    """Give ``count`` entries over ``MONTH`` in batches, in the order of time."""
    since_us, until_us = bounds_of(MONTH)
    dice = random.Random(7)
    step = (until_us - since_us) // count
    for start in range(begin, count, BATCH):
        numbers = range(start, min(count, start + BATCH))
        yield [made(n, since_us + n * step, dice) for n in numbers]


def fill(store: Store, count: int, begin: int) -> None:
    """Put the rest of a month in, summed as ever, by the quickest way that each database has."""
    columns = [column.name for column in table.columns]
    copy = ", ".join(f'"{name}"' for name in columns)
    engine = store.engine if store.files is None else store.files.made(MONTH)
    for batch in a_month(count, begin):
        rows = list(map(msgspec.structs.astuple, batch))
        with writing(engine) as connection:
            driver = connection.connection.driver_connection
            if store.files is not None or driver is None:
                connection.exec_driver_sql(INSERT, rows)
            else:
                with (
                    driver.cursor() as cursor,
                    cursor.copy(f"COPY entries ({copy}) FROM STDIN") as to,
                ):
                    for row in rows:
                        to.write_row(row)
            add_up(connection, gathered(batch))


@contextmanager
def timed(found: dict[str, float], what: str) -> Iterator[None]:
    """Keep the seconds that a block takes."""
    begun = time.perf_counter()
    yield
    found[what] = time.perf_counter() - begun


def best_of(ask: Callable[[], object], times: int = 3) -> float:
    """Return the median of a few runs in seconds."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        took.append(time.perf_counter() - begun)
    return sorted(took)[times // 2]


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """Return what the pages ask of a month."""
    since = datetime.fromtimestamp(bounds_of(MONTH)[0] / 1e6, UTC)
    until = datetime.fromtimestamp(bounds_of(MONTH)[1] / 1e6, UTC)
    day = since + timedelta(days=14, hours=9, minutes=7)

    def asked(*by: str, zone: str = "UTC", begin: datetime = since) -> Asked:
        return Asked(by, begin, until, ZoneInfo(zone))

    return {
        "month, total": lambda: reports.total(store, since, until),
        "month by provider": lambda: reports.spend(store, asked("provider")),
        "month by model and key": lambda: reports.spend(store, asked("model", "key")),
        "month by day, UTC": lambda: reports.spend(store, asked("day")),
        "month by day, Paris": lambda: reports.spend(store, asked("day", zone="Europe/Paris")),
        "month by day, Kolkata": lambda: reports.spend(store, asked("day", zone="Asia/Kolkata")),
        "month by user": lambda: reports.spend(store, asked("user")),
        "month by tag": lambda: reports.spend(store, asked("tag")),
        "half a month from 09:07, by team": lambda: reports.spend(store, asked("team", begin=day)),
        "percentiles of a month, by provider and model": lambda: waits.waited(
            store, asked("provider", "model")
        ),
        "spent of a key since the 1st": lambda: reports.total(
            store, since, None, {"key": ["key3"]}
        ),
        "flows of a month": lambda: flows.flows(store, asked("label", "operator", "place")),
        "newest 50 entries": lambda: pages.last(store, 50),
    }


def sizes(store: Store, folder: Path) -> dict[str, float]:
    """Return MB on disk."""
    if store.files is not None:
        found = {"whole": sum(path.stat().st_size for path in folder.glob("ledger*")) / 1e6}
        with reading(store.files.made(MONTH)) as connection:
            asked = text("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")
            found |= {str(name): size / 1e6 for name, size in connection.execute(asked)}
        return found
    asked = text(
        "SELECT c.relname, pg_relation_size(c.oid) FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i')"
        " AND pg_relation_size(c.oid) > 1000000"
    )
    with reading(store.engine) as connection:
        return {str(name): size / 1e6 for name, size in connection.execute(asked)}


def answered(url: str, folder: Path) -> float:
    """Return how long a call takes with these rows in the ledger, as a ratio to none: medians."""
    took: dict[str, list[float]] = {"none": [], "rows": []}
    with ExitStack() as servers:
        upstream = servers.enter_context(mock.running(mock.build(folder), folder))
        ports: dict[str, int] = {}
        for name in took:
            own = folder / name
            own.mkdir()
            path = config.write(own, upstream.url)
            if name == "rows":
                whole = yaml.safe_load(path.read_text())
                path.write_text(yaml.safe_dump({**whole, "ledger": url}))
            ports[name] = port = free_port()
            words = ("-m", "gateway.cli", "serve", "--config", str(path), "--port", str(port))
            server = Process([sys.executable, *words], CORES.gateway, own / "said.log")
            servers.callback(server.stop)
            mock.until(partial(_is_up, port), server, name)
        for turn in range(ROUNDS + 1):
            for name, port in ports.items():
                found = asyncio.run(calls(port))
                took[name] += found if turn else []  # the first warms up
    return statistics.median(took["rows"]) / statistics.median(took["none"])


def _is_up(port: int) -> bool:
    return mock.status(port, "GET", "/healthz") == 200


async def calls(port: int) -> list[float]:
    """Return the seconds of some calls, one after another."""
    path, body = asks.ask("chat", "chat", "Hello")
    request = asks.http(port, path, {"authorization": f"Bearer {config.KEY}"}, body)
    taken = await load.serial(port, request, CALLS, 0, pause_s=0.0)
    if taken.wrong:
        raise SystemExit(f"{taken.wrong} of {CALLS} calls had no right answer")
    return [answer.took_ms / 1000 for answer in taken.answers]


def measure(url: str, folder: Path, count: int) -> dict[str, str]:
    """Measure one database; return what was found, in words."""
    took: dict[str, float] = {}
    migrate(url)
    store = Store.open(url)
    first = next(a_month(count))[:TRUE_RATE_OF]
    begun = time.process_time()
    with timed(took, "insert"):
        for done in range(0, len(first), SEGMENT):
            store.insert(first[done : done + SEGMENT])
    cpu = time.process_time() - begun
    said = {"`Store.insert`, entries a second": f"{len(first) / took['insert']:,.0f}"}
    said["the same, by CPU time of this side"] = f"{len(first) / cpu:,.0f}"
    with timed(took, "fill"):
        fill(store, count, len(first))
    print(f"filled: {max(1, count - len(first)) / took['fill']:,.0f} entries/s", flush=True)
    if store.files is None:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM ANALYZE"))
    for what, size in sorted(sizes(store, folder).items(), key=lambda pair: -pair[1])[:8]:
        said[f"disk: {what}"] = f"{size:,.0f} MB"
    for what, ask in questions(store).items():
        said[what] = f"{best_of(ask) * 1000:,.0f} ms"
        print(f"{what}: {said[what]}", flush=True)
    with timed(took, "duplicates"):
        store.insert(first[:SEGMENT])
    said["entries that are there already, a second"] = f"{SEGMENT / took['duplicates']:,.0f}"
    said["a call, to one with an empty ledger"] = f"{answered(url, folder):.2f}"
    (part,) = removal.parts_before(store, later(MONTH, 1))
    path = archive.free(folder / "archive", MONTH, ())
    with timed(took, "archive"), reading(part.engine) as connection:
        held = archive.written(connection, *bounds_of(MONTH), path)
    with timed(took, "sums"):
        sums = removal.sums_beside(store, part)
    with timed(took, "removal"):
        removal.remove(store, part, held.entries, str(path), sums)
    archive.settle(path)
    said["archive of the month"] = f"{took['archive']:,.0f} s, {path.stat().st_size / 1e6:,.0f} MB"
    said["its sums copied"] = f"{took['sums'] * 1000:,.0f} ms"
    said["removal of the month"] = f"{took['removal'] * 1000:,.0f} ms"
    since = datetime.fromtimestamp(bounds_of(MONTH)[0] / 1e6, UTC)
    if reports.total(store, since, None).attempts < count:
        raise SystemExit("sums are lost")
    store.close()
    return said


def measured(on: str, keep: str | None, count: int) -> dict[str, str]:
    """Measure in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ledger", dir=keep))
    print(f"\n{on}, {count:,} entries, in {folder}", flush=True)
    try:
        if on == "sqlite":
            return measure(f"sqlite:///{folder}/ledger.db", folder, count)
        from tests.databases import start_postgres

        server = start_postgres(folder)
        try:
            return measure(server.get_uri(), folder, count)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--on", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--keep", metavar="FOLDER", help="where files are while it runs")
    asked = parser.parse_args(arguments)
    if asked.keep:
        Path(asked.keep).mkdir(parents=True, exist_ok=True)
    counts = (asked.entries // 10, asked.entries)
    for on in ("sqlite", "postgresql") if asked.on == "both" else (asked.on,):
        few, many = (measured(on, asked.keep, count) for count in counts)
        print(f"\n| {on} | {counts[0]:,} entries | {counts[1]:,} entries |\n|---|---:|---:|")
        for what in dict.fromkeys((*few, *many)):
            print(f"| {what} | {few.get(what, '')} | {many.get(what, '')} |")


if __name__ == "__main__":
    main()

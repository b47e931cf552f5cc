"""What an older form of the ledger has no columns for, kept aside while it has that form."""

import sqlalchemy as sa
from alembic import op


def put_aside(form: str, names: tuple[str, ...]) -> None:
    """Keep the values of columns that are about to go, by attempt, and let the columns go."""
    kept = ("attempt_id", "at_us", *names)
    types = {
        each["name"]: each["type"] for each in sa.inspect(op.get_bind()).get_columns("entries")
    }
    aside = op.create_table(
        _aside(form), *(sa.Column(name, types[name], primary_key=name == kept[0]) for name in kept)
    )
    entries = sa.table("entries", *map(sa.column, kept))
    op.execute(aside.insert().from_select(kept, sa.select(*(entries.c[name] for name in kept))))
    for name in names:
        op.drop_column("entries", name)


def put_back(form: str, names: tuple[str, ...]) -> None:
    """Give columns that were just made the values that are kept, if any are."""
    if not sa.inspect(op.get_bind()).has_table(_aside(form)):
        return
    entries, aside = (
        sa.table(table, *map(sa.column, ("attempt_id", "at_us", *names)))
        for table in ("entries", _aside(form))
    )
    same = (entries.c[name] == aside.c[name] for name in ("attempt_id", "at_us"))
    values = {entries.c[name]: aside.c[name] for name in names}
    op.execute(entries.update().values(values).where(*same))
    op.drop_table(_aside(form))


def _aside(form: str) -> str:
    return f"entries_of_{form}"

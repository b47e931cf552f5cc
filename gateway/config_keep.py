"""How long the ledger keeps entries, as the config file says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.config_values import Form, Number


class KeepEntriesForm(Form):
    """How many whole months of entries stay beside the one that runs; None: all of them.

    Older ones are moved to ``archive``, a folder of Parquet files, once a day; what they add up to
    stays in the ledger, and in every report.
    """

    months: Annotated[int, Number, Field(ge=1, le=1200)] | None = None
    archive: Path = Path("var/archive")

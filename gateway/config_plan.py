"""What a subscription costs by its owner's contract, as the config file says it."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from gateway.config_values import Form, Usd


class FeeForm(Form):
    """What is paid for a plan, whatever its vendor's list says; each key pays it once.

    ``from`` is the day from which it is paid: before it the plan cost nothing.
    """

    usd: Usd
    per: Literal["month", "quarter", "year"] = "month"
    since: date | None = Field(default=None, alias="from")

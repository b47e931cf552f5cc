"""What a server at home costs its owner, as the config file says it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.config_values import Form, Number, Places, Usd
from gateway.problems import WrongError

Watts = Annotated[Decimal, Number, Field(gt=0, le=1_000_000), Places]
PerKwh = Annotated[Decimal, Number, Field(ge=0, le=100), Places]


class HomeForm(Form):
    """The power, tariff and hardware of a server at home.

    ``watts`` while it answers, ``idle_watts`` while it waits. ``measured``: what this machine says
    of its power stands in their place wherever it says it. ``hardware_usd`` is what the machine
    cost, written off over ``life_years``.
    """

    watts: Watts
    usd_per_kwh: PerKwh
    idle_watts: Annotated[Decimal, Number, Field(ge=0, le=1_000_000), Places] = Decimal(0)
    measured: bool = False
    hardware_usd: Usd = Decimal(0)
    life_years: Annotated[Decimal, Number, Field(gt=0, le=100), Places] = Decimal(4)

    @model_validator(mode="after")
    def _idles_below(self) -> Self:
        if self.idle_watts > self.watts:
            raise WrongError(
                f"idles at {self.idle_watts} watts, more than the {self.watts} of answering",
                "idle_watts at most watts: both are of the whole machine",
            )
        return self

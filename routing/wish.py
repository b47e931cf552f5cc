"""In which order routes are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

Order = Literal["listed", "cheapest", "fastest", "weighted", "blend"]


@dataclass(frozen=True, slots=True)
class Wish:
    """An order; ``weights`` by route for ``weighted`` (1 where none is said).

    ``blend`` says for ``blend`` how much each other order counts.
    """

    order: Order = "listed"
    weights: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    blend: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def text(self) -> str:
        """The wish in words."""
        if self.order != "blend":
            return self.order
        return " + ".join(f"{share:f} {order}" for order, share in self.blend.items())


LISTED = Wish()
# What a client may ask for, in a header.
ASKABLE: Mapping[str, Wish] = MappingProxyType(
    {"listed": LISTED, "cheapest": Wish("cheapest"), "fastest": Wish("fastest")}
)

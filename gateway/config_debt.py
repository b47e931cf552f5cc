"""What may be spent while it can be neither written nor counted, as the config file says it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from gateway.config_keys import KeyForm
from gateway.problems import Fault


def faults(debt_usd: Decimal, keys: tuple[KeyForm, ...]) -> Iterator[Fault]:
    """Give where a key may owe more than the whole gateway, of whose debt its own is a part."""
    for number, key in enumerate(keys):
        if key.debt_usd is not None and key.debt_usd > debt_usd:
            what = f"key {key.name!r} may owe more than the whole gateway ({debt_usd} USD)"
            right = f"debt_usd: {key.debt_usd} at the top of the config"
            yield Fault(("keys", number, "debt_usd"), what, right)

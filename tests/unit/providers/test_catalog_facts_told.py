"""What is shown of a model leaves out nothing of what is known of it."""

from __future__ import annotations

import pytest

from providers import catalog
from providers.catalog_facts import OPERATOR_FACTS, model_facts

KNOWN = catalog.builtin()


@pytest.mark.parametrize("name", sorted(KNOWN.hosts))
def test_every_fact_that_decides_is_told(name: str) -> None:
    written = KNOWN.written(name)
    for endpoint in KNOWN.hosts[name].endpoints:
        for model in KNOWN.at(name, endpoint).models.values():
            told = {fact.name for fact in model_facts(written, endpoint, model.id)}
            decided = set(model.evidence)
            if "operator" in decided:
                decided = (decided - {"operator"}) | (set(OPERATOR_FACTS) & told)
                assert {"company", "parent"} <= told, model.id
            assert decided <= told, model.id

"""Names that clients ask for: models, aliases, patterns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, matching


def config(models: dict[str, object]) -> Config:
    return Config.model_validate({"models": models})


def test_a_name_leads_over_aliases_and_patterns_to_routes() -> None:
    found = config(
        {
            "big": ["p/b"],
            "small": {"routes": ["p/s"], "prefer": "cheapest"},
            "claude-*": "big",
            "claude-*-mini": "small",
            "again": "claude-x",
            "odd[1]?*": ["p/o"],
        }
    )
    assert {name: (found.entry(name) or ("", None))[0] for name in (
        "big", "claude-opus", "claude-9-mini", "again", "odd[1]?x", "odd1xx", "other", "",
    )} == {
        "big": "big", "claude-opus": "big", "claude-9-mini": "small", "again": "big",
        "odd[1]?x": "odd[1]?*", "odd1xx": "", "other": "", "": "",
    }  # fmt: skip
    entry = found.entry("claude-9-mini")
    assert entry is not None
    assert entry[1].prefer == "cheapest"


def test_a_circle_of_aliases_leads_nowhere() -> None:
    assert config({"a": "b", "b": "c", "c": "a"}).entry("a") is None


@given(
    st.dictionaries(st.text("ab*", min_size=1, max_size=4), st.just(1)), st.text("ab", max_size=5)
)
def test_a_pattern_that_is_named_fits(names: dict[str, int], asked: str) -> None:
    found = matching(names, asked)
    if asked in names:
        assert found == asked
    elif found is not None:
        assert "*" in found
        rest = asked
        for part in found.split("*"):
            at = rest.find(part)
            assert at >= 0
            rest = rest[at + len(part) :]
    else:
        assert "*" not in names

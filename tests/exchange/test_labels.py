"""A label is raised by header, by tag and by what detectors find; never lowered; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.conftest import House
from tests.exchange.test_seed_cases import POLICY
from tests.running import HELLO

Build = Callable[..., House]
TAGGED = {**POLICY, "tags": {"patients": "personal", "chatter": "internal"}}
DETECT = {"email": "personal", "iban": "personal", "private_key": "secret"}
MAIL = "Please write to jane.canary@clinic-in-lyon.fr about her results."
IBAN = "Pay it to GB82 WEST 1234 5698 7654 32 today."


def routes_of(house: House, **how: Any) -> str:
    """Return the route of a call when only the second host, outside Europe, is listed first."""
    answer = house.gateway.chat(model="abroad-first", **how)
    return answer.headers.get("x-entrepot-route") or answer.json()["error"]["code"]


@pytest.fixture
def house(build: Build) -> House:
    models = {"abroad-first": ["two/m", "one/m"], "abroad": ["two/m"]}
    return build(policy=TAGGED, detect=DETECT, models=models)


@pytest.mark.parametrize(
    ("headers", "route"),
    [
        ({}, "two/m"),
        ({"x-entrepot-label": "personal"}, "one/m"),
        ({"x-entrepot-tags": "patients"}, "one/m"),
        ({"x-entrepot-tags": "batch, patients"}, "one/m"),
        ({"x-entrepot-tags": "chatter"}, "two/m"),
        ({"x-entrepot-tags": "patients", "x-entrepot-label": "public"}, "one/m"),
    ],
)
def test_header_and_tag_raise(house: House, headers: dict[str, str], route: str) -> None:
    assert routes_of(house, headers=headers) == route


@pytest.mark.parametrize("text", [MAIL, IBAN])
def test_what_a_detector_finds_raises(house: House, text: str) -> None:
    messages = [{"role": "user", "content": text}]
    assert routes_of(house, messages=messages) == "one/m"
    (entry,) = house.gateway.entries(1)
    assert entry["label"] == "personal"


TOLD = "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": MAIL}, *HELLO],
        [{"role": "user", "content": [{"type": "text", "text": MAIL}]}],
        [
            *HELLO,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c",
                        "type": "function",
                        "function": {
                            "name": "mail",
                            "arguments": '{"to": "jane.canary\\u0040clinic-in-lyon.fr"}',
                        },
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c", "content": "sent"},
        ],
        [{"role": "user", "content": TOLD}],
    ],
    ids=["system", "part", "tool arguments, escaped", "a key"],
)
def test_wherever_it_stands(house: House, messages: list[Any]) -> None:
    assert routes_of(house, messages=messages) == "one/m"


def test_a_refusal_says_what_raised_the_label_and_nothing_of_the_text(house: House) -> None:
    denied = house.gateway.chat(model="abroad", messages=[{"role": "user", "content": MAIL}])
    error = denied.json()["error"]
    assert (denied.status_code, error["code"]) == (403, "policy_denied")
    assert "raised by detectors: email (1)" in error["message"]
    assert "canary" not in denied.text


def test_other_wires_are_looked_through_too(house: House) -> None:
    for path, body in {
        "/v1/messages": {"max_tokens": 8, "messages": [{"role": "user", "content": MAIL}]},
        "/v1/responses": {"input": MAIL},
        "/v1/embeddings": {"input": MAIL},
    }.items():
        answer = house.gateway.client.post(path, json={"model": "abroad", **body})
        assert answer.status_code in (400, 403), path
    assert not house.second.connections


def test_explain_names_the_kinds(house: House) -> None:
    body = {"model": "abroad-first", "messages": [{"role": "user", "content": MAIL}]}
    told = house.gateway.client.post("/api/explain", json=body).json()
    assert (told["label"], told["detected"]) == ("personal", "email (1)")


def test_what_was_found_is_counted_and_kept_nowhere(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes_of(house, messages=[{"role": "user", "content": f"{MAIL} {MAIL}"}])
    metrics = house.gateway.client.get("/metrics").text
    assert 'entrepot_detected_total{kind="email"} 2.0' in metrics
    house.gateway.entries(1)
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"canary@" not in kept
    assert "canary@" not in metrics + capsys.readouterr().err


def test_without_detect_nothing_is_looked_for(build: Build) -> None:
    house = build(policy=TAGGED, models={"abroad-first": ["two/m", "one/m"]})
    assert house.gateway.house.setup.detectors is None
    assert routes_of(house, messages=[{"role": "user", "content": MAIL}]) == "two/m"

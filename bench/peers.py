"""Other gateways, each as its makers would run it fast: quiet, without retries, without a database.

What each leaves out that Entrepôt does stands in its note, and in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from bench.gateways import Gateway, Launch
from bench.processes import free_port

KEY = "sk-bench-5b1d0f7c2e9a4836"
MODEL = "mock"
# What peers ask a host of the Messages wire for; they know its name.
CLAUDE = "claude-3-5-haiku-20241022"
ANTHROPIC_KEY = "sk-ant-bench"


def nginx(folder: Path, version: str) -> Gateway:
    """Return nginx as a proxy that forwards everything: no gateway, but a bound for one."""

    def prepare(own: Path, upstream: str, port: int) -> Launch:
        temporary = " ".join(
            f"{what}_temp_path {own}/{what};"
            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = (
            f"worker_processes 1; daemon off; pid {own}/pid; error_log {own}/faults warn;\n"
            "events { worker_connections 8192; }\n"
            f"http {{ access_log off; {temporary} keepalive_requests 100000000; tcp_nodelay on;\n"
            "client_body_buffer_size 8m; client_max_body_size 64m;\n"
            f"upstream hosts {{ server {upstream.removeprefix('http://')}; keepalive 256;"
            " keepalive_requests 100000000; }\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://hosts;"
            ' proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; } } }\n'
        )
        (own / "nginx.conf").write_text(text)
        return Launch((str(folder), "-e", f"{own}/faults", "-c", f"{own}/nginx.conf"))

    lanes = {"chat": MODEL, "long": MODEL}
    return Gateway("nginx", version, prepare, lanes, note="forwards, checks nothing")


def rolter(folder: Path, version: str) -> Gateway:
    """Return rolter with a virtual key."""

    def prepare(own: Path, upstream: str, port: int) -> Launch:
        hosts = (
            ("chat", "openai_compatible", MODEL, ""),
            ("messages", "anthropic", CLAUDE, f'api_key = "{ANTHROPIC_KEY}"\n'),
        )
        text = f'[server]\nhost = "127.0.0.1"\nport = {port}\n'
        for name, kind, model, key in hosts:
            text += (
                f'[[providers]]\nname = "{name}"\nkind = "{kind}"\napi_base = "{upstream}"\n{key}'
                f'[[routes]]\nmodel = "{model}"\nstrategy = "round_robin"\n'
                f'[[routes.targets]]\nprovider = "{name}"\nmodel = "{model}"\n'
            )
        text += f'[[virtual_keys]]\nkey = "{KEY}"\nname = "bench"\nmodels = []\n'
        (own / "rolter.toml").write_text(text)
        command = (str(folder / "bin/rolter"), "gateway", "-c", str(own / "rolter.toml"))
        return Launch(command, {"RUST_LOG": "error"})

    lanes = {"chat": MODEL, "long": MODEL, "messages": CLAUDE}
    note = "checks a key; no policy, no ledger"
    return Gateway("rolter", version, prepare, lanes, key=KEY, note=note)


def smg(folder: Path, version: str) -> Gateway:
    """Return the Shepherd Model Gateway, which checks no key."""

    def prepare(_: Path, upstream: str, port: int) -> Launch:
        words = {
            "host": "127.0.0.1", "port": str(port), "worker-urls": upstream, "backend": "openai",
            "policy": "round_robin", "log-level": "error", "history-backend": "none",
            "prometheus-port": str(free_port()),
        }  # fmt: skip
        switches = ("--disable-health-check", "--disable-circuit-breaker", "--disable-retries")
        said = [part for name, value in words.items() for part in (f"--{name}", value)]
        command = (str(folder / "bin/smg"), "launch", *said, *switches)
        return Launch(command, {"OPENAI_API_KEY": "sk-bench"})

    lanes = {"chat": MODEL, "long": MODEL}
    return Gateway("smg", version, prepare, lanes, note="no key, no policy, no ledger")


def ferrogw(folder: Path, version: str) -> Gateway:
    """Return ferrogw without a check of keys."""

    def prepare(own: Path, upstream: str, port: int) -> Launch:
        targets = [
            {"virtual_key": "openai", "models": [MODEL]},
            {"virtual_key": "anthropic", "models": [CLAUDE]},
        ]
        path = own / "ferro.yaml"
        path.write_text(yaml.safe_dump({"strategy": {"mode": "fallback"}, "targets": targets}))
        env = {
            "PORT": str(port), "HOST": "127.0.0.1", "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"{upstream}/v1", "ANTHROPIC_API_KEY": ANTHROPIC_KEY,
            "ANTHROPIC_BASE_URL": upstream, "MASTER_KEY": KEY, "GATEWAY_CONFIG": str(path),
            "RATE_LIMIT_RPS": "0", "LOG_LEVEL": "error", "FERRO_MODEL_CATALOG_TIMEOUT": "0",
            "ALLOW_UNAUTHENTICATED_PROXY": "true",
        }  # fmt: skip
        return Launch((str(folder / "bin/ferrogw"), "serve"), env)

    lanes = {"chat": MODEL, "long": MODEL, "messages": CLAUDE}
    note = "no key, no policy, no ledger"
    return Gateway("ferrogw", version, prepare, lanes, key=KEY, note=note)


def litellm(folder: Path, version: str) -> Gateway:
    """Return LiteLLM's proxy with a key and one worker, without a database."""

    def prepare(own: Path, upstream: str, port: int) -> Launch:
        def model(name: str, base: str, key: str, asked: str) -> Mapping[str, object]:
            params = {"model": asked, "api_key": key, "api_base": base}
            return {"model_name": name, "litellm_params": params}

        said = {
            "model_list": [
                model(MODEL, f"{upstream}/v1", "sk-bench", f"openai/{MODEL}"),
                model(CLAUDE, upstream, ANTHROPIC_KEY, f"anthropic/{CLAUDE}"),
            ],
            "litellm_settings": {
                "callbacks": [], "num_retries": 0, "request_timeout": 120, "set_verbose": False,
                "turn_off_message_logging": True,
            },
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
            "general_settings": {"master_key": KEY},
        }  # fmt: skip
        path = own / "litellm.yaml"
        path.write_text(yaml.safe_dump(said))
        words = ("--config", str(path), "--host", "127.0.0.1", "--port", str(port))
        command = (
            str(folder / "bin/litellm"),
            *words,
            "--num_workers",
            "1",
            "--telemetry",
            "False",
        )
        env = {
            "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "DISABLE_ADMIN_UI": "True",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True",
        }  # fmt: skip
        return Launch(command, env)

    lanes = {"chat": MODEL, "long": MODEL, "messages": CLAUDE}
    note = "checks a key in memory; no database, so no ledger"
    return Gateway("litellm", version, prepare, lanes, key=KEY, is_slow=True, note=note)


def portkey(folder: Path, version: str) -> Gateway:
    """Return Portkey's open gateway, which takes where to go from headers and checks no key."""
    script = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"

    def prepare(_: Path, __: str, port: int) -> Launch:
        command = ("node", str(script), f"--port={port}", "--headless")
        return Launch(command, {"NODE_ENV": "production"})

    def to(provider: str, key: str) -> Mapping[str, str]:
        return {
            "x-portkey-provider": provider,
            "x-portkey-custom-host": "{upstream}/v1",
            "authorization": f"Bearer {key}",
        }

    openai = to("openai", "sk-bench")
    return Gateway(
        "portkey", version, prepare, {"chat": MODEL, "long": MODEL, "messages": CLAUDE},
        given={"chat": openai, "long": openai, "messages": to("anthropic", ANTHROPIC_KEY)},
        note="no key, no policy, no ledger",
    )  # fmt: skip


PEERS: Mapping[str, Callable[[Path, str], Gateway]] = {
    "nginx": nginx,
    "rolter": rolter,
    "smg": smg,
    "ferrogw": ferrogw,
    "portkey": portkey,
    "litellm": litellm,
}

"""A configured provider in a few words: its address, its key (never the value), what it lacks."""

from __future__ import annotations

import importlib.util
import runpy

from gateway.routes import Provider
from providers.host import Host


def address(owner: Provider) -> str:
    """Return where its calls go, the whole URL, or that the gateway starts it."""
    if owner.form.launch is not None:
        return f"started by the gateway: {owner.form.launch.model}"
    base = owner.endpoint.base_url
    if not base:
        return "no address"
    first = next(iter(owner.endpoint.wires))
    return owner.endpoint.address(first, "{model}").replace("%7Bmodel%7D", "{model}")


def wires(owner: Provider) -> dict[str, str]:
    """Return each wire that is spoken there with its address, the one to prefer first."""
    base = owner.endpoint.base_url
    return {
        wire: owner.endpoint.address(wire, "{model}").replace("%7Bmodel%7D", "{model}")
        if base or at.base_url
        else at.path
        for wire, at in owner.endpoint.wires.items()
    }


def key_state(owner: Provider) -> str:
    """Return whether its key is set: "set", "not needed", or what is missing."""
    if keys := len(owner.form.secrets):
        return "set" if keys == 1 else f"set ({keys} keys)"
    if owner.host.auth_kind == "none":
        return "not needed"
    if owner.endpoint.signer is not None:
        return owner.form.credentials or "this machine's credentials"
    return f"not set ({owner.host.auth_env})" if owner.host.auth_env else "not set"


def why_not(owner: Provider) -> str:
    """Return why it cannot be called, as far as can be told without calling; "" for nothing."""
    if owner.available or owner.form.launch is None:
        return owner.available
    return not_installed(owner.host, owner.form.launch.model)


def not_installed(host: Host, model: str) -> str:
    """Return what the gateway lacks to run ``model`` by itself on such a host; "" for nothing."""
    spec = importlib.util.find_spec(host.launcher) if host.launcher else None
    if spec is None or spec.origin is None:
        return f"the gateway cannot start {host.name} itself"
    try:
        # A launcher stands alone and runs by its path: that is how the gateway starts it, too.
        runpy.run_path(spec.origin)["find"](model)
    except ImportError as fault:
        return str(fault)
    return ""

"""What ``egress: home_only`` leaves of the providers: those whose every address is at home.

At home is this machine and the network around it, as ``urls.is_private`` has it, whoever's software
runs there. A server at home that passes a model on to machines elsewhere is not at home with that
model, and one that cannot say whether it does is not trusted to keep it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway import urls
from providers.endpoint import Endpoint
from providers.host import Model


def why_away(endpoint: Endpoint) -> str:
    """Return why a provider cannot be called at ``home_only``; "" where it is at home."""
    bases = {at.base_url or endpoint.base_url for at in endpoint.wires.values()}
    for base in sorted(filter(None, {endpoint.base_url, *bases})):
        if not urls.is_private(base):
            host = urlsplit(base).hostname
            return f"egress is home_only, and {host} is not on this machine or its network"
    if endpoint.signer is not None:
        return "egress is home_only, and its credential is made anew elsewhere"
    return ""


def why_passed_on(model: Model) -> str:
    """Return why a model of a server at home cannot be called at ``home_only``; "" for nothing."""
    if not model.remote:
        return ""
    return f"egress is home_only, and {model.id} runs on other machines, as far as is known"

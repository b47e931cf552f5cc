"""Credentials that are made anew: which signer a configured provider gets, or why it has none."""

from __future__ import annotations

from providers.auth.aws import AwsSigner, ExtraMissingError
from providers.auth.azure import EntraTokens
from providers.auth.google import GoogleTokens
from providers.endpoint import Signer
from providers.host import HostEndpoint

SIGNED = frozenset({"aws", "entra", "google"})


def signer(kind: str, at: HostEndpoint, credentials: str | None) -> Signer | str:
    """Return the signer of a host whose way to sign is ``kind``, or why there is none.

    ``credentials`` is a profile's name or a file, None what this machine has. Nothing is read or
    asked for before the first call.
    """
    try:
        if kind == "google":
            return GoogleTokens(credentials or "")
        if kind == "entra":
            return EntraTokens(credentials or "")
        if at.region is None:
            return f"its endpoint {at.id!r} has no region to sign for; name another endpoint"
        return AwsSigner(region=at.region, profile=credentials or "")
    except ExtraMissingError as fault:
        return str(fault)

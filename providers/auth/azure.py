"""Access tokens of Entra ID, for hosts that take them: a client's own credentials for a token.

The exchange is one form posted to the directory of a tenant (OAuth 2.0, client credentials), about
once an hour. Whatever goes wrong, no secret stands in the error.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from providers.auth.renewed import Clock, Renewed, now
from providers.client import Client, target
from providers.errors import ErrorKind, UpstreamError

DIRECTORY = "https://login.microsoftonline.com"
SCOPE = "https://ai.azure.com/.default"
TIMEOUT_S = 10.0
ANSWER_MAX_BYTES = 64 * 1024
# How the tools that make such credentials spell what they write.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "tenant": ("tenant", "tenantId", "tenant_id", "AZURE_TENANT_ID"),
    "client": ("appId", "clientId", "client_id", "AZURE_CLIENT_ID"),
    "secret": ("password", "clientSecret", "client_secret", "AZURE_CLIENT_SECRET"),
    "directory": ("activeDirectoryEndpointUrl", "AZURE_AUTHORITY_HOST"),
    "scope": ("scope",),
}
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_CODE = re.compile(r"[a-z_]{3,40}")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Application:
    """A client of a tenant, with the secret that proves it."""

    tenant: str
    client: str
    secret: str
    directory: str = DIRECTORY
    scope: str = SCOPE

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return f"Application({self.client} of {self.tenant})"


class EntraTokens:
    """The tokens of one application.

    ``source`` is the path of a JSON file with tenant, client and secret, its JSON itself, or "" for
    the environment (``AZURE_TENANT_ID``, ``AZURE_CLIENT_ID``, ``AZURE_CLIENT_SECRET``).
    """

    def __init__(self, source: str = "", clock: Clock = now) -> None:
        self._source = source
        self._clock = clock
        self._application: Application | None = None
        self._renewed = Renewed(self._renew, clock)

    async def headers(self) -> dict[str, str]:
        """Return the headers that carry a good token. Raises ``UpstreamError``.

        Kind ``auth`` where the credential is refused or unreadable, ``connect`` where nobody could
        be asked. However many ask at once, one exchange is made.
        """
        return await self._renewed.headers()

    async def sign(
        self, _method: str, _url: str, _headers: Mapping[str, str], _body: bytes
    ) -> dict[str, str]:
        """Return ``headers``: a token holds for every call."""
        return await self.headers()

    async def _renew(self) -> tuple[dict[str, str], datetime]:
        if self._application is None:
            self._application = await asyncio.to_thread(application, self._source)
        asked = self._clock()
        said = await exchanged(self._application)
        token, lasts = said.get("access_token"), said.get("expires_in")
        # Some directories write the seconds as a text.
        seconds = int(lasts) if isinstance(lasts, int | str) and str(lasts).isdigit() else 0
        if not isinstance(token, str) or not token or not seconds:
            raise UpstreamError(ErrorKind.MALFORMED, "the token endpoint's answer holds no token")
        return {"authorization": f"Bearer {token}"}, asked + timedelta(seconds=seconds)


def application(source: str) -> Application:
    """Read the credentials of an application. Raises ``UpstreamError`` of kind auth."""
    try:
        said = _said(source) if source else _environment()
    except (OSError, ValueError):
        raise UpstreamError(
            ErrorKind.AUTH, "the credentials file cannot be read or holds no credential"
        ) from None
    found = {
        name: next((value for key in keys if (value := said.get(key))), "")
        for name, keys in SPELLINGS.items()
    }
    lacking = [name for name in ("tenant", "client", "secret") if not found[name]]
    if lacking or not all(isinstance(value, str) for value in found.values()):
        where = "the credentials file" if source else "the environment"
        wanted = SPELLINGS[lacking[0]][0 if source else -1] if lacking else "texts alone"
        raise UpstreamError(ErrorKind.AUTH, f"{where} lacks {wanted}")
    if not _TENANT.fullmatch(found["tenant"]):
        raise UpstreamError(ErrorKind.AUTH, "the tenant is neither an id nor a domain")
    if found["directory"] and "://" not in found["directory"]:
        found["directory"] = f"https://{found['directory']}"
    place = urlsplit(found["directory"] or DIRECTORY)
    if place.scheme != "https" and place.hostname not in _THIS_MACHINE:
        raise UpstreamError(ErrorKind.AUTH, "the directory's address must begin with https://")
    return Application(**{name: value for name, value in found.items() if value})


def _environment() -> dict[str, Any]:
    return {name: value for name, value in os.environ.items() if name.startswith("AZURE_")}


def _said(source: str) -> dict[str, Any]:
    text = source if source.lstrip().startswith("{") else Path(source).read_text(encoding="utf-8")
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("not a mapping")
    return said


async def exchanged(one: Application) -> dict[str, Any]:
    """Return what the directory answers to an application's credentials. Raises ``UpstreamError``.

    The connection is not kept: there is about one exchange an hour.
    """
    form = {
        "grant_type": "client_credentials",
        "client_id": one.client,
        "client_secret": one.secret,
        "scope": one.scope,
    }
    aim = target(
        f"{one.directory.rstrip('/')}/{one.tenant}/oauth2/v2.0/token",
        {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
    )
    client = Client(connect_s=TIMEOUT_S, connections_per_host=1)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            answer = await client.post(aim, urlencode(form).encode(), {})
            raw = await answer.read(ANSWER_MAX_BYTES)
    except (UpstreamError, TimeoutError):
        raise UpstreamError(ErrorKind.CONNECT, "the token endpoint could not be reached") from None
    finally:
        await client.close()
    try:
        said = json.loads(raw)
    except ValueError:
        said = None
    if answer.status == 200 and isinstance(said, dict):
        return said
    raise _refusal(answer.status, said)


def _refusal(status: int, said: Any) -> UpstreamError:
    if status == 429 or status >= 500:
        return UpstreamError(ErrorKind.CONNECT, f"the token endpoint has no answer (HTTP {status})")
    # The description names the application and more; only the code is safe to show.
    code = said.get("error") if isinstance(said, dict) else None
    known = isinstance(code, str) and _CODE.fullmatch(code)
    words = code if known else f"HTTP {status}"
    return UpstreamError(ErrorKind.AUTH, f"the credential was refused: {words}")

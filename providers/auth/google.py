"""Access tokens for hosts that take them: from a service account's key, or from where we run.

google-auth does the signing and the exchange; it comes with the extra of that name and is loaded
when the first token is asked for. Whatever goes wrong, no key stands in the error.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from providers.auth.renewed import Clock, Renewed, now
from providers.errors import ErrorKind, UpstreamError

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUT_S = 10
_CODE = re.compile(r"[a-z_]{3,40}")


class GoogleTokens:
    """The tokens of one credential.

    ``source`` is the path of a file with a service account's or a user's key, its JSON itself, or
    "" for the application default credentials (environment, the machine's own account).
    """

    def __init__(self, source: str = "", clock: Clock = now) -> None:
        self._source = source
        self._clock = clock
        self._credentials: Any = None
        self._renewed = Renewed(partial(asyncio.to_thread, self._renew), clock)

    async def headers(self) -> dict[str, str]:
        """Return the headers that carry a good token. Raises ``UpstreamError``.

        Kind ``auth`` where the credential is refused or unreadable, ``connect`` where nobody could
        be asked. However many ask at once, one exchange is made, in a thread.
        """
        return await self._renewed.headers()

    async def sign(
        self, _method: str, _url: str, _headers: Mapping[str, str], _body: bytes
    ) -> dict[str, str]:
        """Return ``headers``: a token holds for every call."""
        return await self.headers()

    def _renew(self) -> tuple[dict[str, str], datetime]:
        # In a thread.
        library = _library()
        errors = library.errors
        try:
            if self._credentials is None:
                self._credentials = _credentials(library, self._source)
            self._credentials.refresh(partial(library.transport.Request(), timeout=TIMEOUT_S))
        except errors.TransportError:
            raise UpstreamError(
                ErrorKind.CONNECT, "the token endpoint could not be reached"
            ) from None
        except errors.GoogleAuthError as fault:
            raise UpstreamError(ErrorKind.AUTH, _told(fault)) from None
        except (OSError, ValueError, KeyError, TypeError):
            raise UpstreamError(
                ErrorKind.AUTH, "the credentials file cannot be read or holds no credential"
            ) from None
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        expiry = self._credentials.expiry
        # Those that do not say when they end are asked for anew after the usual time.
        until = self._clock() + timedelta(hours=1)
        if isinstance(expiry, datetime):
            until = expiry.replace(tzinfo=UTC)
        return headers, until


def _library() -> SimpleNamespace:
    # Loaded by name, so that nothing here needs the extra before a token is asked for.
    try:
        return SimpleNamespace(
            auth=import_module("google.auth"),
            errors=import_module("google.auth.exceptions"),
            transport=import_module("google.auth.transport.requests"),
            accounts=import_module("google.oauth2.service_account"),
            users=import_module("google.oauth2.credentials"),
        )
    except ImportError:
        raise UpstreamError(
            ErrorKind.AUTH, "google-auth is not installed: install entrepot[google]"
        ) from None


def _credentials(library: SimpleNamespace, source: str) -> Any:
    if not source:
        return library.auth.default(scopes=SCOPES)[0]
    text = source if source.lstrip().startswith("{") else Path(source).read_text(encoding="utf-8")
    said = json.loads(text)
    kind = said["type"]
    # The two kinds that hold a key; one that names a program or an address to ask is not run here.
    if kind == "service_account":
        return library.accounts.Credentials.from_service_account_info(said, scopes=SCOPES)
    if kind == "authorized_user":
        return library.users.Credentials.from_authorized_user_info(said, scopes=SCOPES)
    raise ValueError(kind)


def _told(fault: Exception) -> str:
    # The library puts the endpoint's whole answer into its errors; only its code is safe to show.
    name = type(fault).__name__
    for said in fault.args[1:]:
        code = said.get("error") if isinstance(said, dict) else None
        if isinstance(code, str) and _CODE.fullmatch(code):
            return f"the credential was refused: {code}"
    if name == "DefaultCredentialsError":
        return "no usable credentials were found; name a credentials file in the config"
    return f"no access token could be had ({name})"

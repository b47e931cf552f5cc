"""Signatures of AWS (SigV4), made by botocore's own signer, which is an extra.

What is signed and how was checked against the vendor's SDK: a model's name with a colon stands
percent-encoded in the address and is encoded once more in what is signed.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from providers.errors import ErrorKind, UpstreamError

# Reading the machine's own credentials may ask a server in its network.
RESOLVE_S = 20.0
# Credentials that do not say when they end are read again after this, as files are rotated.
READ_AGAIN_S = 300.0
# A body above this is hashed in a thread, so that no other call waits for it.
INLINE_MAX_BYTES = 256 * 1024
# Beside host and date; what a proxy may change on the way is not signed.
SIGNED = frozenset({"content-type"})


class ExtraMissingError(Exception):
    """The extra that this needs is not installed; the message says which and how."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials as the user wrote them; ``token`` belongs to keys that expire."""

    access: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        """Show nothing of the keys."""
        return "Keys(…)"


class AwsSigner:
    """Signs calls to one service in one region.

    ``keys`` None: botocore's default chain (environment, files, the machine's role), of ``profile``
    where one is named. Raises ``ExtraMissingError`` where botocore is not installed.
    """

    def __init__(
        self,
        *,
        region: str,
        keys: Keys | None = None,
        profile: str = "",
        service: str = "bedrock",
    ) -> None:
        # Not at the top: it takes longer to load than the rest of the gateway, for few users.
        try:
            self._auth: Any = importlib.import_module("botocore.auth")
            self._requests: Any = importlib.import_module("botocore.awsrequest")
            self._errors: Any = importlib.import_module("botocore.exceptions")
        except ImportError as fault:
            raise ExtraMissingError(
                "AWS credentials need botocore: install entrepot[aws]"
            ) from fault
        self._region = region
        self._service = service
        self._profile = profile
        self._found: Any = None
        self._read_at = 0.0
        self._fixed = keys
        self._resolving = asyncio.Lock()

    def __repr__(self) -> str:
        """Name the place only: the rest is a credential."""
        return f"AwsSigner({self._service} in {self._region})"

    async def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Return the headers to add to a call, whose ``url`` is encoded as it will be sent.

        The signature holds for five minutes and for this very body. Raises ``UpstreamError`` (auth)
        where no credentials are to be had.
        """
        keys = await self._keys()
        if len(body) > INLINE_MAX_BYTES:
            return await asyncio.to_thread(self._signed, keys, method, url, headers, body)
        return self._signed(keys, method, url, headers, body)

    def forget(self) -> None:
        """Read the credentials anew at the next call: the host refused those that are known."""
        self._found = None

    def _signed(
        self, keys: Any, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        chosen = {name: value for name, value in headers.items() if name.lower() in SIGNED}
        request = self._requests.AWSRequest(method=method, url=url, headers=chosen, data=body)
        self._auth.SigV4Auth(keys, self._service, self._region).add_auth(request)
        return {name: str(value) for name, value in request.headers.items() if name not in chosen}

    async def _keys(self) -> Any:
        if self._fixed is not None:
            credentials = importlib.import_module("botocore.credentials")
            return credentials.ReadOnlyCredentials(
                self._fixed.access, self._fixed.secret, self._fixed.token or None
            )
        if self._is_ready():
            return self._found.get_frozen_credentials()
        async with self._resolving:
            if self._is_ready():
                return self._found.get_frozen_credentials()
            try:
                async with asyncio.timeout(RESOLVE_S):
                    return await asyncio.to_thread(self._resolve)
            except TimeoutError as fault:
                raise _no_keys(f"they were not to be had within {RESOLVE_S:.0f} s") from fault
            except (self._errors.BotoCoreError, self._errors.ClientError, OSError) as fault:
                # The words of some of these show what was read.
                raise _no_keys(type(fault).__name__) from fault

    def _is_ready(self) -> bool:
        """Whether the known credentials can be used without asking anybody."""
        if self._found is None:
            return False
        needed = getattr(self._found, "refresh_needed", None)
        if needed is not None:
            return not needed()
        return time.monotonic() - self._read_at < READ_AGAIN_S

    def _resolve(self) -> Any:
        """Read or refresh the credentials: it reads files and may ask a server."""
        if self._found is None or not hasattr(self._found, "refresh_needed"):
            session = importlib.import_module("botocore.session")
            found = session.Session(profile=self._profile or None).get_credentials()
            if found is None:
                raise _no_keys("none are configured")
            self._found, self._read_at = found, time.monotonic()
        return self._found.get_frozen_credentials()


def _no_keys(why: str) -> UpstreamError:
    return UpstreamError(ErrorKind.AUTH, f"no AWS credentials: {why}")

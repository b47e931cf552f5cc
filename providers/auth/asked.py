"""Which addresses a credential that is made anew may be asked for at; nobody is asked here.

Read from the same files and variables that the libraries themselves read. What is listed is what
their documentation calls the default, so that a rare setting (a FIPS or dual-stack endpoint, a
service's own ``endpoint_url`` in a profile) is refused with its name until it is set as shown:

- ``aws``: botocore's chain, as its ``create_credential_resolver`` has it (1.44, 2026-11): static
  keys, a role (STS), single sign-on, the container's or the machine's own server.
- ``google``: ``google.auth.default`` (2.63, 2026-11): what the file names, else the machine's own
  server.
- ``entra``: the directory of the tenant.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from providers.auth import azure
from providers.errors import UpstreamError

CONTAINER = "http://169.254.170.2"
MACHINE = "http://169.254.169.254"
MACHINE_IPV6 = "http://[fd00:ec2::254]"
GOOGLE_MACHINE = "metadata.google.internal"
GOOGLE_TOKENS = "https://oauth2.googleapis.com/token"
# What stands in a credentials file beside the addresses that are asked.
_NOT_ASKED = ("auth_uri", "auth_provider_x509_cert_url", "client_x509_cert_url")
_SOURCES_MOST = 8  # profiles that lead to one another


def asked_at(
    kind: str, region: str | None, credentials: str | None, environment: Mapping[str, str]
) -> list[str]:
    """Return the addresses, whole URLs, for a host whose way to sign is ``kind``.

    ``credentials`` is what the config says: a profile's name or a file, None for this machine's.
    """
    if kind == "aws":
        return list(dict.fromkeys(_aws(region or "", credentials or "", environment)))
    if kind == "google":
        return list(dict.fromkeys(_google(credentials or "", environment)))
    try:
        return [azure.application(credentials or "").directory]
    except UpstreamError:
        return [azure.DIRECTORY]


def _aws(region: str, profile: str, environment: Mapping[str, str]) -> Iterator[str]:
    if not profile and environment.get("AWS_ACCESS_KEY_ID"):
        return
    said = _profiles(profile or environment.get("AWS_PROFILE") or "default", environment)
    regions = {
        "",  # without a region, or where the old setting is left, one place serves all
        region,
        environment.get("AWS_REGION", ""),
        environment.get("AWS_DEFAULT_REGION", ""),
        *(part.get("region", "") for part in said),
    }
    if any("role_arn" in part for part in said) or "AWS_WEB_IDENTITY_TOKEN_FILE" in environment:
        own = environment.get("AWS_ENDPOINT_URL_STS") or environment.get("AWS_ENDPOINT_URL")
        yield from [own] if own else (_sts(one) for one in sorted(regions))
    for at in sorted({part["sso_region"] for part in said if "sso_region" in part}):
        yield f"https://portal.sso.{at}.{_domain(at)}"
        yield f"https://oidc.{at}.{_domain(at)}"
    if "aws_access_key_id" in said[0]:
        return
    if environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        yield CONTAINER
    elif full := environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        yield full
    if environment.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
        mode = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower()
        usual = MACHINE_IPV6 if mode == "ipv6" else MACHINE
        yield environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or usual


def _sts(region: str) -> str:
    return f"https://sts.{region}.{_domain(region)}" if region else "https://sts.amazonaws.com"


def _domain(region: str) -> str:
    if region.startswith("cn-"):
        return "amazonaws.com.cn"
    return "amazonaws.eu" if region.startswith("eusc-") else "amazonaws.com"


def _profiles(name: str, environment: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return what the shared files say of a profile, and of those that it leads to."""
    reader = configparser.RawConfigParser(strict=False)
    home = Path(environment.get("HOME", "~")).expanduser() / ".aws"
    files = (
        environment.get("AWS_CONFIG_FILE") or home / "config",
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials",
    )
    try:
        reader.read([Path(file).expanduser() for file in files], encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return [{}]
    found: list[Mapping[str, str]] = []
    while name and len(found) < _SOURCES_MOST:
        whole: dict[str, str] = {}
        for section in (name, f"profile {name}"):
            if reader.has_section(section):
                whole.update(reader.items(section))
        session = f"sso-session {whole.get('sso_session', '')}"
        if reader.has_section(session):
            whole.update(reader.items(session))
        found.append(whole)
        name = whole.get("source_profile", "")
    return found


def _google(source: str, environment: Mapping[str, str]) -> Iterator[str]:
    usual = environment.get("CLOUDSDK_CONFIG") or f"{environment.get('HOME', '~')}/.config/gcloud"
    default = f"{usual}/application_default_credentials.json"
    source = source or environment.get("GOOGLE_APPLICATION_CREDENTIALS") or default
    try:
        text = source if source.lstrip().startswith("{") else Path(source).expanduser().read_text()
        said = json.loads(text)
    except (OSError, ValueError):
        said = None
    if isinstance(said, dict):
        yield from _addresses(said) or [GOOGLE_TOKENS]
        if said.get("type") == "authorized_user":
            yield GOOGLE_TOKENS
        return
    if environment.get("NO_GCE_CHECK") != "true":
        name = environment.get("GCE_METADATA_HOST") or environment.get("GCE_METADATA_ROOT")
        yield f"http://{name or GOOGLE_MACHINE}"
        yield (
            f"http://{environment['GCE_METADATA_IP']}"
            if "GCE_METADATA_IP" in environment
            else MACHINE
        )


def _addresses(said: Mapping[str, Any]) -> list[str]:
    """Return the addresses that a credentials file names, wherever they stand in it."""
    found: list[str] = []
    for name, value in said.items():
        if isinstance(value, dict):
            found += _addresses(value)
        elif isinstance(value, str) and value.startswith(("https://", "http://")):
            found += [] if name in _NOT_ASKED or "{" in value else [value]
    return found

"""Webhooks: where events are sent, and how often."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from antiphon.entities.events import ANALYTICS, log_of
from antiphon.ports.settings import WEEK_S, Names, Section, opened
from antiphon.webhooks.endpoints import parse_endpoints, parse_host
from antiphon.webhooks.signature import key_of

_MOST_URLS = 16
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")


class WebhookSettings(Section):
    """Webhooks."""

    webhook_hosts: Names = Field(
        default=(),
        description="Hosts of `ANTIPHON_WEBHOOK_URLS`, as `HOST` (all ports) or `HOST:PORT`; events go nowhere else.",
    )
    webhook_urls: Names = Field(
        default=(),
        max_length=_MOST_URLS,
        description="URLs that events are posted to, comma-separated; `http://` for loopback addresses only. Default: "
        "no webhooks.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        validate_default=True,
        description="Secret of the signatures, needed with `ANTIPHON_WEBHOOK_URLS`: `whsec_` and the base64 of at "
        "least 24 bytes, or at least 24 characters.",
    )
    webhook_events: Names = Field(
        default=("session.created", "transcription.completed", "session.closed", "quota.warning"),
        min_length=1,
        description="Types of events that are sent.",
    )
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="Timeout of one attempt to send an event, seconds."
    )
    webhook_retry_s: float = Field(
        default=86_400.0,
        ge=0,
        le=WEEK_S,
        description="Time after which an event that an endpoint has not accepted is a dead event, seconds.",
    )

    @field_validator("webhook_hosts")
    @classmethod
    def _check_hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Bring hosts into their usual spelling."""
        return tuple(parse_host(host) for host in hosts)

    @field_validator("webhook_urls")
    @classmethod
    def _check_urls(cls, urls: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        """Refuse URLs outside of the allow-list."""
        parse_endpoints(urls, info.data.get("webhook_hosts", ()))
        return urls

    @field_validator("webhook_secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse URLs without a secret, and a secret that could be guessed."""
        if opened(secret):
            key_of(opened(secret))
        elif info.data.get("webhook_urls"):
            raise ValueError("it is needed with ANTIPHON_WEBHOOK_URLS")
        return secret

    @field_validator("webhook_events")
    @classmethod
    def _check_events(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse types that no webhook can have."""
        for one in types:
            if not _TYPE.fullmatch(one) or log_of(one) != ANALYTICS:
                raise ValueError("a type has letters, digits, '.', '_' and '-', and does not begin with 'ltm'")
        return types

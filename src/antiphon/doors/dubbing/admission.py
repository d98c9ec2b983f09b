"""Authentication of dubbing clients: keys in HTTP requests, and keys in Socket.IO CONNECT packets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from antiphon.doors.access.authentication import OPEN, TENANT, Access, Credentials, Identity
from antiphon.errors import AntiphonError, Forbidden, InvalidRequest
from antiphon.text.surrogates import replace_surrogates


class Admission:
    """Identifies callers by request or CONNECT packet. A key that is sent must be valid, even if none is needed."""

    def __init__(self, access: Access, *, needs_key: bool, polling: bool) -> None:
        """``needs_key`` False admits clients without a key; ``polling`` False admits WebSockets only."""
        self._access = access
        self._needs_key = needs_key and not access.is_open
        self._polling = polling

    def check(self, scope: Mapping[str, Any]) -> None:
        """Refuse an invalid request before its body is read. Raises `AntiphonError`.

        A WebSocket's own key is not checked here: the key in the CONNECT packet that follows takes precedence.
        """
        credentials, polls = Credentials.of_scope(scope), scope["type"] == "http"
        if polls and not self._polling:
            raise InvalidRequest("Polling is disabled: connect over a WebSocket.", param="transport")
        if not polls:
            credentials = replace(credentials, key="")
        if credentials.key or not self._needs_key:
            self._identify(credentials)

    def is_known(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request has a valid key."""
        credentials = Credentials.of_scope(scope)
        try:
            return bool(credentials.key and self._identify(credentials))
        except AntiphonError:
            return False

    def caller(self, scope: Mapping[str, Any], auth: Any) -> Identity:
        """Identify a CONNECT packet; a key in ``auth`` takes precedence over its request's. Raises `AntiphonError`."""
        credentials = Credentials.of_scope(scope)
        token = auth.get("token") if isinstance(auth, dict) else None
        if isinstance(token, str) and token:
            credentials = replace(credentials, key=replace_surrogates(token))
        return self._identify(credentials)

    def _identify(self, credentials: Credentials) -> Identity:
        if not (credentials.key or self._needs_key or self._access.is_open):
            self._access.check_page(credentials)
            return Identity(TENANT, OPEN)
        identity = self._access.admit(credentials)
        if identity.is_ephemeral:
            raise Forbidden("This client secret opens realtime sessions only.")
        return identity

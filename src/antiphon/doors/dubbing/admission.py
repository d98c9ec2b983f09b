"""Who may dub: keys of requests, and keys of Socket.IO greetings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from antiphon.doors.access.authentication import OPEN, TENANT, Access, Credentials, Identity
from antiphon.errors import AntiphonError, Forbidden, InvalidRequest
from antiphon.text.surrogates import replace_surrogates


class Admission:
    """Tells whose a request or a greeting is. Whoever sends a key has to send a right one, also if none is needed."""

    def __init__(self, access: Access, *, needs_key: bool, polling: bool) -> None:
        """``needs_key`` is False where workers without a key are let in, ``polling`` where they need a WebSocket."""
        self._access = access
        self._needs_key = needs_key and not access.is_open
        self._polling = polling

    def check(self, scope: Mapping[str, Any]) -> None:
        """Refuse a request that is known to be wrong before anything is read. Raises `AntiphonError`.

        Over a WebSocket the key of the Socket.IO handshake, which is still to come, counts more than one that is here.
        """
        credentials, polls = Credentials.of_scope(scope), scope["type"] == "http"
        if polls and not self._polling:
            raise InvalidRequest("Connect over a WebSocket: polling is turned off here.", param="transport")
        if not polls:
            credentials = replace(credentials, key="")
        if credentials.key or not self._needs_key:
            self._identify(credentials)

    def is_known(self, scope: Mapping[str, Any]) -> bool:
        """Return whether a request came with a right key."""
        credentials = Credentials.of_scope(scope)
        try:
            return bool(credentials.key and self._identify(credentials))
        except AntiphonError:
            return False

    def caller(self, scope: Mapping[str, Any], auth: Any) -> Identity:
        """Return whose a greeting is; a key in ``auth`` counts more than one of its request. Raises `AntiphonError`."""
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

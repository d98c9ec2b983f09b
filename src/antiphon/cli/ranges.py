"""Range checks of command-line numbers."""

from __future__ import annotations

from urllib.parse import urlsplit

from antiphon.errors import InvalidRequest

MOST_PORT = 65_535


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raise `InvalidRequest`, which names the option, for a value outside ``least`` to ``most``."""
    if not least <= value <= most:
        raise InvalidRequest(f"{name} is {value}; it must be {least} to {most}", param=name)


def check_port(port: int) -> None:
    """Raise `InvalidRequest` for an invalid port; 0 stands for any free one."""
    check_range("port", port, 0, MOST_PORT)


def check_url(url: str) -> None:
    """Raise `InvalidRequest` for a server address with an invalid port."""
    try:
        port = urlsplit(url).port
    except ValueError as error:
        raise InvalidRequest(f"url is {url}: {error}", param="url") from error
    if port == 0:
        raise InvalidRequest(f"url is {url}: the port must be 1 to {MOST_PORT}", param="url")

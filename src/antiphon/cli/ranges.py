"""Numbers of the command line, held against their ranges before anything is done with them."""

from __future__ import annotations

from urllib.parse import urlsplit

from antiphon.errors import InvalidRequest

MOST_PORT = 65_535


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raise `InvalidRequest`, which names the option, for a value that is not from ``least`` to ``most``."""
    if not least <= value <= most:
        raise InvalidRequest(f"{name} is {value}; it is {least} to {most}", param=name)


def check_port(port: int) -> None:
    """Raise `InvalidRequest` for a port that there is not; 0 stands for any free one."""
    check_range("port", port, 0, MOST_PORT)


def check_url(url: str) -> None:
    """Raise `InvalidRequest` for the address of a server whose port there is not."""
    try:
        port = urlsplit(url).port
    except ValueError as error:
        raise InvalidRequest(f"url is {url}: {error}", param="url") from error
    if port == 0:
        raise InvalidRequest(f"url is {url}: a server has a port from 1 to {MOST_PORT}", param="url")

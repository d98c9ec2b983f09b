"""The version of the installed package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("antiphon")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0.0.0"


VERSION = _installed()

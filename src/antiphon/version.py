"""The version, as the package says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("antiphon")
except PackageNotFoundError:  # a checkout that was never installed
    VERSION = "0.0.0"

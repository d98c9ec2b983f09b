"""The version is that of the package, or a placeholder in a checkout that was never installed."""

from __future__ import annotations

import importlib
import importlib.metadata

import pytest

from antiphon import version


def test_the_version_is_that_of_the_installed_package() -> None:
    assert importlib.metadata.version("antiphon") == version.VERSION


def test_a_checkout_that_was_never_installed_has_a_placeholder() -> None:
    def missing(_name: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "version", missing)
        assert importlib.reload(version).VERSION == "0.0.0"
    assert importlib.metadata.version("antiphon") == importlib.reload(version).VERSION

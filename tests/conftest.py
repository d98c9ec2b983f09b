"""What holds for all tests: strict bus messages, the amount of random input, weights that are here or must be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from antiphon.app.settings import load_settings
from antiphon.errors import AntiphonError
from antiphon.providers.weights.files import Weights

os.environ["ANTIPHON_BUS_STRICT"] = "1"  # servers that tests start inherit it

# a loaded machine makes single examples slow: the timeout of the test is the deadline
settings.register_profile("short", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", settings.get_profile("short"), max_examples=1000)
settings.register_profile("long", settings.get_profile("short"), max_examples=20_000)
settings.load_profile("short")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey of this run, for tests that empty it before they begin."""
    from tests.valkey import shared_url

    with shared_url() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The superuser's URL of a PostgreSQL of this run."""
    from tests.postgres import shared_url

    with shared_url() as url:
        yield url


@pytest.fixture(scope="module")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One certificate in place of all of this machine's: clients read them for 50 ms each, even to speak plain HTTP."""
    from antiphon.doors.server.tls import self_signed

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path_factory.mktemp("tls"), time.time()).cert))
        yield


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``engines("whisper-base", …)`` without these weights; fail it where they must be here."""
    marker = item.get_closest_marker("engines")
    if marker is None:
        return
    weights = Weights(load_settings().data_dir, offline=True)
    for name in marker.args:
        try:
            weights.folder(name)
        except AntiphonError as missing:
            if os.environ.get("ANTIPHON_TEST_REQUIRE_ENGINES") == "1":
                pytest.fail(missing.message, pytrace=False)
            pytest.skip(missing.message)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the margins that tests have recorded: how far a model's figures lie from where a decision would turn."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "margin":
                terminalreporter.write_line(str(value))

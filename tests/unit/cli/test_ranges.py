from __future__ import annotations

import pytest

from antiphon.cli.ranges import check_port, check_range, check_url
from antiphon.errors import InvalidRequest


@pytest.mark.parametrize("port", [0, 1, 8000, 65_535])
def test_every_port_that_there_is_passes(port: int) -> None:
    check_port(port)
    check_url(f"http://127.0.0.1:{port or 1}/v1")


@pytest.mark.parametrize("url", ["", "http://localhost", "https://[::1]:8000/", "ws://server"])
def test_an_address_may_name_no_port(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_value_out_of_range_is_refused_by_its_name(value: float) -> None:
    with pytest.raises(InvalidRequest, match=r"^volume is .*; it must be 0 to 1$") as refused:
        check_range("volume", value, 0, 1)
    assert refused.value.param == "volume"


@pytest.mark.parametrize("url", ["http://a:99999", "http://a:-1", "http://a:x", "http://a:0", "http://[::1"])
def test_an_address_with_a_port_that_there_is_not_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^url is ") as refused:
        check_url(url)
    assert refused.value.param == "url"

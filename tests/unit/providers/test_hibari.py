from __future__ import annotations

import pytest

from antiphon.providers.hibari import readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("It costs 1,250 dollars.", "It costs 1,250 dollars."),
        ("x² and 10⁵", "x2 and 105"),
        ("no. ፩", "no. 1"),
        ("call 123456789012345", "call 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5"),
        ("ﬁne", "fine"),
    ],
)
def test_what_hibari_stumbles_over_is_written_plainly(written: str, read: str) -> None:
    assert readable(written) == read

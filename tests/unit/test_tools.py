"""The tools around the code judge as they say."""

from __future__ import annotations

import pytest

from tests.layers import BARS, Bar, shares
from tools.audit import COPYLEFT_EXTRAS, DENIED, parts


@pytest.mark.parametrize(
    "licence",
    ["GPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "AGPL-3.0", "CC-BY-NC-4.0", "UNKNOWN", "SSPL-1.0"],
)
def test_a_licence_that_binds_users_is_denied(licence: str) -> None:
    assert DENIED.search(licence)


@pytest.mark.parametrize(
    "licence", ["MIT", "LGPL-2.1-or-later", "GNU Lesser General Public License v3 (LGPLv3)", "MPL-2.0", "Apache-2.0"]
)
def test_a_permissive_or_lesser_licence_passes(licence: str) -> None:
    assert not DENIED.search(licence)


def test_only_the_named_extras_may_be_copyleft() -> None:
    free = [part.name for part in parts() if not part.may_be_copyleft]
    assert free[:2] == ["core", "local"]
    assert not set(free) & set(COPYLEFT_EXTRAS)


def test_a_bar_counts_lines_and_branches_of_its_files_only() -> None:
    inside = {"covered_lines": 9, "num_statements": 10, "covered_branches": 3, "num_branches": 4}
    outside = {"covered_lines": 0, "num_statements": 90, "covered_branches": 0, "num_branches": 40}
    bar = Bar("the wire", ("src/antiphon/wire/",), 95)
    assert shares(bar, {"src/antiphon/wire/a.py": inside, "src/antiphon/bus/b.py": outside}) == (90.0, 75.0)


def test_the_conversation_the_wire_and_the_errors_have_the_higher_bar() -> None:
    assert {bar.name: bar.percent for bar in BARS} == {
        "everything": 90,
        "the conversation": 95,
        "dubbing": 95,
        "the wire": 95,
        "errors": 95,
    }

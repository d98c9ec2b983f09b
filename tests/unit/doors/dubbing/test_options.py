"""A stream that cannot begin is refused with a code and the field."""

from __future__ import annotations

import pytest

from antiphon.doors.dubbing.options import DubbingRefusal
from antiphon.dubbing.codes import NATURES


@pytest.mark.parametrize("param", [None, "config.voice_profile"])
def test_a_refusal_has_a_code_a_message_and_the_field(param: str | None) -> None:
    refusal = DubbingRefusal("INVALID_VOICE_PROFILE", "there is no such voice", param)
    assert (refusal.code, str(refusal), refusal.message) == ("INVALID_VOICE_PROFILE", refusal.message, str(refusal))
    assert refusal.param == param
    assert refusal.code in NATURES

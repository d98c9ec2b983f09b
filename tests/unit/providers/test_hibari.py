from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.errors import ProviderRejected
from antiphon.ports.engine import EngineContext
from antiphon.ports.tts import SpeakOptions
from antiphon.providers.hibari import HibariTts, create, readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("It costs 1,250 dollars.", "It costs 1,250 dollars."),
        ("x² and 10⁵", "x2 and 105"),
        ("no. ፩", "no. 1"),
        ("call 123456789012345", "call 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5"),
        ("ﬁne", "fine"),
        ("at example.org/help", "at example dot org slash help"),
    ],
)
def test_what_hibari_stumbles_over_is_written_plainly(written: str, read: str) -> None:
    assert readable(written) == read


async def test_a_text_that_cannot_be_read_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(words: str, *, speed: float) -> None:
        raise LookupError(words, speed)

    monkeypatch.setattr(HibariTts, "_load", lambda _: fail)
    voice = create(EngineContext(tmp_path))
    await voice.start()
    with pytest.raises(ProviderRejected) as refused:
        await anext(voice.synthesize("my card is 1234", SpeakOptions()))
    assert refused.value.message == "hibari cannot read this text"
    assert "1234" in refused.value.detail
    await voice.close()

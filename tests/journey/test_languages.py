"""A recording in more than one language, over REST, by the real recogniser."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai import AsyncOpenAI

from antiphon.app.settings import load_settings
from antiphon.audio.containers import decode
from antiphon.audio.wav import write_wav
from tests.serving import AUDIO, serving

RATE_HZ = 16_000


@pytest.mark.engines("whisper-base")
async def test_each_passage_of_a_recording_has_its_own_language(tmp_path: Path) -> None:
    weights = load_settings().data_dir / "weights" / "whisper-base"
    spoken = [decode((AUDIO / name).read_bytes(), RATE_HZ).data for name in ("spk1_snt1.wav", "french.aiff")]
    file = ("switch.wav", write_wav(bytes(6 * RATE_HZ).join(spoken), RATE_HZ))
    async with (
        serving(tmp_path, stt="whisper", whisper_path=weights) as served,
        AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none") as client,
    ):
        heard = await client.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json")
    assert heard.segments is not None
    first, *_, last = heard.segments
    assert "small dog" in first.text
    assert "dictée" in last.text
    assert first.end < last.start
    assert all(segment.text for segment in heard.segments)

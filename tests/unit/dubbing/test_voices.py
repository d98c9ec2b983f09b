from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.dubbing.voices import DEFAULT, VoiceProfile, Voices, parse_voices, warning
from antiphon.errors import InvalidRequest, NotFound

NESTED = {
    "voices": {
        "ana": {"model": "xtts_v2", "speaker_wav": "ana.wav", "language": "es", "description": "warm"},
        "lia": {"speaker": "Lia", "language": "pt-BR"},
    },
    "default_voice_per_language": {"es": "ana", "PT_br": "lia"},
}
FLAT = {
    "default": {"model": "xtts_v2", "speaker": "Tom", "language": "en", "gender": "male"},
    "bob": {"voice_id": "a1B2", "reference_audio": None},
    "eva": {"speaker": "Eva", "voice_id": "e5", "reference_audio": "eva.wav", "language": "de"},
}

KEYS = ["voices", "default_voice_per_language", "default", "ana", "speaker", "language"]


def parsed(file: Any) -> Voices:
    return parse_voices(json.dumps(file).encode())


def test_the_nested_shape_gives_profiles_and_defaults() -> None:
    voices = parsed(NESTED)
    ana = VoiceProfile("ana", model="xtts_v2", language="es", sample="ana.wav", description="warm")
    assert voices.profiles == {"ana": ana, "lia": VoiceProfile("lia", voice="Lia", language="pt-BR")}
    assert voices.resolve("ana", "es") == ana


def test_the_flat_shape_gives_the_same_kind_of_profiles() -> None:
    voices = parsed(FLAT)
    assert voices.profiles == {
        DEFAULT: VoiceProfile(DEFAULT, model="xtts_v2", voice="Tom", language="en", gender="male"),
        "bob": VoiceProfile("bob", voice="a1B2", voice_id="a1B2"),
        "eva": VoiceProfile("eva", voice="Eva", voice_id="e5", language="de", sample="eva.wav"),
    }
    assert voices.defaults == {}


@pytest.mark.parametrize(
    ("target", "name"),
    [("es", "ana"), ("es-MX", "ana"), ("ES", "ana"), ("pt-BR", "lia"), ("pt_BR", "lia")],
)
def test_the_default_is_what_the_file_says_for_the_language(target: str, name: str) -> None:
    assert parsed(NESTED).resolve(DEFAULT, target).name == name


def test_a_profile_called_default_speaks_its_own_language_only() -> None:
    voices = parsed(FLAT)
    assert voices.resolve(DEFAULT, "en-GB").voice == "Tom"
    assert voices.resolve(DEFAULT, "zh") == VoiceProfile(DEFAULT, language="zh")


def test_a_profile_called_default_without_a_language_speaks_every_target() -> None:
    assert parsed({"default": {"speaker": "Tom"}}).resolve(DEFAULT, "zh").voice == "Tom"


@given(st.text(min_size=2, max_size=10))
def test_the_default_exists_for_every_target(target: str) -> None:
    assert Voices().resolve(DEFAULT, target) == VoiceProfile(DEFAULT, language=target)
    assert parsed(NESTED).resolve(DEFAULT, target).name in {DEFAULT, "ana", "lia"}


def test_a_voice_of_the_engine_may_be_named_where_no_profile_has_its_name() -> None:
    voices = parsed(FLAT)
    known = frozenset({"af_heart", "bob"})
    assert voices.resolve("af_heart", "en", known=known) == VoiceProfile("af_heart", voice="af_heart")
    assert voices.resolve("bob", "en", known=known).voice == "a1B2"


def test_an_unknown_name_is_not_found_and_the_message_says_what_is_there() -> None:
    with pytest.raises(NotFound, match=r"'carl' does not exist; profiles are: bob, default, eva") as caught:
        parsed(FLAT).resolve("carl", "en", known=frozenset({"af_heart"}))
    assert (caught.value.code, caught.value.param) == ("voice_profile_not_found", "voice_profile")
    with pytest.raises(NotFound, match="profiles are: default"):
        Voices().resolve("ana", "es")


@pytest.mark.parametrize(
    ("language", "target", "is_warned"),
    [("es", "es", False), ("pt-BR", "pt", False), ("", "zh", False), ("en", "es", True), ("EN_us", "de", True)],
)
def test_a_profile_of_another_language_is_a_warning(language: str, target: str, is_warned: bool) -> None:
    told = warning(VoiceProfile("ana", language=language), target)
    expected = f"voice profile 'ana' is of language '{language}', the target is '{target}'"
    assert told == (expected if is_warned else None)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"ana": {"speeker": "Ana"}}, r"voice profile 'ana'.*'speeker'"),
        ({"ana": {"speaker": 3}}, r"voice profile 'ana'.*'speaker'.*`str \| null`, got `int`"),
        ({"ana": {"language": "Spanish, I think"}}, r"voice profile 'ana'.*'language'"),
        ({"ana": "Ana"}, r"voice profile 'ana'.*`object`, got `str`"),
        ({"": {}}, "the voices file"),
        ([], "the voices file.*`object`, got `array`"),
        ({"ana": {"speaker_wav": "a.wav", "reference_audio": "b.wav"}}, "'ana'.*name different files"),
        ({"voices": {"lia": {"gender": []}}}, r"voice profile 'lia'.*'gender'"),
        ({"voices": []}, r"the voices file.*'voices'"),
        ({"voices": {}, "version": 2}, r"the voices file.*'version'"),
        ({"default_voice_per_language": {"es": "ana"}}, r"the voices file.*'voices'"),
        ({"voices": {}, "default_voice_per_language": {"es": "ana"}}, r"default_voice_per_language\.es.*'ana'"),
        ({"voices": {}, "default_voice_per_language": {"es": ""}}, "default_voice_per_language"),
    ],
)
def test_a_bad_file_is_refused_with_the_profile_and_the_field(file: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        parsed(file)
    assert (caught.value.code, caught.value.param) == ("invalid_voices", "voices")


@pytest.mark.parametrize("data", [b"", b"{", b'{"a": }', b"\xff\xfe", b'{"a\xff": {}}'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the voices file is not valid JSON"):
        parse_voices(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_no_file_raises_anything_but_the_one_error(file: Any) -> None:
    try:
        voices = parsed(file)
    except InvalidRequest:
        return
    assert all(name == profile.name for name, profile in voices.profiles.items())

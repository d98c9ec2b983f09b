"""Voice profiles: the voices of streams, from a file in one of two forms::

{"voices": {"ana": {"model": "xtts_v2", "speaker_wav": "ana.wav", "language": "es"}},
 "default_voice_per_language": {"es": "ana"}}

{"default": {"model": "xtts_v2", "speaker": "Ana", "language": "en"}, "bob": {"voice_id": "a1B2"}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec

from antiphon.errors import InvalidRequest, NotFound
from antiphon.text.languages import base_language
from antiphon.text.quoting import quoted
from antiphon.wire.validation_errors import explain

DEFAULT = "default"
"""The profile that exists for every target."""

_Language = Annotated[str, msgspec.Meta(pattern=r"^(?:[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)?$")]
_Name = Annotated[str, msgspec.Meta(min_length=1)]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """A voice, independent of the engine. An empty field leaves the choice to the engine."""

    name: str
    model: str = ""
    voice: str = ""
    """The engine's name of a speaker, or the id of a service's voice where the profile names no speaker."""
    voice_id: str = ""
    """The id of a service's voice. A profile may have both a speaker and an id, for two engines."""
    language: str = ""
    """ISO 639-1 with an optional region; empty for a voice of all languages."""
    sample: str = ""
    """Path of the audio to clone the voice from, as in the voices file."""
    gender: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Voices:
    """All profiles. Without a file there is only the default."""

    profiles: Mapping[str, VoiceProfile] = field(default_factory=dict[str, VoiceProfile])
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of profiles by language, in lower case with ``-`` before the region."""

    def resolve(self, name: str, target: str, *, known: Iterable[str] = ()) -> VoiceProfile:
        """Return the profile for the language ``target``.

        ``known`` are the engine's voices: they may be named directly; profiles take precedence.
        Raises `NotFound` with param ``voice_profile``.
        """
        if name == DEFAULT:
            return self._default(target)
        if name in self.profiles:
            return self.profiles[name]
        if name in known:
            return VoiceProfile(name, voice=name)
        available = ", ".join(sorted({DEFAULT, *self.profiles}))
        raise NotFound(
            f"voice profile {quoted(name)} does not exist; profiles are: {available}",
            code="voice_profile_not_found",
            param="voice_profile",
        )

    def _default(self, target: str) -> VoiceProfile:
        """Return the language's default profile, else the profile ``default``, else the engine's own voice.

        A profile ``default`` of another language is ignored: clients send this name for every target, and an English
        voice reads Spanish badly.
        """
        for language in (_tag(target), base_language(target)):
            if language in self.defaults:
                return self.profiles[self.defaults[language]]
        profile = self.profiles.get(DEFAULT)
        if profile is not None and _speaks(profile, target):
            return profile
        return VoiceProfile(DEFAULT, language=target)


def warning(profile: VoiceProfile, target: str) -> str | None:
    """Return a warning if a profile's language is not ``target``, else None."""
    if _speaks(profile, target):
        return None
    return f"voice profile '{profile.name}' is of language '{profile.language}', the target is '{target}'"


def parse_voices(data: bytes) -> Voices:
    """Parse a voices file of either form. Raises `InvalidRequest` (``voices``), which names the profile and field.

    Unknown fields are refused: a misspelt one would silently select a wrong voice.
    """
    top = _decode(data, dict[_Name, msgspec.Raw], "the voices file")
    if top.keys() & {"voices", "default_voice_per_language"}:
        file = _decode(data, _NestedFile, "the voices file")
        raw, defaults = file.voices, file.default_voice_per_language
    else:
        raw, defaults = top, {}
    profiles = {name: _profile(name, body) for name, body in raw.items()}
    for language, name in defaults.items():
        if name not in profiles:
            raise _invalid(f"default_voice_per_language.{language}: there is no voice profile '{name}'")
    return Voices(profiles, {_tag(language): name for language, name in defaults.items()})


class _NestedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    voices: dict[_Name, msgspec.Raw]
    default_voice_per_language: dict[_Language, _Name] = {}


class _FileProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One profile in a file; null means absent."""

    model: str | None = None
    speaker: str | None = None
    voice_id: str | None = None
    speaker_wav: str | None = None
    reference_audio: str | None = None
    language: _Language | None = None
    gender: str | None = None
    description: str | None = None


def _profile(name: str, body: msgspec.Raw) -> VoiceProfile:
    read = _decode(body, _FileProfile, f"voice profile '{name}'")
    if read.speaker_wav and read.reference_audio and read.speaker_wav != read.reference_audio:
        raise _invalid(f"voice profile '{name}': 'speaker_wav' and 'reference_audio' name different files")
    return VoiceProfile(
        name,
        model=read.model or "",
        voice=read.speaker or read.voice_id or "",
        voice_id=read.voice_id or "",
        language=read.language or "",
        sample=read.speaker_wav or read.reference_audio or "",
        gender=read.gender or "",
        description=read.description or "",
    )


def _decode(data: bytes | msgspec.Raw, kind: type[_T], subject: str) -> _T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as exc:
        raise _invalid(f"{subject}: {explain(str(exc)).message}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _invalid(f"{subject} is not valid JSON: {exc}") from exc


def _speaks(profile: VoiceProfile, target: str) -> bool:
    return not profile.language or base_language(profile.language) == base_language(target)


def _tag(language: str) -> str:
    return language.replace("_", "-").lower()


def _invalid(message: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_voices", param="voices")

"""The process of espeak-ng: ``python -m antiphon.providers.espeak.process`` (see `hosting.loop`)."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from antiphon.audio.stretch import stretch
from antiphon.providers.hosting.frames import AnyRequest, Audio, Phonemes, Phonemize, Ready, Say
from antiphon.providers.hosting.loop import Send, serve
from antiphon.providers.hosting.speed import SpeakingSpeed
from antiphon.text.addresses import say_dots
from antiphon.text.languages import base_language
from antiphon.text.scripts import language_of_script, languages_of_script

_SYNCHRONOUS = 2
_UTF8 = 1
_IPA = 0x02
_POSITION_CHARACTER = 1
_RATE = 1
"""The parameter that holds words per minute."""

_PIECE_MS = 200
_PACE = SpeakingSpeed(
    {
        80: 2.074,
        90: 1.946,
        120: 1.466,
        150: 1.171,
        175: 1.0,
        200: 0.883,
        250: 0.718,
        300: 0.599,
        350: 0.521,
        400: 0.448,
        500: 0.375,
        600: 0.312,
        700: 0.268,
        750: 0.25,
    }
)
_DEFAULT_VOICE = "en-us"
OWN_NAMES = {"zh": "cmn", "no": "nb"}
"""Languages that espeak-ng lists under another code."""
_CLEARER = {"pt": "pt-br"}
"""Voices for languages without a region. Whisper misunderstands 54 of 100 words of the Brazilian voice, and nearly all
of the European one."""
_VOICE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,40}(?:\+[a-z0-9]{1,10})?")
_PUNCTUATION = re.compile(r"([,;:.!?…—]+(?=\s|$)|[。！？、，।؟]+)")

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _VoiceInfo(ctypes.Structure):
    """The first fields of ``espeak_VOICE`` in speak_lib.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
    )


class _Voice(NamedTuple):
    language: str
    name: str
    file: str


class EspeakEngine:
    """The library, called from one thread: it keeps global state."""

    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = espeakng_loader.get_data_path().encode()
        self._rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, _PIECE_MS, data_path, 0)
        if self._rate_hz <= 0:
            raise OSError(f"espeak-ng found no data in {data_path!r}")
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceInfo))
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_TextToPhonemes.argtypes = [
            ctypes.POINTER(ctypes.c_char_p),
            ctypes.c_int,
            ctypes.c_int,
        ]
        self._voices = tuple(self._list_voices())
        self._files = {voice.language.lower(): voice.file for voice in reversed(self._voices)}
        self._take: Callable[[bytes], bool] = lambda _: False
        self._callback = _Callback(self._on_samples)  # kept alive: the library only holds a pointer to it
        self._lib.espeak_SetSynthCallback(self._callback)

    def ready(self) -> Ready:
        """Name the voices: one for each language and region."""
        return Ready(0, self._rate_hz, tuple((voice.language, voice.language, voice.name) for voice in self._voices))

    def answer(self, request: AnyRequest, send: Send) -> None:
        """Speak or phonemize one sentence."""
        match request:
            case Say():
                own = self._choose_voice(request.voice, request.language, request.text)
                self._say(request, say_dots(request.text, own), send)
            case Phonemize():
                own = self._choose_voice("", request.language, request.text)
                send(Phonemes(request.id, "".join(self._phonemes(say_dots(request.text, own)))))
            case _:
                raise ValueError(f"espeak-ng cannot answer {type(request).__name__}")

    def _say(self, request: Say, text: str, send: Send) -> None:
        words_per_minute, rest = _PACE.plan(request.speed)
        self._lib.espeak_SetParameter(_RATE, round(words_per_minute), 0)
        if rest == 1.0:
            self._take = lambda pcm: send(Audio(request.id, pcm))
            self._synthesize(text)
            return
        whole = bytearray()
        self._take = lambda pcm: whole.extend(pcm) is None
        self._synthesize(text)
        send(Audio(request.id, stretch(bytes(whole), self._rate_hz, rest)))

    def _synthesize(self, text: str) -> None:
        data = text.encode("utf-8", "replace") + b"\0"
        self._lib.espeak_Synth(data, len(data), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)

    def _on_samples(self, samples: Any, count: int, _events: int) -> int:
        """Receive samples of the library; returning 1 stops it."""
        if not samples or count <= 0:
            return 0
        return 0 if self._take(ctypes.string_at(samples, count * 2)) else 1

    def _choose_voice(self, voice: str, language: str, text: str) -> str:
        """Set the voice, and return its language in espeak-ng's code."""
        for name in (
            voice if _reads(voice, text) else "",
            _CLEARER.get(language.lower(), language),
            language.partition("-")[0],
            language_of_script(text),
            _DEFAULT_VOICE,
        ):
            if name and _VOICE_NAME.fullmatch(name):
                known = OWN_NAMES.get(name.lower(), name.lower())
                # a voice's file always loads; some codes in espeak-ng's own list do not, such as fr-fr
                if self._lib.espeak_SetVoiceByName(self._files.get(known, known).encode()) == 0:
                    return _language(known)
        return ""

    def _phonemes(self, text: str) -> Iterator[str]:
        """Yield IPA, clause by clause, with the punctuation that the library leaves out."""
        for part in _PUNCTUATION.split(text):
            if _PUNCTUATION.fullmatch(part):
                yield part[0] + " "
            elif part.strip():
                yield " ".join(self._clauses(part))

    def _clauses(self, text: str) -> Iterator[str]:
        pointer = ctypes.c_char_p(text.encode("utf-8", "replace"))
        while pointer.value is not None:
            ipa = self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, _IPA)
            yield (ipa or b"").decode("utf-8", "replace")

    def _list_voices(self) -> Iterator[_Voice]:
        listed = self._lib.espeak_ListVoices(None)
        for index in range(1_000):
            if not listed[index]:
                return
            info = listed[index].contents
            language = info.languages[1:].decode("ascii", "replace")  # after a priority byte
            file = info.identifier.decode("ascii", "replace").rpartition("/")[2]
            yield _Voice(language, info.name.decode("utf-8", "replace").strip(), file)


def _language(voice: str) -> str:
    return base_language(voice.partition("+")[0])


def _reads(voice: str, text: str) -> bool:
    """Say whether a voice's language is written in the script of ``text``: others spell it letter by letter."""
    written = languages_of_script(text)
    return not written or _language(voice) in {OWN_NAMES.get(language, language) for language in written}


if __name__ == "__main__":
    serve(EspeakEngine)

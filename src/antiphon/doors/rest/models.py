"""``/v1/models`` and ``/v1/voices``: what is really configured here."""

from __future__ import annotations

from litestar import get

from antiphon.doors.rest.services import RestRequest, RestServices, services_of
from antiphon.entities.capabilities import Voice
from antiphon.errors import NotFound
from antiphon.text.quoting import quoted
from antiphon.wire.catalogue import Model, ModelList, NamedVoice, VoiceEntry, VoiceList, VoicePicks


@get("/v1/models", summary="List models", tags=["models"])
async def list_models(request: RestRequest) -> ModelList:
    """List the models of all configured engines. Other names, such as OpenAI's, are accepted and mapped to these."""
    return ModelList(data=list(_models(services_of(request)).values()))


@get("/v1/models/{model_id:path}", summary="Get a model", tags=["models"])
async def get_model(request: RestRequest) -> Model:
    """Return one model."""
    name = str(request.path_params["model_id"]).removeprefix(
        "/"
    )  # a path parameter keeps its slash, and a model's name may hold some
    found = _models(services_of(request)).get(name)
    if found is None:
        raise NotFound(f"The model {quoted(name)} does not exist here.", code="model_not_found", param="model")
    return found


@get(["/v1/voices", "/v1/tts/voices"], summary="List voices", tags=["models"])
async def list_voices(request: RestRequest) -> VoiceList:
    """List the voices of the configured engine; the default one speaks for every name that is not listed."""
    return VoiceList(
        data=[
            VoiceEntry(id=voice.id, language=voice.language, description=voice.description, default=index == 0)
            for index, voice in enumerate(_voices(request))
        ]
    )


@get("/v1/audio/voices", summary="List voices for a voice picker", tags=["models"])
async def pick_voices(request: RestRequest) -> VoicePicks:
    """List the same voices as `/v1/voices`, in the form that voice pickers (such as Open WebUI's) read."""
    return VoicePicks(
        voices=[
            NamedVoice(
                id=voice.id,
                name=voice.id,
                language=voice.language,
                description=voice.description,
                default=index == 0,
            )
            for index, voice in enumerate(_voices(request))
        ]
    )


def _voices(request: RestRequest) -> tuple[Voice, ...]:
    speech = services_of(request).engines.get("tts")
    return speech.voices if speech else ()


def _models(services: RestServices) -> dict[str, Model]:
    return {
        name: Model(id=name, owned_by=engine.name)
        for engine in services.engines.values()
        for name in engine.models or (engine.name,)
    }

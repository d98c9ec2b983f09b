"""``/v1/models`` and ``/v1/voices``: the models and voices of the configured engines."""

from __future__ import annotations

from typing import Any

from antiphon.doors.http.route import JSON, AnyRoute, Call, Route
from antiphon.doors.rest.services import RestServices
from antiphon.entities.capabilities import Voice
from antiphon.errors import NotFound
from antiphon.text.quoting import quoted
from antiphon.wire.models import Model, ModelList, NamedVoice, VoiceEntry, VoiceList, VoicePicks


async def list_models(services: RestServices, call: Call[None, Any]) -> ModelList:
    """List the models of all configured engines. Other names, such as OpenAI's, are accepted and mapped to these."""
    return ModelList(data=list(_models(services).values()))


async def get_model(services: RestServices, call: Call[None, Any]) -> Model:
    """Return one model."""
    name = call.path_params["model_id"]
    found = _models(services).get(name)
    if found is None:
        raise NotFound(f"The model {quoted(name)} does not exist here.", code="model_not_found", param="model")
    return found


async def list_voices(services: RestServices, call: Call[None, Any]) -> VoiceList:
    """List the voices of the configured engine; unknown names use the default voice."""
    return VoiceList(
        data=[
            VoiceEntry(id=voice.id, language=voice.language, description=voice.description, default=index == 0)
            for index, voice in enumerate(_voices(services))
        ]
    )


async def pick_voices(services: RestServices, call: Call[None, Any]) -> VoicePicks:
    """List the same voices as `/v1/voices`, in the form that voice pickers such as Open WebUI read."""
    return VoicePicks(
        voices=[
            NamedVoice(
                id=voice.id,
                name=voice.id,
                language=voice.language,
                description=voice.description,
                default=index == 0,
            )
            for index, voice in enumerate(_voices(services))
        ]
    )


def _voices(services: RestServices) -> tuple[Voice, ...]:
    speech = services.engines.get("tts")
    return speech.voices if speech else ()


def _models(services: RestServices) -> dict[str, Model]:
    return {
        name: Model(id=name, owned_by=engine.name)
        for engine in services.engines.values()
        for name in engine.models or (engine.name,)
    }


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/v1/models", list_models, "List models", "models", {JSON: (ModelList,)}),
    # a model's name may hold slashes
    Route(
        "GET", "/v1/models/{model_id:path}", get_model, "Get a model", "models", {JSON: (Model,)}, errors=(NotFound,)
    ),
    Route("GET", "/v1/voices", list_voices, "List voices", "models", {JSON: (VoiceList,)}, aliases=("/v1/tts/voices",)),
    Route("GET", "/v1/audio/voices", pick_voices, "List voices for a voice picker", "models", {JSON: (VoicePicks,)}),
)

from __future__ import annotations

from tests.unit.doors.rest_stage import assert_error, stage


async def test_models_are_the_configured_ones() -> None:
    async with stage() as run:
        models = (await run.client.get("/v1/models")).json()
        assert models["object"] == "list"
        assert [model["id"] for model in models["data"]] == ["ears-1", "org/ears-2", "mouth-1", "brain"]
        for model in models["data"]:
            assert (await run.client.get(f"/v1/models/{model['id']}")).json() == model
        assert models["data"][0] == {"id": "ears-1", "object": "model", "created": 0, "owned_by": "ears"}
        assert_error(await run.client.get("/v1/models/gpt-9"), 404, "model_not_found")
        assert_error(await run.client.get("/v1/models/a/b%2Fc"), 404, "model_not_found")


async def test_voices_are_the_configured_ones_under_both_paths() -> None:
    async with stage() as run:
        voices = (await run.client.get("/v1/voices")).json()
        assert voices == (await run.client.get("/v1/tts/voices")).json()
        assert voices["data"] == [
            {"id": "ann", "object": "voice", "language": "en", "description": "Clear.", "default": True},
            {"id": "ben", "object": "voice", "language": "en-gb", "description": "", "default": False},
        ]


async def test_a_voice_picker_gets_the_same_voices_with_an_id_and_a_name() -> None:
    async with stage() as run:
        answer = (await run.client.get("/v1/audio/voices")).json()
        assert answer == {
            "voices": [
                {"id": "ann", "name": "ann", "language": "en", "description": "Clear.", "default": True},
                {"id": "ben", "name": "ben", "language": "en-gb", "description": "", "default": False},
            ]
        }
    async with stage(engines={}) as run:
        assert (await run.client.get("/v1/audio/voices")).json() == {"voices": []}

"""A Realtime client for Python that resumes its session after a lost connection.

Example:
    async with connect("http://127.0.0.1:8000", api_key="…") as session:
        await session.update(instructions="Be brief.")
        await session.say("What is an antiphon?")
        await session.respond()
        async for event in session:
            if isinstance(event, ResponseOutputAudioDelta):
                play(base64.b64decode(event.delta))
            elif isinstance(event, ResponseDone):
                break
"""

from antiphon.client.session import ClientError, Session, SessionLost, TakenOver, UnknownEvent, connect

__all__ = ["ClientError", "Session", "SessionLost", "TakenOver", "UnknownEvent", "connect"]

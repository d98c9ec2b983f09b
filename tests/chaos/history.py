"""What one client did and saw, and what must hold of it whatever was killed meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Turn:
    """One question, and all that came until its answer was done."""

    number: int
    wish: str
    """What was asked."""
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    done: bool = False

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a type."""
        return [event for event in self.events if event["type"] == kind]


@dataclass
class History:
    """One client's conversation."""

    name: str
    turns: list[Turn] = field(default_factory=list[Turn])
    last: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The items as the server holds them in the end."""
    trouble: str = ""
    """Why the conversation could not go on."""
    resumptions: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, in order."""
        return [event for turn in self.turns for event in turn.events]


@dataclass(frozen=True)
class Whole:
    """What every answer is, if nothing of it is lost and nothing comes twice."""

    text: str
    speech_bytes: int


def violations(history: History, whole: Whole) -> list[str]:
    """Return every promise that this history breaks."""
    found = [f"could not go on: {history.trouble}"] if history.trouble else []
    found += _order(history)
    for turn in history.turns:
        found += [f"turn {turn.number}: {complaint}" for complaint in _turn(turn, whole)]
    if not history.trouble:
        found += _items(history)
    return [f"{history.name}: {complaint}" for complaint in found]


def _order(history: History) -> list[str]:
    """Every event comes once, and in the order of its ids."""
    ids = [event["event_id"] for event in history.events]
    doubled = [event_id for event_id, count in Counter(ids).items() if count > 1]
    found = [f"event {event_id} came more than once" for event_id in doubled]
    if ids != sorted(ids):
        found.append("events came out of order")
    return found


def _turn(turn: Turn, whole: Whole) -> list[str]:
    found: list[str] = []
    done = turn.of("response.done")
    if not turn.done or len(done) != 1:
        return [f"ended {len(done)} times" if turn.done else "never ended"]
    found += [f"an error was sent: {event['error']['message']}" for event in turn.of("error")]
    asked = [event for event in turn.of("conversation.item.done") if event["item"].get("role") == "user"]
    if len(asked) != 1:
        found.append(f"the question is there {len(asked)} times")
    created = turn.of("response.created")
    if [event["response"]["id"] for event in created] != [done[0]["response"]["id"]]:
        found.append(f"{len(created)} answers were begun")
    found += _answer(turn, done[0]["response"], whole)
    return found


def _answer(turn: Turn, response: dict[str, Any], whole: Whole) -> list[str]:
    """An answer is whole, and was heard whole."""
    words = "".join(event["delta"] for event in turn.of("response.output_audio_transcript.delta"))
    spoken = sum(event["bytes"] for event in turn.of("response.output_audio.delta"))
    found: list[str] = []
    output = response["output"]
    transcript = output[0]["content"][0]["transcript"] if output and output[0]["content"] else ""
    if response["status"] != "completed":
        return [
            f"the answer ended {response['status']} behind {len(words.split())} words: {response['status_details']}"
        ]
    if words != transcript:
        found.append(f"the words that came are not the answer's: {len(words)} and {len(transcript)} characters")
    if transcript != whole.text:
        found.append(
            f"the answer has {len(transcript.split())} words instead of {len(whole.text.split())}: {transcript}"
        )
    if spoken != whole.speech_bytes:
        found.append(f"{spoken} bytes of speech came instead of {whole.speech_bytes}")
    return found


def _items(history: History) -> list[str]:
    """The server holds the conversation that the client has seen."""
    seen = {event["item"]["id"]: event["item"] for event in history.events if event["type"] == "conversation.item.done"}
    held = {item["id"]: item for item in history.last}
    found = [f"item {item_id} is lost" for item_id in seen.keys() - held.keys()]
    found += [f"item {item_id} has changed" for item_id in seen.keys() & held.keys() if seen[item_id] != held[item_id]]
    return found

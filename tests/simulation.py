"""A conversation machine with a scripted world around it: workers and a clock that move when told to.

Every input is also given to a shadow that is dumped to bytes and loaded again before each one; both must do the
same. Every event to the client is checked against the rules of the protocol. The state is saved as a gateway saves
it, so that the conversation can be resumed at any time.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.conversation import effects, inputs, resume, snapshot
from antiphon.conversation.checkpoint import CheckpointDelta
from antiphon.conversation.machine import Conversation
from antiphon.conversation.session import Defaults, describe
from antiphon.conversation.state import Rules
from antiphon.entities.speech import Segment
from antiphon.wire import realtime_codec
from antiphon.wire.realtime_session import AnySessionUpdate
from tests.options import session_rules

MS = 24
OF_WORKERS = (
    inputs.Transcribing,
    inputs.Transcribed,
    inputs.TextMade,
    inputs.CallMade,
    inputs.AnswerMade,
    inputs.AudioMade,
    inputs.SentenceMade,
    inputs.SpeechMade,
    inputs.Failed,
)
_STARTS = effects.StartTranscription | effects.StartScore | effects.StartAnswer | effects.StartSpeech
SAY = "It is noon. The sun is high."


class World:
    """Drives one conversation; `events` are what the client got, as dictionaries."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        transcribes: bool = False,
        lasts_s: float = 3600.0,
        locked: tuple[str, ...] = (),
        contract: Callable[[dict[str, Any]], None] | None = None,
        seed: str = "seed",
    ) -> None:
        self._contract = contract
        self.now = 1000.0
        wish = msgspec.json.decode(b'{"type":"transcription"}', type=AnySessionUpdate) if transcribes else None
        session = describe(wish, Defaults(lasts_s=lasts_s), now=self.now)
        begun = Conversation.begin(
            session, rules or session_rules(), seed=seed, now=self.now, lasts_s=lasts_s, locked=locked
        )
        self._origin = snapshot.dump(begun.state)
        self.machine = self._fresh()
        self.shadow = self._fresh()
        self.log: list[tuple[inputs.AnyInput, float]] = []
        self.events: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.jobs: dict[str, deque[inputs.AnyInput]] = {}
        self.effects: list[effects.Effect] = []
        self.sent_audio: list[inputs.AudioMade] = []
        self._made_audio: dict[int, inputs.AudioMade] = {}
        self.speech: set[int] = set()
        self.client = ClientView()
        self.said = SAY
        self.heard = "what time is it"
        self.finish_reason = "stop"
        self._refs = 0
        self._delta = CheckpointDelta()
        self._pipe: list[inputs.AnyInput] = []
        """Results of workers."""
        self._items: dict[str, bytes] = {}
        self._frame, self._position, self._logged, self._since = b"", 0, 0, 0
        self._started: set[str] = set()
        self.tell(inputs.Opened())

    def _fresh(self) -> Conversation:
        return Conversation(snapshot.load(self._origin))

    # -- inputs ------------------------------------------------------------------------------------------------------
    def tell(self, event: inputs.AnyInput) -> list[dict[str, Any]]:
        """Give one input to the machine and its shadow; returns the new events."""
        before, dumped, given_out = len(self.events), snapshot.dump(self.shadow.state), self.machine.state.counter
        self.log.append((event, self.now))
        found = self.machine.receive(event, self.now)
        self._delta.note(found)
        self.shadow = Conversation(snapshot.load(dumped))
        assert self.shadow.receive(event, self.now) == found, "a loaded conversation gives the same effects"
        for effect in found:
            self._note(effect)
        if isinstance(event, OF_WORKERS):
            self._pipe.append(event)
        elif resume.is_noticeable(found, self.machine.state.counter - given_out):
            self._save()
        fresh = self.events[before:]
        if isinstance(event, inputs.Received | inputs.AudioAppended) and "error" in [one["type"] for one in fresh]:
            self._check_refusal(event, found, dumped)
        while not self.machine.state.closed and self.machine.wake_at(self.now) <= self.now:
            self.tell(inputs.Tick())
        return self.events[before:]

    def _check_refusal(
        self, event: inputs.Received | inputs.AudioAppended, found: list[effects.Effect], dumped: bytes
    ) -> None:
        """A refused event is answered by one error with its id, and changes nothing but the number of ids given out."""
        (refusal,) = found
        given = event.message.event_id if isinstance(event, inputs.Received) else event.event_id
        assert isinstance(refusal, effects.Send)
        assert self.events[-1]["error"]["event_id"] == given
        before = snapshot.load(dumped)
        before.counter = self.machine.state.counter
        before.client_event = self.machine.state.client_event
        assert before == snapshot.load(snapshot.dump(self.machine.state)), "a refused event changes nothing"

    # -- another gateway ---------------------------------------------------------------------------------------------
    def _save(self) -> None:
        parts = self._delta.take(self.machine.state)
        self._frame, self._position, self._logged = parts.frame, len(self._pipe), len(self.raw)
        self._items.update(parts.items)
        for item_id in parts.gone:
            del self._items[item_id]

    def resume(self, *, missed: bool = True) -> None:
        """The gateway is lost and another one resumes the conversation: all events so far come back as they were.

        Without ``missed`` the client does not ask for missed events.
        """
        known, limited = dict(self.jobs), bool(self.machine.state.allowances)
        self.machine = Conversation(snapshot.join(self._frame, self._items))
        replayed = self.raw[: self._logged]
        for event in self._pipe[self._position :]:
            for effect in self.machine.receive(event, self.now):
                replayed += _frames(effect)
                if isinstance(effect, _STARTS):
                    assert effect.job_id in self._started, "no job is started again under another id"
        if not limited:  # what a limit leaves comes from outside and is not saved
            assert replayed == self.raw
        self.jobs = known
        self._position = len(self._pipe)
        self.speech = resume.held_refs(self.machine.state)
        self._origin, self._since = snapshot.dump(self.machine.state), len(self.raw)
        self.shadow = self._fresh()
        self.log.clear()
        self._delta = CheckpointDelta(self._items)
        self.tell(inputs.Resumed(self.machine.state.counter + 1000, keeps_answers=missed))

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Send one client event, through the real decoder."""
        frame = msgspec.json.encode({"type": kind, **fields})
        return self.tell(inputs.Received(realtime_codec.decode(frame)))

    def say_audio(self, ms: int, **fields: Any) -> list[dict[str, Any]]:
        """Add a user message with audio; returns the new events."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_audio"}], **fields}
        frame = msgspec.json.encode({"type": "conversation.item.create", "item": item})
        return self.tell(inputs.Received(realtime_codec.decode(frame), (ms * MS,)))

    def say_text(self, text: str = "hello") -> str:
        """Add a user message; returns its id."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        return self.send("conversation.item.create", item=item)[-1]["item"]["id"]

    def append(self, ms: int, scores: float | None = None) -> None:
        """Append audio; with ``scores`` all its windows sound like that."""
        self.tell(inputs.AudioAppended(ms * MS))
        if scores is not None:
            windows = -(-(self.machine.state.buffer.written - self.machine.state.buffer.scored) // 768)
            self.tell(inputs.VoiceScored(self.machine.state.buffer.stream, (scores,) * windows))

    def speak(self, ms: int = 1000, silence_ms: int = 600) -> None:
        """A turn of speech."""
        self.append(ms, 0.9)
        self.append(silence_ms, 0.01)

    def advance(self, seconds: float) -> None:
        """Let time pass, with a tick whenever the machine wanted one."""
        until = self.now + seconds
        while (at := self.machine.wake_at(self.now)) <= until and not self.machine.state.closed:
            self.now = max(self.now, at)
            self.tell(inputs.Tick())
        self.now = until

    def work(self, job_id: str | None = None, steps: int = 1000) -> None:
        """Let workers continue: one job or all, with ``steps`` results each."""
        for name in [job_id] if job_id else list(self.jobs):
            for _ in range(steps):
                queue = self.jobs.get(name)
                if not queue:
                    break
                self.tell(self._made(queue.popleft()))
            if not self.jobs.get(name):
                self.jobs.pop(name, None)

    def finish(self) -> None:
        """Let all workers finish, and what they start."""
        for _ in range(100):
            if not self.jobs:
                return
            self.work()

    def fail(self, job_id: str) -> None:
        """A job fails."""
        self.jobs.pop(job_id, None)
        self.tell(inputs.Failed(job_id, "api_error", "provider_unavailable", "it broke"))

    def made_audio(self, job_id: str, ticks: int, text: str = "") -> None:
        """A speaker has made this much speech; ``text`` is the sentence that begins with it."""
        self.tell(self._made(inputs.AudioMade(job_id, 0, ticks, text)))

    def _made(self, event: inputs.AnyInput) -> inputs.AnyInput:
        if not isinstance(event, inputs.AudioMade):
            return event
        self._refs += 1
        self.speech.add(self._refs)
        event = self._made_audio[self._refs] = msgspec.structs.replace(event, ref=self._refs)
        return event

    # -- effects -----------------------------------------------------------------------------------------------------
    def _note(self, effect: effects.Effect) -> None:
        self.effects.append(effect)
        for frame in _frames(effect):
            self._sent(frame)
        match effect:
            case effects.SendAudio():
                self.speech.remove(effect.ref)
                self.sent_audio.append(self._made_audio[effect.ref])
            case effects.DropSpeech():
                self.speech.remove(effect.ref)
            case effects.StartTranscription():
                self._started.add(effect.job_id)
                self.jobs[effect.job_id] = self._transcription(effect)
            case effects.StartScore():
                self._started.add(effect.job_id)
                self.jobs[effect.job_id] = deque([inputs.TurnScored(effect.job_id, 0.9)])
            case effects.StartAnswer():
                self._started.add(effect.job_id)
                self._answer(effect)
            case effects.StartSpeech():
                self._started.add(effect.job_id)
                audio = [inputs.AudioMade(effect.job_id, 0, 500 * MS, text) for text in (effect.text, "")]
                self.jobs[effect.job_id] = deque([*audio, inputs.SpeechMade(effect.job_id)])
            case effects.CancelJob():
                pass  # a late result may still come: the queue stays
            case _:
                pass

    def _sent(self, frame: bytes) -> None:
        event = msgspec.json.decode(frame)
        self.raw.append(frame)
        self.events.append(event)
        self.client.receive(event)
        if self._contract is not None:
            self._contract(event)

    def _transcription(self, effect: effects.StartTranscription) -> deque[inputs.AnyInput]:
        segment = Segment(self.heard, 0.0, 1.0)
        partial: list[inputs.AnyInput] = [inputs.Transcribing(effect.job_id, segment)] if self.heard else []
        return deque([*partial, inputs.Transcribed(effect.job_id, self.heard, 1.0)])

    def _answer(self, effect: effects.StartAnswer) -> None:
        job, speaker, choice = effect.job_id, effect.speak_job_id, effect.request.tool_choice
        if effect.request.tools and (choice == "required" or choice.startswith("function:")):
            name = effect.request.tools[0].name
            calls = [inputs.CallMade(job, 0, f"call_{job}", name, piece) for piece in ('{"a":', "1}")]
            self.jobs[job] = deque([*calls, inputs.AnswerMade(job, "tool_calls", 5, 3)])
            if speaker:
                self.jobs[speaker] = deque([inputs.SpeechMade(speaker)])
            return
        words = [f"{word} " for word in self.said.split()]
        self.jobs[job] = deque(
            [*(inputs.TextMade(job, word) for word in words), inputs.AnswerMade(job, self.finish_reason, 7, 9)]
        )
        if speaker:
            sentences = [f"{part}." for part in self.said.rstrip(".").split(". ")]
            spoken: list[inputs.AnyInput] = []
            for sentence in sentences:
                spoken += [inputs.AudioMade(speaker, 0, 500 * MS, text) for text in (sentence, "")]
                spoken.append(inputs.SentenceMade(speaker))
            self.jobs[speaker] = deque([*spoken, inputs.SpeechMade(speaker)])

    # -- questions ---------------------------------------------------------------------------------------------------
    def types(self) -> list[str]:
        """Types of all events so far."""
        return [event["type"] for event in self.events]

    def last(self, kind: str) -> dict[str, Any]:
        """The newest event of a type."""
        return next(event for event in reversed(self.events) if event["type"] == kind)

    def started(self, kind: type[Any]) -> list[Any]:
        """All effects of a kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def request(self) -> Any:
        """What the language model was asked last."""
        return self.started(effects.StartAnswer)[-1].request

    def replay(self) -> list[bytes]:
        """Run the log once more on a fresh machine; returns all frames."""
        again, frames = self._fresh(), self.raw[: self._since]
        for event, now in self.log:
            for effect in again.receive(event, now):
                frames += _frames(effect)
        return frames


def _frames(effect: effects.Effect) -> list[bytes]:
    """Return what an effect sends to the client."""
    match effect:
        case effects.Send() | effects.SendItem():
            return [realtime_codec.encode(effect.event)]
        case effects.SendAudio():
            return [realtime_codec.encode_audio_delta(effect.event, b"\0\0")]
        case _:
            return []


class OneStory:
    """All events about one item, or one response, tell the same state of it."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Any]] = {}
        """What was told last of each item."""
        self._said: dict[str, str] = {}
        """The deltas of each item of a response."""
        self._made: dict[str, list[str]] = {}
        """The items of each response."""
        self._created: dict[str, dict[str, Any]] = {}

    def receive(self, event: dict[str, Any]) -> None:
        """Check one event against those before it."""
        match event["type"]:
            case "response.created":
                self._created[event["response"]["id"]] = event["response"]
                self._made[event["response"]["id"]] = []
            case "response.done":
                self._response_done(event["response"])
            case "response.output_item.added":
                self._made[event["response_id"]].append(event["item"]["id"])
                self._tell(event["item"], status="in_progress")
            case "response.output_item.done":
                self._tell(event["item"])
                assert event["item"]["status"] != "in_progress"
                assert self._said.get(event["item"]["id"], "") == _words(event["item"]), "deltas make the whole"
            case "conversation.item.added":
                self._same(event["item"]) if event["item"]["id"] in self._items else self._tell(event["item"])
            case "conversation.item.done" | "conversation.item.retrieved":
                self._same(event["item"])
            case "conversation.item.input_audio_transcription.completed":
                self._items[event["item_id"]]["content"][event["content_index"]]["transcript"] = event["transcript"]
            case "conversation.item.truncated":
                self._items[event["item_id"]]["content"][event["content_index"]]["transcript"] = None
            case "conversation.item.deleted":
                del self._items[event["item_id"]]
            case kind if kind.startswith("response."):
                self._part(kind, event)
            case _:
                pass

    def _tell(self, item: dict[str, Any], **expected: str) -> None:
        assert expected.items() <= item.items()
        self._items[item["id"]] = copy.deepcopy(item)

    def _same(self, item: dict[str, Any]) -> None:
        known = self._items[item["id"]]
        told = [part.get("transcript") for part in known.get("content", ())]
        if known["status"] != "in_progress" and item.get("role") == "assistant" and None in told:  # it was truncated
            item = {**item, "content": known["content"]}
        assert item == known

    def _part(self, kind: str, event: dict[str, Any]) -> None:
        item_id = event.get("item_id", "")
        if kind.endswith(".delta") and kind != "response.output_audio.delta":
            self._said[item_id] = self._said.get(item_id, "") + event["delta"]
        elif kind == "response.function_call_arguments.done":
            known = self._items[item_id]
            assert (event["name"], event["call_id"]) == (known["name"], known["call_id"])
            assert event["arguments"] == self._said.get(item_id, "")
        elif kind.endswith(".done") and kind != "response.output_audio.done":
            assert _words({"content": [event.get("part", event)]}) == self._said.get(item_id, "")

    def _response_done(self, response: dict[str, Any]) -> None:
        created, made = self._created.pop(response["id"]), self._made.pop(response["id"])
        until_done = {"status": None, "status_details": None, "output": None, "usage": None}
        assert {**response, **until_done} == {**created, **until_done}, "only how it ended is new"
        assert [item["id"] for item in response["output"]] == made
        for item in response["output"]:
            self._same(item)


def _words(item: dict[str, Any]) -> str:
    if "arguments" in item:
        return item["arguments"]
    return "".join((part.get("transcript") or part.get("text") or "") for part in item["content"])


class ClientView:
    """What a strict client makes of the events; every assertion is a rule that real clients depend on."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.done: set[str] = set()
        self.open: dict[str, str | None] = {}
        self.parts: dict[tuple[str, str], str] = {}
        self.last_event_id = ""
        self._story = OneStory()

    def receive(self, event: dict[str, Any]) -> None:
        """Check one event."""
        assert event["event_id"] > self.last_event_id, "event ids grow"
        self.last_event_id = event["event_id"]
        self._story.receive(event)
        kind = event["type"]
        if kind in ("conversation.item.added", "conversation.item.done"):
            self._item(kind, event)
        elif kind == "conversation.item.deleted":
            self.order.remove(event["item_id"])
        elif kind == "response.created":
            self._created(event["response"])
        elif kind.startswith("response."):
            self._response(kind, event)

    def _item(self, kind: str, event: dict[str, Any]) -> None:
        item_id, previous = event["item"]["id"], event["previous_item_id"]
        if kind == "conversation.item.added":
            assert item_id not in self.order, "an item is added once"
            assert previous is None or previous in self.order, "the item before is known"
            self.order.insert(0 if previous is None else self.order.index(previous) + 1, item_id)
        else:
            at = self.order.index(item_id)
            assert previous == (self.order[at - 1] if at else None), "previous_item_id is the item before"

    def _created(self, response: dict[str, Any]) -> None:
        assert response["id"] not in self.open
        assert response["id"] not in self.done
        if response["conversation_id"] is not None:
            assert all(owner is None for owner in self.open.values()), "one answer of the conversation at a time"
        self.open[response["id"]] = response["conversation_id"]

    def _response(self, kind: str, event: dict[str, Any]) -> None:
        if kind == "response.done":
            response = event["response"]
            assert response["id"] in self.open, "done follows created, once"
            assert not [key for key in self.parts if key[0] == response["id"] and self.parts[key] != "done"]
            del self.open[response["id"]]
            self.done.add(response["id"])
            return
        response_id = event["response_id"]
        assert response_id in self.open, f"{kind} of a response that is not in progress"
        item_id = event.get("item_id") or event["item"]["id"]
        state = self.parts.get((response_id, item_id))
        if kind == "response.output_item.added":
            assert state is None
            self.parts[response_id, item_id] = "open"
        elif kind == "response.output_item.done":
            assert state == "open"
            self.parts[response_id, item_id] = "done"
        else:
            assert state == "open", f"{kind} of an item that is not open"

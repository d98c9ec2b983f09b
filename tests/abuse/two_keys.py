"""Two keys with secrets of three kinds that do at random what one may do, and what is none of their business."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from antiphon.doors.access.authentication import key_id
from tests.abuse import in_process
from tests.abuse.in_process import Peer
from tests.abuse.in_process_worker import PollingWire, SocketWire, Worker
from tests.abuse.owning import TRANSLATION
from tests.dubbing import CONFIG, sound

KINDS = ("realtime", "transcription", "translation")
_MOST_OPEN = 5
_MOST_OF_A_SECRET = 2
"""Sessions, where its request says nothing of it."""
_SESSION = re.compile("sess_[0-9A-Za-z]+")


@dataclass(eq=False)
class Bearer:
    """A key, or a secret that it has issued."""

    owner: str
    key: str
    kind: str = ""
    """Empty for a key."""


@dataclass(eq=False)
class Held:
    """A session, and the connection that it has."""

    bearer: Bearer
    via: Bearer
    """Who has the connection."""
    kind: str
    peer: Peer
    name: str = ""
    token: str = ""
    is_connected: bool = True
    has_begun: bool = False
    """True when there is something to resume: nothing was said before."""

    def resumes_for(self, other: Bearer, token: str) -> bool:
        """Say who may resume it, by the table of docs/how-to/resume.md."""
        if self.kind == "translation" or other.owner != self.bearer.owner:
            return False
        return other is self.bearer or (token == self.token and other.kind in ("", self.kind))


@dataclass(eq=False)
class Stream:
    """A stream of dubbing, and the connection that it has."""

    worker: Worker | None = None
    expected: int = 0
    """Number of its next fragment."""


@dataclass
class World:
    """What both have, and what each of them must not see."""

    app: Any
    artifacts: Path
    """Where fragments are kept."""
    dice: random.Random
    keys: dict[str, str]
    bearers: list[Bearer] = field(default_factory=list)
    sessions: list[Held] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Owner of every session so far."""
    streams: dict[tuple[str, str], Stream] = field(default_factory=dict)
    """By owner and id."""
    spent: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    # -- what may be done --------------------------------------------------------------------------------------------
    async def issue(self) -> None:
        """Ask for a secret, with a key or with a secret, which may not."""
        bearer, kind = self.dice.choice(self.bearers), self.dice.choice(KINDS)
        path = "/v1/realtime/translations/client_secrets" if kind == "translation" else "/v1/realtime/client_secrets"
        session = {"session": {"type": kind}} if kind != "translation" else TRANSLATION
        if kind == "realtime":
            session["session"]["instructions"] = self._mark(bearer.owner)
        status, body = await in_process.post(self.app, path, bearer.key, session)
        assert status == (403 if bearer.kind else 200), body
        if status == 200:
            self.bearers.append(Bearer(bearer.owner, json.loads(body)["value"], kind))

    async def begin(self) -> None:
        """Open a session, or end one where there are many."""
        bearer = self.dice.choice([*self.bearers[:2], *self.bearers[-6:]])  # some often, so that a secret has many
        mine = [held for held in self._connected() if held.bearer.owner == bearer.owner]
        if len(mine) >= _MOST_OPEN:
            await self._end(self.dice.choice(mine), 1000)
            return
        kind = bearer.kind or self.dice.choice(KINDS)
        path = "/v1/realtime/translations" if kind == "translation" else "/v1/realtime"
        intent = "?intent=transcription" if kind == "transcription" and not bearer.kind else ""
        peer = Peer(self.app, path + intent, bearer.key)
        assert await peer.open() == (101, None)
        self.spent[bearer.owner] += kind != "realtime"
        await self._greet(Held(bearer, bearer, kind, peer))

    async def lose(self) -> None:
        """Lose a connection."""
        if connected := self._connected():
            await self._end(self.dice.choice(connected), 1006)

    async def resume(self) -> None:
        """Try to resume any session with anything."""
        if not self.sessions:
            return
        held, bearer = self.dice.choice(self.sessions), self.dice.choice([*self.bearers[:2], *self.bearers])
        token = self.dice.choice(["", held.token, held.token, held.token[:-1], self.dice.choice(self.sessions).token])
        headers = {"x-antiphon-resume-token": token} if token and self.dice.random() < 0.5 else {}
        query = f"&resume_token={token}" if token and not headers else ""
        peer = Peer(self.app, f"/v1/realtime?session_id={held.name}{query}", bearer.key, **headers)
        status, error = await peer.open()
        if not held.resumes_for(bearer, token):
            assert (status, error["code"]) == (404, "session_not_found")
            self.done["kept out"] += 1
            return
        assert status == 101, error
        self.sessions.remove(held)
        if held.is_connected:
            assert (await self._closed(held.peer)) == 4409
        await self._greet(Held(held.bearer, bearer, held.kind, peer, has_begun=True))
        await peer.until("antiphon.session.resumed")

    async def say(self) -> None:
        """Send an event that changes a session, and wait for what it leads to."""
        if not (connected := self._connected()):
            return
        held = self.dice.choice(connected)
        held.has_begun = True
        text = self._mark(held.bearer.owner)
        if held.kind == "transcription":
            self._send(held, "session.update", session={"type": "transcription", "include": None})
            await held.peer.until("session.updated")
        elif held.kind == "translation":
            self._send(held, "session.update", session={"audio": {"output": {"language": "fr"}}})
            await held.peer.until("session.updated")
        elif self.dice.random() < 0.5:
            self._send(held, "session.update", session={"type": "realtime", "instructions": text})
            assert text in json.dumps(await held.peer.until("session.updated"))
        else:
            part = {"type": "input_text", "text": text}
            item = {"type": "message", "role": "user", "content": [part]}
            self._send(held, "conversation.item.create", item=item)
            await held.peer.until("conversation.item.done")

    async def answer(self) -> None:
        """Have a text answered, which is charged to the key."""
        talking = [held for held in self._connected() if held.kind == "realtime"]
        if talking:
            held = self.dice.choice(talking)
            held.has_begun = True
            self._send(held, "response.create", response={"output_modalities": ["text"]})
            (limit,) = (await held.peer.until("rate_limits.updated"))["rate_limits"]
            await held.peer.until("response.done")
            self.spent[held.bearer.owner] += 1
            assert limit["remaining"] >= limit["limit"] - self.spent[held.bearer.owner]

    async def dub(self) -> None:
        """Begin a stream whose id the other may have as well, or resume one's own."""
        owner, stream_id = self.dice.choice(list(self.keys)), f"match-{self.dice.randrange(3)}"
        wire = self.dice.choice([SocketWire, PollingWire])
        one = Worker(wire(self.app, self.keys[owner]))
        await one.greet()
        await one.emit("stream:init", {"stream_id": stream_id, "worker_id": self._mark(owner), "config": CONFIG})
        await one.next("stream:ready")
        self.spent[owner] += 1  # a stream that is resumed costs nothing, so this is the most
        stream = self.streams.setdefault((owner, stream_id), Stream())
        if stream.worker is not None:  # one's own
            await stream.worker.ended()
            self._check_frames(stream.worker.frames, owner)
        stream.worker = one
        self.done["polled"] += wire is PollingWire
        self.done["resumed"] += stream.expected > 0

    async def fragment(self) -> None:
        """Have a fragment dubbed: a stream that was kept goes on where it was."""
        connected = [(key, stream) for key, stream in self.streams.items() if stream.worker is not None]
        if not connected:
            return
        (owner, stream_id), stream = self.dice.choice(connected)
        assert stream.worker is not None
        name = f"{self._mark(owner)} {stream_id} {stream.expected}"
        wish = {"fragment_id": name, "stream_id": stream_id, "sequence_number": stream.expected, "timestamp": 0}
        await stream.worker.emit("fragment:data", {**wish, "audio": sound()})
        result = await stream.worker.next("fragment:processed")
        assert (result["fragment_id"], result["sequence_number"], result["status"]) == (
            name,
            stream.expected,
            "success",
        )
        stream.expected += 1

    async def leave(self) -> None:
        """Lose the connection of a stream, which is kept if it has had fragments."""
        connected = [(key, stream) for key, stream in self.streams.items() if stream.worker is not None]
        if connected:
            key, stream = self.dice.choice(connected)
            assert stream.worker is not None
            self._check_frames(stream.worker.frames, key[0])
            await stream.worker.lose()
            stream.worker = None
            if not stream.expected:
                del self.streams[key]

    async def scrape(self) -> None:
        """Read the metrics with a key, or with a secret, which may not."""
        bearer = self.dice.choice([*self.bearers[:2], *self.bearers])
        status, body = await in_process.request(self.app, "GET", "/metrics", bearer.key)
        assert status == (403 if bearer.kind else 200)
        text = body.decode()
        for name in ("match-", "belongs to", "sess_", "ek_", *(key_id(key) for key in self.keys.values())):
            assert name not in text, name

    async def browse(self) -> None:
        """Look at what is kept of fragments: each lies in the folder of its key."""
        for path in self.artifacts.glob("*/*/*/*"):
            tenant, key, stream_id, fragment_id = path.relative_to(self.artifacts).parts
            owner = next(name for name, secret in self.keys.items() if key_id(secret) == key)
            assert (tenant, unquote(fragment_id).startswith(f"{self._mark(owner)} {stream_id} ")) == ("default", True)
            self.done[f"kept of {owner}"] += 1

    # -- what must hold ----------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Nobody has seen or lost anything because of the other."""
        for held in self._connected():
            assert not held.peer.closed
            self._check_frames(held.peer.frames, held.bearer.owner)
        for (owner, _), stream in self.streams.items():
            if stream.worker is not None:
                assert not stream.worker.is_over
                self._check_frames(stream.worker.frames, owner)

    def _check_frames(self, frames: list[str], owner: str) -> None:
        for frame in frames:
            assert all(self._mark(other) not in frame for other in self.keys if other != owner), frame
            assert all(self.names.get(name, owner) == owner for name in _SESSION.findall(frame)), frame
        frames.clear()

    # -- parts -------------------------------------------------------------------------------------------------------
    def _mark(self, owner: str) -> str:
        return f"belongs to {owner}"

    def _connected(self) -> list[Held]:
        return [held for held in self.sessions if held.is_connected]

    def _send(self, held: Held, kind: str, **fields: Any) -> None:
        held.peer.send(json.dumps({"type": kind, **fields}))

    async def _greet(self, held: Held) -> None:
        created = await held.peer.until("session.created")
        held.name, held.token = created["session"]["id"], created.get("antiphon", {}).get("resume_token", "")
        assert bool(held.token) == (held.kind != "translation")
        assert self.names.setdefault(held.name, held.bearer.owner) == held.bearer.owner
        self.sessions.append(held)
        of_secret = [one for one in self._connected() if one.via is held.via] if held.via.kind else []
        for oldest in of_secret[:-_MOST_OF_A_SECRET]:  # one's own
            assert await self._closed(oldest.peer) == 1008
            self._check_frames(oldest.peer.frames, oldest.bearer.owner)
            self.sessions.remove(oldest)
            self.done["ended"] += 1

    async def _end(self, held: Held, code: int) -> None:
        self._check_frames(held.peer.frames, held.bearer.owner)
        await held.peer.leave(code)
        held.is_connected = False
        if code == 1000 or held.kind == "translation" or not held.has_begun:
            self.sessions.remove(held)

    async def _closed(self, peer: Peer) -> int:
        while not peer.closed:
            await peer.frame_or_close()
        return peer.closed

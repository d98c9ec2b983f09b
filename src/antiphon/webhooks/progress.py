"""How far events have come: which endpoints took them, and when the others are tried again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from antiphon.entities.events import Event
from antiphon.webhooks.endpoints import Endpoint

_EARLY_S = 1.0
"""An attempt may be made this much before its time: the clock of the log may differ a little from ours."""


@dataclass(slots=True)
class Failure:
    """Failed attempts to send one event to one endpoint."""

    count: int = 0
    reason: str = ""
    due_at: float = 0.0
    """Time of the next attempt, seconds since the epoch."""


@dataclass(slots=True)
class Progress:
    """How far one event has come."""

    former_failures: int = 0
    """Failures before this process knew the event."""
    taken: set[str] = field(default_factory=set[str])
    """Names of endpoints that have the event."""
    gone: dict[str, str] = field(default_factory=dict[str, str])
    """Endpoints that want it no more, with the reason."""
    failed: dict[str, Failure] = field(default_factory=dict[str, Failure])

    def due(self, endpoints: Iterable[Endpoint], now: float) -> list[Endpoint]:
        """Return the endpoints that the event is to be sent to now."""
        return [one for one in self.open(endpoints) if self._due_at(one) <= now + _EARLY_S]

    def open(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Return the endpoints without a final outcome."""
        return [one for one in endpoints if one.name not in self.taken and one.name not in self.gone]

    def next_due_at(self, endpoints: Iterable[Endpoint]) -> float | None:
        """Return when the next attempt is due; None: every endpoint has a final outcome."""
        return min((self._due_at(one) for one in self.open(endpoints)), default=None)

    def _due_at(self, endpoint: Endpoint) -> float:
        failure = self.failed.get(endpoint.name)
        return 0.0 if failure is None else failure.due_at

    def failure(self, endpoint: Endpoint) -> Failure:
        """Return the failures of an endpoint, to be changed."""
        return self.failed.setdefault(endpoint.name, Failure(self.former_failures))

    def took(self, endpoint: Endpoint) -> None:
        """Note that an endpoint has the event."""
        self.taken.add(endpoint.name)
        self.failed.pop(endpoint.name, None)

    def reason(self, endpoints: Sequence[Endpoint]) -> str:
        """Return why the event is dead: the reason of each endpoint that does not have it."""
        failed = {name: failure.reason for name, failure in self.failed.items()}
        reasons = {**failed, **self.gone}
        return "; ".join(f"{one.name} {reasons[one.name]}" for one in endpoints if reasons.get(one.name))

    def begin_again(self) -> None:
        """Forget the failures; endpoints that have the event do not get it again."""
        self.former_failures = 0
        self.gone.clear()
        self.failed.clear()


class Memory:
    """The progress of the newest events, up to a capacity: without it an endpoint may get an event twice."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, str], Progress] = OrderedDict()

    def progress(self, event: Event, attempt: int) -> Progress:
        """Return the progress of an event that is delivered for the ``attempt``-th time."""
        key = (event.tenant, event.event_id)
        found = self._known.setdefault(key, Progress(former_failures=attempt - 1))
        self._known.move_to_end(key)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return found

    def forget(self, event: Event) -> None:
        """Drop the progress of an event that is done."""
        self._known.pop((event.tenant, event.event_id), None)

    def __len__(self) -> int:
        return len(self._known)

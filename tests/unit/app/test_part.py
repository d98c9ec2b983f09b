"""A feature plugs in at one place: one file in `antiphon.app.parts`, and no list elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
import websockets

from antiphon.app import parts
from antiphon.app import process as processes
from antiphon.app.engines import KINDS
from antiphon.app.roles import all_parts, all_roles, engine_kinds, parse_roles
from antiphon.app.variables import unknown_variables
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Work
from tests.serving import serving

TOY = '''"""An echo: a kind of work of its own, a queue, a WebSocket that asks for it, a task, a check and a metric."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.app.part import Added, Part, Workload
from antiphon.app.services import Services
from antiphon.ports.settings import Section
from antiphon.wire.entries import PipeEntry
from antiphon.wire.jobs import Work


class ToySettings(Section):
    """Of the toy."""

    toy_mark: str = ""


class Shout(Work, frozen=True, tag="shout"):
    """Say it louder."""

    queue = "shout"
    group = "shouters"
    text: str


class Shouted(PipeEntry, frozen=True, tag="shouted"):
    """It was said."""

    is_last = True
    text: str


class ShoutMetrics:
    def __init__(self, registry: Any) -> None:
        from prometheus_client import Counter

        self.done = Counter("shouts", "What was said louder.", ["outcome"], registry=registry)


def _work(services: Services) -> Added:
    async def handle(job: Any, emit: Any, bus: Any) -> None:
        await emit([Shouted(job.id, job.work.text.upper())])

    counted = services.measures(ShoutMetrics).done
    return Added(work=(Workload("shout", handle, 1, measure=lambda outcome, _: counted.labels(outcome).inc()),))


def _door(services: Services) -> Added:
    from antiphon.app.settings import load

    turns: list[int] = []
    mark = load(ToySettings).toy_mark

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        said = await services.jobs.result(Shout(text), Shouted)
        await send({"type": "websocket.send", "text": f"{scope['path_params']['who']}: {said.text}{mark}"})
        await send({"type": "websocket.close", "code": 1000})

    async def count() -> None:
        turns.append(1)

    return Added(sockets={"/v1/toys/{who}/shout": socket}, tasks={"toy": count}, checks=lambda: {"toy": bool(turns)})


def _metrics() -> Sequence[Any]:
    return (ShoutMetrics,)


PART = Part(
    adds={"shout": _work, "gateway": _door},
    metrics=_metrics,
    commands={"shout": ("antiphon.app.parts.toy:PART", "Say something louder.")},
)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy feature, as long as the test lasts."""
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(parts, "__path__", [*parts.__path__, str(folder)])
    all_parts.cache_clear()
    kinds, entries = list(Work.kinds), list(PipeEntry.kinds)
    yield
    Work.kinds[:], PipeEntry.kinds[:] = kinds, entries
    sys.modules.pop("antiphon.app.parts.toy", None)
    all_parts.cache_clear()


@pytest.mark.usefixtures("toy")
async def test_a_feature_in_one_file_is_served_worked_on_watched_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTIPHON_TOY_MARK", "!")
    assert "shout" in all_roles()
    assert [name for name, _ in unknown_variables(["ANTIPHON_TOY_MARK", "ANTIPHON_TOY_MARX"])] == ["ANTIPHON_TOY_MARX"]
    assert parse_roles(["shout"]) == {"shout"}
    async with serving(tmp_path / "data") as served:
        async with websockets.connect(f"{served.ws}/v1/toys/ann/shout", compression=None) as socket:
            await socket.send("hello")
            assert await socket.recv() == "ann: HELLO!"
        async with httpx.AsyncClient(base_url=served.url) as client:
            assert (await client.get("/ready")).json()["checks"]["toy"] is True
            metrics = (await client.get("/metrics")).text
        assert 'shouts_total{outcome="done"} 1.0' in metrics
        assert 'worker_utilization{queue="shout"} 0.0' in metrics
        assert 'queue_depth{queue="shout"} 0.0' in metrics


@pytest.mark.usefixtures("toy")
async def test_two_parts_that_add_the_same_socket_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = all_parts()["toy"]
    monkeypatch.setattr(processes, "all_parts", lambda: {**all_parts(), "twin": toy})
    with pytest.raises(ValueError, match=r"Two parts add the socket '/v1/toys/\{who\}/shout'"):
        async with serving(tmp_path / "data"):
            pass


@pytest.mark.usefixtures("toy")
def test_a_command_of_a_feature_is_listed_with_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    from antiphon.cli.main import run

    with pytest.raises(SystemExit):
        run(["--help"])
    assert "Say something louder." in capsys.readouterr().out


def test_every_part_says_at_least_one_role_and_engines_only_of_its_roles() -> None:
    for name, part in all_parts().items():
        assert part.adds, name
        assert set(part.engines) <= set(part.adds), name


@pytest.mark.parametrize("role", sorted(all_roles()))
def test_a_process_loads_the_parts_of_its_role_and_no_other(role: str) -> None:
    """Asked of a process of its own, for what another test has imported stays imported."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, role], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    doors = {name for name in loaded if name.startswith("antiphon.doors.")}
    rooms = {name.split(".")[2] for name in doors}
    if role == "gateway":
        assert {"realtime", "translation", "dubbing", "rest"} <= rooms
        assert "antiphon.workers.transcribe" not in loaded
    else:
        assert not rooms & {"realtime", "translation", "dubbing"}, sorted(doors)
        others = {"transcribe", "respond", "speak", "translate", "score", "persist", "dub"} - {role}
        assert not {f"antiphon.workers.{other}" for other in others} & loaded
        assert rooms <= {"access", "errors", "http", "operation", "server", "websocket"}, sorted(doors)
        kinds = engine_kinds(parse_roles([role]))
        assert {kind for kind in KINDS if f"antiphon.providers.stub.{kind}" in loaded} == kinds


_LOADED = """
import sys, asyncio, tempfile
from pathlib import Path
from antiphon.app.settings import load_settings
from antiphon.app.process import Process
from antiphon.app.services import Services
from antiphon.app.engines import make_engines
from antiphon.app.sharing import shared
from antiphon.app.roles import parse_roles
from antiphon.clock import SystemClock
from antiphon.observe.metrics import Metrics

async def main():
    with tempfile.TemporaryDirectory() as folder:
        stubs = {kind: ("stub",) for kind in ("stt", "llm", "tts", "vad", "end_of_turn", "translation", "embedding")}
        settings = load_settings(data_dir=Path(folder), **stubs)
        metrics = Metrics()
        async with shared(settings, SystemClock(), metrics) as own:
            engines = make_engines(settings)
            roles = parse_roles(sys.argv[1:])
            Process(Services(settings, roles, SystemClock(), metrics, own, engines))
    print(*sorted(name for name in sys.modules if name.startswith("antiphon.")))

asyncio.run(main())
"""

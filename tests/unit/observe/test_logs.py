from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import antiphon
from antiphon.observe.logs import AREAS, configure, parse_levels
from antiphon.observe.redaction import REDACTED


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in [*logging.root.manager.loggerDict]}
    for name in levels:  # a server of an earlier test has silenced some
        logging.getLogger(name).setLevel(logging.NOTSET)
        logging.getLogger(name).propagate = True
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def set_up(**options: Any) -> io.StringIO:
    logging.getLogger().handlers.clear()  # pytest's own are put back afterwards, not closed
    stream = io.StringIO()
    configure(**{"service": "gateway", "style": "json", "stream": stream, **options})
    return stream


def test_a_json_line_has_every_field_that_is_searched_by() -> None:
    stream = set_up()
    structlog.get_logger("antiphon.worker").info("job failed", tenant_id="t", session_id="s", correlation_id="c")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "service": "gateway",
        "tenant_id": "t",
        "session_id": "s",
        "correlation_id": "c",
        "trace_id": "",
        "message": "job failed",
    }


def test_the_fields_are_there_even_when_nobody_gave_them() -> None:
    stream = set_up()
    structlog.get_logger("antiphon").warning("starting")
    (line,) = lines(stream)
    assert (line["tenant_id"], line["session_id"], line["correlation_id"]) == ("", "", "")


def test_bound_context_is_on_every_line() -> None:
    stream = set_up()
    with structlog.contextvars.bound_contextvars(session_id="s1"):
        structlog.get_logger("antiphon.doors").info("opened")
    assert lines(stream)[0]["session_id"] == "s1"


def test_foreign_libraries_log_in_the_same_shape() -> None:
    stream = set_up()
    logging.getLogger("uvicorn.error").info("listening on %s", "127.0.0.1")
    (line,) = lines(stream)
    assert (line["message"], line["service"], line["level"]) == ("listening on 127.0.0.1", "gateway", "info")


def test_what_people_said_is_hidden() -> None:
    stream = set_up()
    structlog.get_logger("antiphon").info("heard", **{"pii.transcript": "my card is 1234"}, words=4)
    (line,) = lines(stream)
    assert (line["pii.transcript"], line["words"]) == (REDACTED, 4)
    assert "1234" not in stream.getvalue()


def test_what_people_said_is_shown_only_on_demand() -> None:
    stream = set_up(reveal=True)
    structlog.get_logger("antiphon").info("heard", **{"pii.transcript": "hello"}, api_key="k")
    (line,) = lines(stream)
    assert (line["pii.transcript"], line["api_key"]) == ("hello", REDACTED)


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": "topsecret"},
        {"openai_api_key": "topsecret"},
        {"client_secret": {"value": "topsecret"}},
        {"headers": {"Authorization": "Basic topsecret"}},
        {"settings": [{"password": "topsecret"}]},
        {"url": "wss://host/v1/realtime?access_token=topsecret&model=x"},
        {"error": "refused: Bearer topsecret"},
        {"error": "bad key sk-topsecret123"},
        {"error": "expired ek_topsecret123"},
        {"audio": b"topsecret"},
        {"nested": {"pii.name": "topsecret"}},
    ],
)
@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_reaches_a_line(fields: dict[str, Any], style: str) -> None:
    stream = set_up(style=style)
    structlog.get_logger("antiphon").error("refused", **fields)
    assert "refused" in stream.getvalue()
    assert "topsecret" not in stream.getvalue()


def test_counts_of_tokens_and_empty_keys_are_no_secrets() -> None:
    stream = set_up()
    structlog.get_logger("antiphon").info("used", input_tokens=5, api_key="")
    (line,) = lines(stream)
    assert (line["input_tokens"], line["api_key"]) == (5, "")


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_secret_in_an_exception_is_hidden_and_locals_are_not_shown(style: str) -> None:
    stream = set_up(style=style)
    transcript = " ".join(("words", "of", "a", "caller"))
    try:
        int("401 for Bearer topsecret")
    except ValueError:
        structlog.get_logger("antiphon").exception("call failed", length=len(transcript))
    assert "401 for Bearer" in stream.getvalue()
    assert "topsecret" not in stream.getvalue()
    assert transcript not in stream.getvalue()


def test_levels_are_set_by_area() -> None:
    stream = set_up(level="warning", levels="worker=debug, gateway=error")
    structlog.get_logger("antiphon.workers.loop").debug("worker debug")
    structlog.get_logger("antiphon.doors.access.authentication").warning("gateway warning")
    structlog.get_logger("antiphon.doors.access.authentication").error("gateway error")
    structlog.get_logger("antiphon.store").info("store info")
    structlog.get_logger("antiphon.store").warning("store warning")
    assert [line["message"] for line in lines(stream)] == ["worker debug", "gateway error", "store warning"]


SOURCE = Path(antiphon.__file__).parent


def test_every_logger_is_called_like_its_module_and_belongs_to_an_area() -> None:
    named: dict[str, list[str]] = {}
    for path in SOURCE.rglob("*.py"):
        names = re.findall(r"get_?[lL]ogger\(([^)]*)\)", path.read_text("utf-8"))
        if names and path.name != "logs.py":
            named[".".join(("antiphon", *path.relative_to(SOURCE).with_suffix("").parts))] = names
    assert len(named) > 30
    assert {name for names in named.values() for name in names} == {"__name__"}
    covered = [prefix for loggers in AREAS.values() for prefix in loggers]
    assert [module for module in named if not any(module.startswith(f"{prefix}.") for prefix in covered)] == []


def test_every_area_of_ours_is_a_folder() -> None:
    ours = [name for loggers in AREAS.values() for name in loggers if name.startswith("antiphon.")]
    assert [name for name in ours if not (SOURCE / name.removeprefix("antiphon.")).is_dir()] == []


def test_requests_of_libraries_are_quiet_unless_asked_for() -> None:
    stream = set_up()
    logging.getLogger("uvicorn.access").info("GET /")
    assert lines(stream) == []
    stream = set_up(levels="uvicorn.access=info")
    logging.getLogger("uvicorn.access").info("GET /")
    assert [line["message"] for line in lines(stream)] == ["GET /"]


@pytest.mark.parametrize("name", ["openai._base_client", "anthropic._base_client", "deepl", "httpx2"])
def test_what_is_sent_to_services_is_not_logged_even_where_all_else_is(name: str) -> None:
    stream = set_up(level="debug")
    logging.getLogger(name).debug("Request options: what somebody said")
    logging.getLogger(name).warning("gone")
    assert [line["message"] for line in lines(stream)] == ["gone"]


def test_a_console_line_is_short() -> None:
    stream = set_up(style="console")
    structlog.get_logger("antiphon").info("ready", port=8000)
    line = stream.getvalue()
    assert "ready" in line
    assert "port=8000" in line
    assert "tenant_id" not in line
    assert "\x1b" not in line


def test_auto_is_json_where_nobody_watches() -> None:
    stream = set_up(style="auto")
    structlog.get_logger("antiphon").info("ready")
    assert lines(stream)[0]["message"] == "ready"


def test_areas_and_levels_are_read_from_text() -> None:
    assert parse_levels("") == {}
    assert parse_levels("gateway=info, worker=DEBUG,") == {"gateway": "info", "worker": "DEBUG"}


@pytest.mark.parametrize("levels", ["gateway", "=info", "worker=loud"])
def test_a_level_that_makes_no_sense_is_refused(levels: str) -> None:
    with pytest.raises(ValueError, match="level"):
        parse_levels(levels)


def test_a_configured_secret_is_hidden_by_its_value() -> None:
    stream = set_up(secrets=["an-odd-password-of-ours"])
    structlog.get_logger("antiphon").error(
        "refused an-odd-password-of-ours", error=ValueError("an-odd-password-of-ours")
    )
    logging.getLogger("foreign").warning("at %s", "an-odd-password-of-ours")
    assert "odd-password" not in stream.getvalue()
    assert len(lines(stream)) == 2


def test_what_a_client_sent_does_not_steer_the_terminal() -> None:
    stream = set_up(style="console")
    structlog.get_logger("antiphon").info(
        "connected\x1b[2J", stream_id="a\x1b]0;pwned\x07b\r\x9b1m", worker={"\x1b": ["\x08"]}
    )
    structlog.get_logger("antiphon").info("two\nlines", worker="c\u061cd\u202ee")
    shown = stream.getvalue()
    assert not set(shown) & {chr(code) for code in (*range(10), *range(11, 32), *range(127, 160))}
    assert shown.count("\n") == 2
    assert r"worker='c\x61cd\x202ee'" in shown or r"worker=c\x61cd\x202ee" in shown
    assert r"\x1b]0;pwned\x07b" in shown

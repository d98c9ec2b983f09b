"""One word per thing: the code, its messages and the pages say the field's term, and no other word for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RETIRED = {
    "take up": "resume",
    "takes up": "resume",
    "taken up": "resume",
    "taking up": "resume",
    "took up": "resume",
    "go on": "continue",
    "goes on": "continue",
    "going on": "continue",
    "gone on": "continue",
    "went on": "continue",
    "give up": "time out, fail or stop",
    "gives up": "time out, fail or stop",
    "given up": "time out, fail or stop",
    "giving up": "time out, fail or stop",
    "gave up": "time out, fail or stop",
    "ear": "STT",
    "ears": "STT",
    "mouth": "TTS",
    "sign of life": "heartbeat",
    "signs of life": "heartbeat",
    "farewell": "close handshake",
    "leg": "component",
    "legs": "component",
    "attendance": "registry",
    "verdict": "retry policy, or what it decides",
    "desk": "job client",
    "the way of": "data path",
    "by chance": "random",
    "aside": "tracked task",
    "asides": "tracked tasks",
    "patience": "timeout",
    "the plan": "compatibility names",
    "time-out": "timeout",
}
"""Words that say something else in this field, or nothing, and the term to use."""
ALLOWED = {
    ("src/antiphon/cli/bench_answers.toml", "farewell"): "a word that marks an answer as on topic",
    ("src/antiphon/client/session.py", "patience"): "the former name of an argument",
    ("src/antiphon/app/settings/fleet.py", "patience"): "the former name of a setting",
    ("src/antiphon/conversation/state.py", "patience"): "the former name of a field, in snapshots",
    ("changelog.d/log-messages.changed.md", "leg"): "the former name of a field in logs",
    ("changelog.d/old-names.changed.md", "leg"): "the former label of metrics",
    ("changelog.d/old-names.changed.md", "patience"): "the former names of settings",
    ("docs/reference/settings.md", "patience"): "the former name of a setting",
    ("docs/reference/events.md", "leg"): "a field on the wire",
    ("docs/reference/metrics.md", "leg"): "the former label of metrics",
    ("src/antiphon/observe/metrics.py", "leg"): "the former label of metrics",
    ("src/antiphon/wire/realtime_server.py", "leg"): "a field on the wire",
}
FOLDERS = (
    ("src", (".py", ".lua", ".toml", ".html")),
    ("docs", (".md", ".py")),
    ("examples", (".py",)),
    ("changelog.d", (".md",)),
)
_FORM = re.compile(
    r"(?<![A-Za-z])(?:" + "|".join(re.escape(word).replace(r"\ ", r"[\s_]+") for word in RETIRED) + r")(?![A-Za-z])",
    re.IGNORECASE,
)
"""An underscore separates words as a space does: names are held to the list as well."""


def pages() -> Iterator[Path]:
    """All that people read: the source with its messages and settings, and the documentation."""
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile"))
    for folder, endings in FOLDERS:
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in endings)


def retired(text: str) -> set[str]:
    """Retired words in a text, each as the list has it."""
    return {re.sub(r"[\s_]+", " ", match[0]).lower() for match in _FORM.finditer(text)}


def test_all_pages_have_the_words_of_the_field_but_for_the_exceptions() -> None:
    found = {(str(path.relative_to(ROOT)), word) for path in pages() for word in retired(path.read_text("utf-8"))}
    assert {(page, word, RETIRED[word]) for page, word in found - set(ALLOWED)} == set()
    assert set(ALLOWED) - found == set(), "exceptions that are left over"


@pytest.mark.parametrize(("text", "found"), [
    ("it Goes\n    on", {"goes on"}),
    ("can_go_on()", {"go on"}),
    ("a plan, the planet, legal, asideness, gear, forgone", set()),
    ("_PATIENCE_S = 1", {"patience"}),
])  # fmt: skip
def test_the_form_finds_words_in_prose_and_in_names(text: str, found: set[str]) -> None:
    assert retired(text) == found

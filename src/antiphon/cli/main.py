"""The ``antiphon`` command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from cyclopts import App

from antiphon.errors import AntiphonError
from antiphon.version import VERSION

app = App(
    name="antiphon",
    version=VERSION,
    help="Self-hosted, real-time speech: the OpenAI Realtime protocol on your own machine.",
)
app.command("antiphon.cli.serve:serve", name="serve")
app.command("antiphon.cli.talk:talk", name="talk")
app.command("antiphon.cli.models:models", name="models")
app.command("antiphon.cli.doctor:doctor", name="doctor")
app.command("antiphon.cli.bench:bench", name="bench")


def run(words: Sequence[str] | None = None) -> None:
    """Run one command; an error of ours is one line that says what to do next, and exit code 1."""
    try:
        app(sys.argv[1:] if words is None else words)
    except AntiphonError as error:
        _fail([error])
    except BaseExceptionGroup as group:  # what a group of tasks ended with
        ours, others = group.split(AntiphonError)
        if ours is None or others is not None:
            raise
        _fail(_leaves(ours))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _fail(errors: Iterable[AntiphonError]) -> NoReturn:
    for error in errors:
        print(f"antiphon: {error.message}", file=sys.stderr)
    raise SystemExit(1)


def _leaves(group: BaseExceptionGroup[AntiphonError]) -> Iterator[AntiphonError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

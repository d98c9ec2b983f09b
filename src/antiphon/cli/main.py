"""The ``antiphon`` command."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from cyclopts import App

from antiphon.app.roles import all_parts
from antiphon.errors import AntiphonError
from antiphon.observe.controls import spelled
from antiphon.version import VERSION

_COMMANDS = {
    "serve": "Serve everything on one port.",
    "worker": "Run jobs for the gateways of a fleet.",
    "talk": "Ask a server a question by voice, and save its answer.",
    "models": "List, download and verify model weights.",
    "jobs": "List failed jobs of a fleet.",
    "db": "Migrate the database.",
    "doctor": "Check this machine, and print the fix for anything missing.",
    "bench": "Run benchmarks on this machine.",
}
"""Commands that belong to no feature, with their lines in the list of commands."""


def commands() -> dict[str, tuple[str, str]]:
    """Return all commands by name: import path and line in the list. Imports none of them."""
    own = {name: (f"antiphon.cli.{name}:{name}", line) for name, line in _COMMANDS.items()}
    return own | {name: command for part in all_parts().values() for name, command in part.commands.items()}


def make_app(*, lists_commands: bool = False) -> App:
    """Return the application; a command is imported when it is chosen, and then brings its own help text."""
    made = App(
        name="antiphon",
        version=VERSION,
        help="Self-hosted, real-time speech: the OpenAI Realtime protocol on your own machine.",
    )
    for name, (place, line) in commands().items():
        made.command(place, name=name, **({"help": line} if lists_commands else {}))
    return made


app = make_app()


def run(words: Sequence[str] | None = None) -> None:
    """Run one command; an `AntiphonError` becomes one line on stderr, and exit code 1."""
    words = sys.argv[1:] if words is None else words
    chosen = app if words and not words[0].startswith("-") else make_app(lists_commands=True)
    try:
        chosen(words)
    except AntiphonError as error:
        _fail([error])
    except BaseExceptionGroup as group:  # raised by a task group
        ours, others = group.split(AntiphonError)
        if ours is None or others is not None:
            raise
        _fail(_leaves(ours))
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _fail(errors: Iterable[AntiphonError]) -> NoReturn:
    for error in errors:
        print(f"antiphon: {spelled(str(error))}", file=sys.stderr)
    raise SystemExit(1)


def _leaves(group: BaseExceptionGroup[AntiphonError]) -> Iterator[AntiphonError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

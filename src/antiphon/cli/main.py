"""The ``antiphon`` command."""

from __future__ import annotations

import sys

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


def run() -> None:
    """Run one command; an error of ours is one line that says what to do next, and exit code 1."""
    try:
        app()
    except AntiphonError as error:
        print(f"antiphon: {error.message}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None

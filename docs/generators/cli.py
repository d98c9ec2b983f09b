"""``cli.md``: every command with its parameters."""

from __future__ import annotations

import re

from antiphon.cli.main import app
from generators.page import page

_CONTENTS = re.compile(r"^#+ Table of Contents\n\n(?:\s*- .*\n)+", re.MULTILINE)
_LINK = re.compile(r"\[(`[^`]+`)\]\(#[^)]*\)")
_HEADING = re.compile(r"^(#+ )(?:antiphon )?(?P<command>.+)$", re.MULTILINE)
_EXAMPLE = re.compile(r"[ \n]*Example: (?P<line>.+)$", re.MULTILINE)


def render() -> str:
    """Return the page; examples become blocks that can be copied."""
    commands = [name for name in app if not name.startswith("-")]
    blocks = [app[name].generate_docs(heading_level=2, usage_name=f"antiphon {name}") for name in commands]
    return page("Commands", app.help or "", *(_tidy(block) for block in blocks))


def _tidy(block: str) -> str:
    block = _LINK.sub(r"\1", _CONTENTS.sub("", block))
    block = _HEADING.sub(lambda found: f"{found[1]}antiphon {found['command']}", block)
    return _EXAMPLE.sub(lambda found: f"\n\n```sh\n{found['line']}\n```", block)

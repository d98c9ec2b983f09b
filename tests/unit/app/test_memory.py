"""What the start of a process has made is not searched for garbage again."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from antiphon.app.memory import keep_start_apart
made = [[number] for number in range(300_000)]
keep_start_apart()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_a_full_search_passes_over_what_the_start_has_made() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    frozen, searched = done.stdout.split()
    assert int(frozen) > 300_000
    assert int(searched) < 10_000

"""What the start of a process has made is not searched for garbage again."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, time
from antiphon.app.memory import keep_start_apart
made = [[number] for number in range(300_000)]
keep_start_apart()
begin = time.perf_counter()
gc.collect()
print(gc.get_freeze_count(), time.perf_counter() - begin)
"""


def test_a_full_search_passes_over_what_the_start_has_made() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    frozen, took_s = done.stdout.split()
    assert int(frozen) > 300_000
    assert float(took_s) < 0.05

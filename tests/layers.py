"""Runs every layer of tests in order, each with its seconds, and holds the coverage of all against its bars.

python tests/layers.py                 all layers, then the coverage
python tests/layers.py unit journey    these layers, without the bars

A few tests that fail are run once more, alone. Those that pass then are flaky: they are counted and listed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("unit", "conformance", "contract", "journey", "abuse", "chaos", "fuzz", "clients")
MEASURED = ("unit", "contract")
"""Layers whose coverage counts: what their tests do not reach is not called tested because a server passed by."""
SHARED: dict[str, tuple[int, str]] = {
    "unit": (3, "load"),
    "contract": (2, "load"),
    "conformance": (4, "loadfile"),
    "journey": (4, "loadfile"),
    "abuse": (2, "loadfile"),
    "chaos": (2, "loadfile"),
    "fuzz": (2, "loadfile"),
    "clients": (2, "loadfile"),
}
"""Layers that several processes take together: how many, which is more than cores where tests mostly wait; and whether
test by test, or by files whose tests share servers."""
APERTIUM = """
sudo=; [ "$(id -u)" = 0 ] || sudo="sudo -n"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -qq update && $sudo apt-get -qq install --no-install-recommends apertium apertium-eng-spa >/dev/null
"""
"""Debian's machine translation. Where it cannot be installed, the tests that need it are skipped and say so."""
TESTS_FAILED = "FAILED (exit 1)"
"""All tests ran and some failed. After any other exit some did not run, and running a few again would hide that."""
MOST_RERUN = 5
"""More failed tests of a layer than these are no accident, and are not run again."""
LAST_JOURNEY = ROOT / "tests" / "journey" / "test_zz_every_event_was_sent.py"
"""Looks back on all journeys, whichever process they ran in."""


@dataclass(frozen=True)
class Bar:
    """A part of the package, and the least share of its branches that tests must take."""

    name: str
    prefixes: tuple[str, ...]
    percent: float


BARS = (
    Bar("everything", ("src/antiphon/",), 90),
    Bar("the conversation", ("src/antiphon/conversation/",), 95),
    Bar("dubbing", ("src/antiphon/dubbing/",), 95),
    Bar("the wire", ("src/antiphon/wire/",), 95),
    Bar("errors", ("src/antiphon/errors.py",), 95),
)


def main(names: list[str]) -> int:
    """Run the layers that are named, by default all; returns the exit code."""
    unknown = set(names) - set(LAYERS)
    if unknown:
        print(f"no such layer: {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="antiphon-coverage-") as scratch:
        environment = _environment(Path(scratch))
        set_up = _set_up(names or LAYERS, environment)
        rows: list[Row] = []
        flaky: list[str] = []
        for name in names or LAYERS:
            row, passed_again = run_layer(name, environment, Path(scratch))
            rows.append(row)
            flaky += passed_again
            if name == "journey":
                rows.append(_timed("all events", [sys.executable, "-m", "pytest", str(LAST_JOURNEY)], environment))
        if not names:
            rows.append(_timed("coverage", [sys.executable, __file__, "--bars"], environment))
    print("\n" + "\n".join(f"{name:<12} {seconds:7.1f} s  {result}" for name, seconds, result in rows))
    print(f"{'in all':<12} {sum(seconds for _, seconds, _ in rows):7.1f} s, after {set_up:.1f} s of set-up")
    print(f"flaky: {len(flaky)}", *flaky, sep="\n  ", flush=True)
    return 0 if all(result.startswith("ok") for _, _, result in rows) else 1


Row = tuple[str, float, str]


def _set_up(names: Sequence[str], environment: dict[str, str]) -> float:
    """Fetch what tests need and a fresh machine has not; returns the seconds. Tests tell what is still missing."""
    commands = {"weights": [sys.executable, "-m", "antiphon", "models", "pull"]}
    if shutil.which("apertium") is None:
        commands["apertium"] = ["sh", "-c", APERTIUM]
    if "clients" in names:
        commands["environments of clients"] = [sys.executable, str(ROOT / "tests" / "clients" / "environments.py")]
    return sum(_timed(name, command, environment)[1] for name, command in commands.items())


def _environment(scratch: Path) -> dict[str, str]:
    """Return this environment without settings of ours, but for the folder where the weights lie."""
    kept = ("ANTIPHON_DATA_DIR",)
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_") or name in kept}
    return own | {
        "COVERAGE_FILE": str(scratch / "coverage"),
        "ANTIPHON_TEST_REQUIRE_ENGINES": "1",
        "ANTIPHON_TEST_SEEN_EVENTS": str(scratch / "events"),
    }


def run_layer(name: str, environment: dict[str, str], scratch: Path) -> tuple[Row, list[str]]:
    """Run a layer; returns its row, and the tests that failed and passed when they were run again."""
    cache = scratch / f"pytest-{name}"
    measured = ["coverage", "run", "-m"] if name in MEASURED else []
    pytest = [sys.executable, "-m", *measured, "pytest", str(ROOT / "tests" / name), "-o", f"cache_dir={cache}"]
    options = ["--durations=5", "--durations-min=5"]
    if name in SHARED:
        processes, how = SHARED[name]
        options += ["-n", str(processes), "--dist", how, "--ignore", str(LAST_JOURNEY)]
    _, seconds, result = _timed(name, [*pytest, *options], environment)
    failed = failed_tests(cache)
    if result != TESTS_FAILED or len(failed) > MOST_RERUN:
        return (name, seconds, result), []
    _, more_seconds, result = _timed(f"{name}, what failed once more", [*pytest, "--last-failed"], environment)
    flaky = sorted(failed - failed_tests(cache)) if result == "ok" else []
    return (name, seconds + more_seconds, f"ok, {len(flaky)} flaky" if flaky else result), flaky


def failed_tests(cache: Path) -> set[str]:
    """Return the ids of the tests that failed last, as pytest keeps them in ``cache``."""
    kept = cache / "v" / "cache" / "lastfailed"
    return set(json.loads(kept.read_bytes())) if kept.exists() else set()


def _timed(name: str, command: list[str], environment: dict[str, str]) -> Row:
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    code = subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    return name, time.monotonic() - start, "ok" if code == 0 else f"FAILED (exit {code})"


def bars() -> int:
    """Combine what the layers measured and compare; 1 when a part lies below its bar."""
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet"], check=True)
    subprocess.run([*coverage, "report"], check=True)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "coverage.json"
        subprocess.run([*coverage, "json", "--quiet", "-o", str(report)], check=True)
        files = {name: file["summary"] for name, file in json.loads(report.read_bytes())["files"].items()}
    print()
    verdicts = [_reaches(bar, files) for bar in BARS]
    return 0 if all(verdicts) else 1


def _reaches(bar: Bar, files: dict[str, dict[str, int]]) -> bool:
    """Print and return whether lines and branches of ``bar`` both reach it."""
    lines, branches = shares(bar, files)
    is_reached = min(lines, branches) >= bar.percent
    result = "ok" if is_reached else "BELOW"
    print(f"{bar.name:<18} lines {lines:5.1f} %  branches {branches:5.1f} %  at least {bar.percent:g} %  {result}")
    return is_reached


def shares(bar: Bar, files: dict[str, dict[str, int]]) -> tuple[float, float]:
    """Return the percentages of lines and of branches in the files of ``bar`` that tests took."""
    summaries = [summary for name, summary in files.items() if name.startswith(bar.prefixes)]
    lines = _percent(summaries, "covered_lines", "num_statements")
    return lines, _percent(summaries, "covered_branches", "num_branches")


def _percent(summaries: list[dict[str, int]], part: str, whole: str) -> float:
    total = sum(summary[whole] for summary in summaries)
    return 100 * sum(summary[part] for summary in summaries) / total if total else 100.0


if __name__ == "__main__":
    sys.exit(bars() if sys.argv[1:] == ["--bars"] else main(sys.argv[1:]))

"""Prints the licence of every package in the lock, and known vulnerabilities where the service can be reached.

Fails when a package outside the extras named in ``COPYLEFT_EXTRAS`` has a licence that would bind its users.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

COPYLEFT_EXTRAS = ("espeak", "kokoro", "piper")
"""These engines are GPL or take their phonemes from one that is: never in the core, in processes of their own."""

DENIED = re.compile(
    r"(?<!lesser )general public|(?<!L)GPL|affero|SSPL|non-?commercial|-NC\b|proprietary|UNKNOWN", re.IGNORECASE
)

STATED = {"espeakng-loader": "GPL-3.0-or-later (eSpeak NG, which it bundles)"}
"""Licences that the packages' own metadata do not name."""

REMARKS = {"av": "the wheel bundles FFmpeg with x264 and x265, which are GPL: build PyAV from source to be without"}

Row = tuple[str, str, str, str]
"""Package, version, the part of the project that needs it, licence."""


@dataclass(frozen=True)
class Part:
    """The core, an extra or the development group."""

    name: str
    options: tuple[str, ...]
    may_be_copyleft: bool = False


def main() -> int:
    """Print both tables; returns 1 for a denied licence or a known vulnerability."""
    rows = licences(parts())
    width = max(len(name) for name, *_ in rows)
    for name, version, part, licence in rows:
        print(f"{name:<{width}}  {version:<12}  {part:<10}  {licence}")
    for name, remark in REMARKS.items():
        print(f"{name}: {remark}")
    free = {part.name for part in parts() if not part.may_be_copyleft}
    denied = [row for row in rows if row[2] in free and DENIED.search(row[3])]
    for name, _, part, licence in denied:
        print(f"DENIED: {name} in {part}: {licence}")
    print(f"\n{len(rows)} packages, {len(denied)} denied\n")
    return 1 if vulnerabilities() + len(denied) else 0


def parts() -> list[Part]:
    """Return the parts, the core first."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    return [
        Part("core", ("--no-dev",)),
        *(Part(name, ("--no-dev", "--extra", name), name in COPYLEFT_EXTRAS) for name in extras),
        Part("dev", (), may_be_copyleft=True),
    ]


def licences(wanted: list[Part]) -> list[Row]:
    """Return a row for each installed package of the lock, under the first part that needs it."""
    command = [str(BIN / "pip-licenses"), "--format=json", "--from=mixed", "--with-system"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    installed = {_canonical(entry["Name"]): entry for entry in listed}
    rows: dict[str, Row] = {}
    for part in wanted:
        for name in _locked(part):
            if name in installed and name not in rows:
                licence = STATED.get(name) or installed[name]["License"].splitlines()[0]
                rows[name] = (name, installed[name]["Version"], part.name, licence)
    return list(rows.values())


def vulnerabilities() -> int:
    """Print what is known of the locked packages; returns how many of them are vulnerable."""
    with tempfile.TemporaryDirectory() as scratch:
        lock = Path(scratch) / "requirements.txt"
        lock.write_text(_export(Part("all", ("--all-extras",))))
        command = [str(BIN / "pip-audit"), "--requirement", str(lock), "--disable-pip", "--no-deps", "--format=json"]
        done = subprocess.run([*command, "--progress-spinner=off"], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        last = done.stderr.strip().splitlines()[-1:] or ["no answer"]
        print(f"known vulnerabilities: not checked, the advisory service was not reached ({last[0]})")
        return 0
    packages = json.loads(done.stdout)["dependencies"]
    unanswered = [package for package in packages if "skip_reason" in package]
    found = [package for package in packages if package.get("vulns")]
    for package in found:
        for known in package["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no version"
            print(f"VULNERABLE: {package['name']} {package['version']}: {known['id']}, fixed in {fixed}")
    print(f"known vulnerabilities: {len(found)} of {len(packages) - len(unanswered)} packages that were checked")
    if unanswered:
        print(f"not checked: {len(unanswered)} packages; the first: {unanswered[0]['skip_reason']}")
    return len(found)


def _locked(part: Part) -> list[str]:
    return [_canonical(line.partition("==")[0]) for line in _export(part).splitlines() if "==" in line]


def _export(part: Part) -> str:
    options = ["--frozen", "--quiet", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"]
    command = [str(BIN / "uv"), "export", *options, *part.options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())

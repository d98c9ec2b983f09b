"""Runs real clients of the Realtime API, unmodified, against a server of our own, and prints a table.

python tests/clients/run.py                       all five, on stub engines
python tests/clients/run.py --only livekit --real one, on the real engines
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from environments import CLIENTS, STAGE, Client, InstallError, cache_dir, command, prepare
from server import KEY, Server, ServerError, serve

SCENARIOS = ("connect", "text_turn", "audio_turn", "tool_call", "barge_in", "truncate")
QUESTION = Path(__file__).resolve().parents[1] / "audio" / "spk2_snt2.wav"
CLIENT_S = 300.0
REAL_PATIENCE = 6.0

Result = dict[str, Any]
"""A line of a client: client, version, scenario, ok, ms, detail."""


def main() -> int:
    """Run what the arguments name; 0 when every scenario of every client is well."""
    options = _arguments()
    chosen = [client for client in CLIENTS if not options.only or client.name in options.only]
    scratch = Path(tempfile.mkdtemp(prefix="antiphon-clients-"))
    try:
        results = asyncio.run(_run_all(chosen, options, scratch))
    finally:
        if options.keep:
            print(f"kept {scratch}", file=sys.stderr)
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    print(json.dumps(results, ensure_ascii=False, indent=1) if options.json else table(results))
    return 0 if results and all(result["ok"] for result in results) else 1


def _arguments() -> argparse.Namespace:
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS, default=[], metavar="NAME")
    parser.add_argument("--real", action="store_true", help="the default engines instead of the stubs")
    parser.add_argument("--audio", type=Path, default=QUESTION, help="the spoken question")
    parser.add_argument("--json", action="store_true", help="a list of results instead of the table")
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs of the servers")
    parser.add_argument("--jobs", type=int, default=2, help="clients at a time, on stub engines")
    return parser.parse_args()


async def _run_all(chosen: list[Client], options: argparse.Namespace, scratch: Path) -> list[Result]:
    jobs = asyncio.Semaphore(1 if options.real else options.jobs)
    groups = [(tls, [client for client in chosen if client.wants_tls == tls]) for tls in (False, True)]
    runs = [_run_group(tls, group, options, scratch, jobs) for tls, group in groups if group]
    results: list[Result] = []
    if options.real:  # one set of engines at a time
        for run in runs:
            results += await run
    else:
        for some in await asyncio.gather(*runs):
            results += some
    order = [client.name for client in CLIENTS]
    return sorted(results, key=lambda result: order.index(result["client"]))


async def _run_group(
    tls: bool, group: list[Client], options: argparse.Namespace, scratch: Path, jobs: asyncio.Semaphore
) -> list[Result]:
    homes: dict[Client, Path] = {}
    results: list[Result] = []
    for client in group:
        try:
            homes[client] = await asyncio.to_thread(prepare, client, cache_dir())
        except InstallError as failure:
            results.append(_failed(client, "install", str(failure)))
    if not homes:
        return results
    try:
        async with serve(scratch / ("tls" if tls else "plain"), tls=tls, real=options.real) as server:
            runs = [_run_client(client, home, server, options, scratch, jobs) for client, home in homes.items()]
            for some in await asyncio.gather(*runs):
                results += some
    except ServerError as failure:
        results += [_failed(client, "server", str(failure)) for client in homes]
    return results


async def _run_client(
    client: Client,
    home: Path,
    server: Server,
    options: argparse.Namespace,
    scratch: Path,
    jobs: asyncio.Semaphore,
) -> list[Result]:
    patience = REAL_PATIENCE if options.real else 1.0
    place = scratch / client.name
    place.mkdir()
    arguments = [*command(client, home, place), "--url", server.url, "--key", KEY]
    arguments += ["--audio", str(options.audio.resolve()), f"--patience={patience:g}"]
    arguments += [f"--only={name}" for name in options.scenario]
    async with jobs:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(server),
            cwd=place,
        )
        try:
            said, errors = await asyncio.wait_for(process.communicate(), CLIENT_S * patience)
        except TimeoutError:
            process.kill()
            said, errors = await process.communicate()
    results = [json.loads(line) for line in said.decode().splitlines() if line.startswith('{"client"')]
    missing = [name for name in options.scenario or SCENARIOS if name not in {r["scenario"] for r in results}]
    told = errors.decode(errors="replace")[-2000:]
    return results + [_failed(client, name, f"did not run, exit {process.returncode}: {told}") for name in missing]


def _environment(server: Server) -> dict[str, str]:
    """Return what a client sees: no keys and no settings of this machine."""
    foreign = ("OPENAI_", "ANTIPHON_", "LIVEKIT_", "PYTHON", "NODE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"PYTHONPATH": str(STAGE), "NO_PROXY": "127.0.0.1,localhost"}
    if server.certificate:
        environment["NODE_EXTRA_CA_CERTS"] = str(server.certificate)
    return environment


def _failed(client: Client, scenario: str, detail: str) -> Result:
    return {"client": client.name, "version": "", "scenario": scenario, "ok": False, "ms": 0, "detail": detail}


def table(results: list[Result]) -> str:
    """Return the results as Markdown: a row for each client, the failures below."""
    lines = [
        f"| client | version | {' | '.join(name.replace('_', ' ') for name in SCENARIOS)} |",
        f"|---|---|{'---|' * len(SCENARIOS)}",
    ]
    for name in dict.fromkeys(result["client"] for result in results):
        row = {result["scenario"]: result for result in results if result["client"] == name}
        version = next((result["version"] for result in row.values() if result["version"]), "?")
        cells = [_cell(row.get(scenario)) for scenario in SCENARIOS]
        lines.append(f"| {name} | {version} | {' | '.join(cells)} |")
    failures: dict[str, list[str]] = {}
    for result in results:
        if not result["ok"]:
            failures.setdefault(result["detail"], []).append(f"{result['client']} {result['scenario']}")
    lines += [f"\n**{', '.join(names)}**: {detail}" for detail, names in failures.items()]
    return "\n".join(lines)


def _cell(result: Result | None) -> str:
    if result is None:
        return "–"
    return f"ok, {result['ms']} ms" if result["ok"] else "**failed**"


if __name__ == "__main__":
    sys.exit(main())

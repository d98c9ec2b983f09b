"""``antiphon worker``: a process of a fleet that runs jobs and serves no clients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from antiphon.app.roles import parse_roles
from antiphon.cli.ranges import check_port
from antiphon.cli.serve import prepare, run_process
from antiphon.errors import InvalidRequest


def worker(
    *roles: str,
    host: str = "127.0.0.1",
    port: int = 0,
    data_dir: Path | None = None,
    offline: Annotated[bool | None, Parameter(negative="")] = None,
) -> None:
    """Run jobs for the gateways that share ANTIPHON_REDIS_URL; one process may have several roles.

    Example: antiphon worker transcribe respond speak

    Parameters
    ----------
    roles
        Kinds of work, such as transcribe, respond and speak; an unknown name lists them all.
    host
        Address of /health, /ready and /metrics.
    port
        Port of /health, /ready and /metrics; 0 picks a free one.
    data_dir
        Directory for weights and database.
    offline
        Download nothing; missing weights are an error.
    """
    check_port(port)
    chosen = parse_roles(roles)
    if "gateway" in chosen:
        raise InvalidRequest("Start a gateway with antiphon serve --roles gateway.", param="roles")
    settings = prepare(host, chosen, data_dir, offline)
    run_process(settings, chosen, host, port)

"""``antiphon jobs``: the dead letters of a fleet."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
from cyclopts import App
from rich.table import Table

from antiphon.app.settings import Settings, load_settings
from antiphon.bus.dead_letters import DeadLetter
from antiphon.cli.screen import OUT, print_json
from antiphon.errors import InvalidRequest

jobs = App(
    name="jobs",
    help="""List failed jobs of a fleet.

Example: antiphon jobs dead
""",
)


@jobs.command
def dead(*, json: bool = False) -> None:
    """List the dead letters in Redis, oldest first: jobs that failed permanently or in their last attempt.

    The worker's log has more about each under its correlation id. The payload of a job is not stored.

    Example: antiphon jobs dead

    Parameters
    ----------
    json
        Print one JSON array instead of a table.
    """
    letters = asyncio.run(_dead(load_settings()))
    if json:
        print_json([msgspec.structs.asdict(letter) for letter in letters])
        return
    table = Table("at (UTC)", "queue", "attempt", "reason", "tenant", "correlation id", "job")
    for letter in letters:
        at = f"{datetime.fromtimestamp(letter.at, UTC):%Y-%m-%d %H:%M:%S}"
        attempt = str(letter.attempt)
        table.add_row(at, letter.queue, attempt, letter.reason, letter.tenant, letter.correlation_id, letter.job_id)
    OUT.print(table)


async def _dead(settings: Settings) -> list[DeadLetter]:
    variable = "ANTIPHON_REDIS_URL"
    if not settings.redis_url:
        raise InvalidRequest(
            f"{variable} is not set: without Redis, failed jobs appear only in the log", param=variable
        )
    try:
        from antiphon.bus.redis.jobs import all_dead_letters
        from antiphon.connections.redis import RedisConnection
    except ModuleNotFoundError as error:
        raise InvalidRequest(
            "the Redis client is not installed: pip install 'antiphon[fleet]'", param=variable
        ) from error
    connection = RedisConnection(settings.redis_url.get_secret_value(), most=2, timeout_s=settings.redis_timeout_s)
    try:
        return await all_dead_letters(connection)
    finally:
        await connection.close()

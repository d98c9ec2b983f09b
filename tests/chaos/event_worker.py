"""One process of the events run: a relay, or a consumer whose effects are rows of a table.

python -m tests.chaos.event_worker relay|consumer DATABASE_URL REDIS_URL
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from antiphon.clock import SystemClock
from antiphon.connections.redis import RedisConnection
from antiphon.entities.events import ANALYTICS, ANALYTICS_WORKERS, Event
from antiphon.errors import ProviderUnavailable
from antiphon.events.limits import LogLimit
from antiphon.events.redis.logs import RedisEventLogs
from antiphon.observe.event_metrics import ConsumerMetrics, RelayMetrics
from antiphon.store.outbox import SqlOutbox
from antiphon.store.postgres import PostgresStore
from antiphon.workers.consume import ConsumerOptions, EventConsumer
from antiphon.workers.relay import Relay
from tests.postgres import address

LEASE_S = 1.0
INSERT = """INSERT INTO effects (event_id, session_id, session_sequence)
            SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING"""


async def effect(pool: asyncpg.Pool[Any], events: Sequence[Event]) -> None:
    """Write a row for each event that has none."""
    columns = zip(*((one.event_id, one.session_id, one.session_sequence) for one in events), strict=True)
    try:
        await pool.execute(INSERT, *map(list, columns))
    except (OSError, asyncpg.PostgresError) as error:
        raise ProviderUnavailable("the effect failed", detail=str(error)) from error


async def main(role: str, database_url: str, redis_url: str) -> None:
    """Do the work of a role until killed."""
    logs = RedisEventLogs(RedisConnection(redis_url, timeout_s=2.0), LogLimit(LEASE_S, capacity=20_000))
    if role == "relay":
        store = PostgresStore(address(database_url), role="antiphon_jobs")
        await store.start()
        await Relay(SqlOutbox(store, SystemClock()), logs, RelayMetrics(CollectorRegistry())).run(ANALYTICS)
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=2)
    subscription = logs.subscribe(ANALYTICS, ANALYTICS_WORKERS, "soak")
    options = ConsumerOptions(heartbeat_s=LEASE_S / 3, idle_s=0.1)
    metrics = ConsumerMetrics(CollectorRegistry())
    await EventConsumer(ANALYTICS_WORKERS, subscription, partial(effect, pool), options, metrics).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

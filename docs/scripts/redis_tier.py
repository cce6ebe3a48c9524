"""Do replicas share records through a real Redis, and what happens when it goes and comes back?

`python -m docs.scripts.redis_tier --bundle runs/split/bundle` needs `redis-server` on the PATH. Two services share one
Redis of this script's own. The first scores a list of products it has never seen; the second is asked the same and
should find every record. Redis is then killed, asked without, and started again. One JSON line: what was found where,
how long requests took, and whether all scores were equal.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from loadtest.bench.split_arena import NO_SCORES, shop
from loadtest.closed_loop import ask
from loadtest.server import HOST, Launch, Server, free_port, launch_aisle, started
from loadtest.systems import Aisle, Call, Scores, Target

LISTS, CANDIDATES = 20, 50
WRITTEN_SECONDS, BREAKER_SECONDS = 10.0, 15.0
"""Longest waits: until records are written behind, and until a breaker that opened tries again."""


@contextmanager
def redis(port: int) -> Iterator[None]:
    """A Redis that keeps nothing on disk; it is killed at the end."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("redis-server is not on the PATH; install Redis")
    command = (binary, "--port", str(port), "--save", "", "--appendonly", "no")
    with started(Launch("redis", command, port, "")):
        wait_until(lambda: answers(port), WRITTEN_SECONDS)
        yield


def answers(port: int) -> bool:
    """Whether somebody speaks Redis there."""
    import redis as client  # noqa: PLC0415  # an extra

    connection = client.Redis(HOST, port, socket_timeout=1)
    try:
        return bool(connection.ping())
    except client.RedisError:
        return False
    finally:
        connection.close()


def metrics(server: Server) -> dict[str, float]:
    """The service's samples by name, without labels."""
    with urllib.request.urlopen(f"http://{server.host}:{server.port}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def wait_until(happened: Callable[[], object], seconds: float) -> None:
    """Ask until it happened; SystemExit if it does not."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise SystemExit(f"did not happen within {seconds:g} s")
        time.sleep(0.05)


def score_all(server: Server, calls: Sequence[Call]) -> tuple[list[Scores], float, float]:
    """Scores of every list; median and longest time of a request, in ms."""
    target, scores, took = Target("aisle", server.host, server.port, Aisle().path), [], []
    for call in calls:
        begun = time.perf_counter()
        scores.append(Aisle().scores(ask(target, call)))
        took.append(1000 * (time.perf_counter() - begun))
    return scores, round(median(took), 2), round(max(took), 2)


def main() -> None:
    """Print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    bundle = parser.parse_args().bundle
    bodies = list(shop(CANDIDATES, 4_000, zipf=0.0).bodies(LISTS))
    calls, products = [Aisle().call(body) for body in bodies], {p["id"] for b in bodies for p in b["candidates"]}
    port = free_port()
    share = {**NO_SCORES, "redis_url": f"redis://{HOST}:{port}/0", "autotune": False}
    found: dict[str, object] = {"products": len(products), "requests": LISTS}
    with ExitStack() as stack:
        first, second, third = (stack.enter_context(started(launch_aisle(bundle, **share))) for _ in range(3))
        with redis(port):
            for server in (first, second, third):
                server.wait_until_ready()
            computed, *found["first_ms"] = score_all(first, calls)
            found["first_encoded"] = metrics(first)["aisle_encoded_products_total"]
            wait_until(lambda: not metrics(first)["aisle_redis_waiting_records"], WRITTEN_SECONDS)
            shared, *found["second_ms"] = score_all(second, calls)
            told = metrics(second)
            found["second_encoded"] = told["aisle_encoded_products_total"]
            found["second_found_in_redis"] = told["aisle_redis_cache_hits_total"]
            found["damaged"] = told["aisle_redis_damaged_records_total"]
        away, *found["redis_dead_ms"] = score_all(third, calls)
        told = metrics(third)
        found["redis_dead_encoded"] = told["aisle_encoded_products_total"]
        found["redis_dead_failures"] = told["aisle_redis_failures_total"]
        found["breaker_open"] = told["aisle_redis_breaker_open"]
        with redis(port):
            fresh = [Aisle().call(body) for body in shop(CANDIDATES, 8_000, zipf=0.0).bodies(LISTS, 1)]
            wait_until(
                lambda: score_all(third, fresh) and not metrics(third)["aisle_redis_breaker_open"], BREAKER_SECONDS
            )
            found["breaker_closes_again"] = True
    found["scores_equal"] = computed == shared == away
    print(json.dumps(found))


if __name__ == "__main__":
    main()

"""Where a warm request of a split student spends its time inside the service, stage by stage, in one process.

`python -m docs.scripts.split_stages --bundle DIR`: 64 requests of 50 full products, three rounds, medians in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from loadtest.bench.split_arena import shop
from service.admission import predicted_tokens
from service.app import create_service
from service.engine import load
from service.reading import BodyReader
from service.scorer import Scorer
from service.settings import Settings
from service.split import graphs
from service.validation import Limits

ROUNDS = 3
Item = TypeVar("Item")


def milliseconds(work: Callable[[Item], object], items: Sequence[Item]) -> float:
    """Median time of `work` on one item, the first round left out."""
    took = []
    for turn in range(1 + ROUNDS):
        for item in items:
            started = time.perf_counter()
            work(item)
            if turn:
                took.append(1000 * (time.perf_counter() - started))
    return median(took)


async def main(bundle: Path) -> None:
    """Print each stage's median."""
    raws = [json.dumps(body).encode() for body in shop(50, 4_000).bodies(64)]
    limits = Limits(candidates=1000, text_chars=50_000)
    service = create_service(load(Settings(bundle=bundle, score_cache_mb=0, log_level="error")))
    stages, template = service.stages, service.engine.bundle.manifest.template
    stages.batcher.start()
    whole_reader = BodyReader(limits, template)
    bodies = [service.reader.read(raw) for raw in raws]
    scorer, whole = Scorer(stages), []
    for turn in range(1 + ROUNDS):
        for body in bodies:
            started = time.monotonic()
            await scorer.score(body, started)
            if turn:
                whole.append(1000 * (time.monotonic() - started))
    pairs = [(await stages.tokenization.encode(body.requests)).pairs[0] for body in bodies]
    print(
        f"parse {milliseconds(whole_reader.read, raws):.3f}, known bytes {milliseconds(service.reader.read, raws):.3f}"
    )
    print(f"predict the cost {milliseconds(lambda body: predicted_tokens(body.requests[0], template), bodies):.3f}")
    for size in (25, 50):
        graphs.PAIRS_AT_ONCE = size
        print(f"graph, {size} pairs at once {milliseconds(service.engine.backend.runner.run, pairs):.3f}")
    print(f"all between body and reply {median(whole):.3f}")
    await service.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    asyncio.run(main(parser.parse_args().bundle))

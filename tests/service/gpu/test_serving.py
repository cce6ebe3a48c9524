"""The service with buckets, over HTTP; on the CPU provider, where they have to be asked for."""

from __future__ import annotations

import pytest

from service.gpu.bucket_runner import BucketRunner
from tests.service.conftest import Serve

TITLES = ["good good bad", "fair", "lamp", "good " * 9, "bad bad"]
LOST = "CUDA failure 719: unspecified launch failure ; GPU=0"


def test_buckets_give_the_scores_that_the_plain_graph_gives(serve: Serve) -> None:
    plain, bucketed = serve(), serve(buckets="on")
    assert isinstance(bucketed.service.engine.backend.runner, BucketRunner)
    for count in range(1, len(TITLES) + 1):
        replies = [client.score("red shoe", TITLES[:count]).json() for client in (plain, bucketed)]
        assert replies[0]["results"] == replies[1]["results"]
    assert bucketed.metric("aisle_bucket_shapes") == len(list(bucketed.service.engine.backend.runner.shapes))
    assert bucketed.metric("aisle_bucket_splits_total") == 0


def test_two_micro_batches_are_in_flight_and_the_speed_is_that_of_one(serve: Serve) -> None:
    engine = serve(buckets="on").service.engine
    assert (engine.backend.concurrency, engine.tuning.sessions) == (2, 1)


def test_the_metrics_say_what_the_bundle_runs_on(serve: Serve) -> None:
    client = serve()
    assert client.metric("aisle_provider_info", asked="auto", provider="cpu", precision="int8") == 1
    assert client.metric("aisle_provider_fallback") == 0


@pytest.mark.parametrize("buckets", ["on", "off"])
def test_a_lost_gpu_answers_503_turns_the_probes_off_and_is_said_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, buckets: str
) -> None:
    client = serve(buckets=buckets)

    def lost(*_: object) -> None:
        raise RuntimeError(LOST)

    monkeypatch.setattr(client.service.engine.backend.runner, "run", lost)
    for query in ("red", "lamp"):
        reply = client.score(query, TITLES)
        assert (reply.status_code, reply.json()["code"]) == (503, "gpu_lost")
    for path in ("/readyz", "/livez"):
        reply = client.get(path)
        assert reply.status_code == 503
        assert "GPU" in reply.json()["detail"]
    assert [record.message for record in caplog.records if record.levelname == "CRITICAL"] == [
        "the GPU is lost, this replica needs a restart"
    ]

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.app_client import AppClient


def samples(client: AppClient) -> dict[str, float]:
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(reply.text)
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aisle_scored_pairs_total[]", 2.0),
        ("aisle_truncated_pairs_total[]", 1.0),
        ("aisle_in_flight_requests[]", 0.0),
        ("aisle_queue_pairs[]", 0.0),
        ("aisle_queue_tokens[]", 0.0),
        ("aisle_admitted_tokens[]", 0.0),
        ("aisle_batch_pairs_sum[]", 2.0),
        ("aisle_model_info[('name', 'tiny'), ('version', '7')]", 1.0),
        ("aisle_responses_total[('path', '/score'), ('status', '200')]", 1.0),
        ("aisle_stage_seconds_count[('stage', 'total')]", 1.0),
    ],
)
def test_a_scored_request_is_told(client: AppClient, name: str, value: float) -> None:
    client.score("red", ["good", "good " * 20])
    assert samples(client)[name] == value


def test_the_quantiles_of_the_last_minute_are_there(client: AppClient) -> None:
    total = client.score("red", ["good"]).json()["timing_ms"]["total"]
    found = samples(client)
    for quantile in ("0.5", "0.95", "0.99"):
        assert found[f"aisle_latency_last_minute_seconds[('quantile', '{quantile}')]"] == pytest.approx(
            total / 1000, rel=0.02
        )


def test_paths_that_are_no_routes_share_one_label(client: AppClient) -> None:
    for path in ("/a", "/b", "/c"):
        client.get(path)
    assert samples(client)["aisle_responses_total[('path', 'none'), ('status', '404')]"] == 3

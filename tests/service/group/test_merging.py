from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as classic_families

from service.exposition import expose
from service.group.merging import labelled, merged
from service.histograms import Histogram, HistogramCollector

CLASSIC, OPEN = "", "application/openmetrics-text; version=1.0.0"


def text_of(number: int, accept: str) -> str:
    """What replica `number` tells: requests, a gauge, and a histogram with an exemplar."""
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests, by path.", ["path"], registry=registry)
    requests.labels('/a"b\\c{}').inc(number + 1)
    Gauge("queue_tokens", "Tokens that wait.", registry=registry).set(10 * number)
    histogram = Histogram((0.1, 1.0))
    histogram.observe(0.05, {"request_id": f"id{number}"})
    registry.register(HistogramCollector("seconds", "Time.", {"total": histogram}, label="stage"))
    return expose(registry, accept).text.decode()


@pytest.mark.parametrize("accept", [CLASSIC, OPEN], ids=["classic", "open"])
def test_every_replica_has_its_samples_in_one_family_each(accept: str) -> None:
    families = list(
        (open_families if accept else classic_families)(merged({number: text_of(number, accept) for number in (0, 2)}))
    )
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    values = {
        (sample.name, sample.labels["replica"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name in ("requests_total", "queue_tokens", "seconds_count")
    }
    assert values == {
        ("requests_total", "0"): 1,
        ("requests_total", "2"): 3,
        ("queue_tokens", "0"): 0,
        ("queue_tokens", "2"): 20,
        ("seconds_count", "0"): 1,
        ("seconds_count", "2"): 1,
    }
    paths = {sample.labels["path"] for family in families for sample in family.samples if "path" in sample.labels}
    assert paths == {'/a"b\\c{}'}
    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert [exemplar.labels for exemplar in exemplars] == ([{"request_id": f"id{n}"} for n in (0, 2)] if accept else [])


def test_a_family_that_the_first_replica_lacks_is_there() -> None:
    text = merged({0: "# HELP a A.\n# TYPE a gauge\na 1\n", 1: "# HELP b B.\n# TYPE b gauge\nb 2\n"})
    assert text == '# HELP a A.\n# TYPE a gauge\na{replica="0"} 1\n# HELP b B.\n# TYPE b gauge\nb{replica="1"} 2\n'


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("a 1", 'a{replica="3"} 1'),
        ("a{} 1", 'a{replica="3"} 1'),
        ('a{b="c"} 1', 'a{replica="3",b="c"} 1'),
        ('a_bucket{le="1"} 2 # {id="x"} 0.5', 'a_bucket{replica="3",le="1"} 2 # {id="x"} 0.5'),
        ("a:b 1 # {} 0.5", 'a:b{replica="3"} 1 # {} 0.5'),
    ],
)
def test_a_label_comes_first(sample: str, expected: str) -> None:
    assert labelled(sample, 3) == expected

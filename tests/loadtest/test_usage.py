from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from loadtest.usage import MetricsUsage, ProcessUsage, Sampler, Usage, UsageError
from tests.loadtest.stub_server import NOBODY, stub

METRICS = b"""# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
process_resident_memory_bytes 2.5e+08
aisle_pairs_total{status="ok"} 3
"""


def test_a_process_of_this_machine_tells_its_own() -> None:
    # One that has started no others, as the process of the tests may have.
    busy = "import os\nwhile sum(os.times()[:2]) < 0.3: pass\nprint(sum(os.times()[:2]), flush=True)\ninput()"
    with subprocess.Popen(
        (sys.executable, "-c", busy), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = float(process.stdout.readline())
        usage = ProcessUsage(process.pid).read()
        process.communicate("\n")
    assert told - 0.03 <= usage.cpu_seconds <= told + 0.2
    assert usage.resident_bytes > 5_000_000


def test_what_a_process_has_started_counts_with_it() -> None:
    alone = ProcessUsage(os.getpid()).read().resident_bytes
    waiting = (sys.executable, "-c", "held = bytes(range(256)) * 400_000; print(flush=True); input()")
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ProcessUsage(os.getpid()).read().resident_bytes > alone + 100_000_000
        process.communicate(b"\n")


def test_a_service_tells_on_its_metrics() -> None:
    with stub(pages={"/metrics": METRICS}) as target:
        assert MetricsUsage(target.host, target.port).read() == Usage(12.5, 250_000_000)


def test_replicas_behind_one_port_are_added_up() -> None:
    page = b"".join(
        b'process_cpu_seconds_total{replica="%d"} %d.5\nprocess_resident_memory_bytes{replica="%d"} 1e+08\n' % (n, n, n)
        for n in range(3)
    )
    with stub(pages={"/metrics": page}) as target:
        assert MetricsUsage(target.host, target.port).read() == Usage(4.5, 300_000_000)


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(UsageError, match="process 99999999 cannot be read"):
        ProcessUsage(99999999).read()
    with pytest.raises(UsageError, match=r"/metrics cannot be read: .*refused"):
        MetricsUsage(NOBODY.host, NOBODY.port).read()
    with stub() as target, pytest.raises(UsageError, match="/metrics answers 404"):
        MetricsUsage(target.host, target.port).read()
    with (
        stub(pages={"/metrics": b"process_open_fds 3\n"}) as target,
        pytest.raises(UsageError, match="/metrics does not tell process_cpu_seconds_total"),
    ):
        MetricsUsage(target.host, target.port).read()


def test_a_process_that_nobody_has_buried_yet_has_ended() -> None:
    with subprocess.Popen((sys.executable, "-c", "pass")) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UsageError, match=f"process {process.pid} has ended"):
            ProcessUsage(process.pid).read()


class Counting:
    """Gives a few readings, then ends."""

    def __init__(self, readings: int) -> None:
        self.left, self.ended = readings, threading.Event()

    def read(self) -> Usage:
        if not self.left:
            self.ended.set()
            raise UsageError("it has ended")
        self.left -= 1
        return Usage(1.0, 2)


def test_samples_are_taken_until_there_are_no_more() -> None:
    source = Counting(3)
    with Sampler(source, every=0.0) as sampler:
        assert source.ended.wait(10.0)
    assert [usage for _, usage in sampler.samples] == [Usage(1.0, 2)] * 3
    assert [at for at, _ in sampler.samples] == sorted(at for at, _ in sampler.samples)
    assert sampler.problem == "it has ended"


def test_leaving_ends_the_thread_without_a_problem() -> None:
    with Sampler(Counting(10), every=1000.0) as sampler:
        pass
    assert (len(sampler.samples), sampler.problem) == (1, "")

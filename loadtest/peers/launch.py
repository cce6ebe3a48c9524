"""How each peer is started: its ONNX engine on the CPU, in batches of as many pairs as the raw graph likes best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.peers.environments import Environment
from loadtest.server import HOST, Launch, free_port
from loadtest.systems import Infinity, SentenceTransformers, System
from relevance.template import Template

INFINITY_BATCH = 8
SENTENCE_TRANSFORMERS_BATCH = 8
OFFLINE = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer: the dialect that it speaks, and how to start it on a model directory."""

    system: Callable[[Template], System]
    launch: Callable[[Environment, Path], Launch]


def launch_infinity(environment: Environment, model: Path) -> Launch:
    """Infinity, its ONNX engine."""
    port = free_port()
    command = [environment.program("infinity_emb"), "v2", "--model-id", str(model), "--engine", "optimum"]
    command += ["--device", "cpu", "--host", HOST, "--port", str(port), "--batch-size", str(INFINITY_BATCH)]
    # Without a line of log for each request.
    command += ["--log-level", "warning"]
    return Launch("infinity", tuple(command), port, "/health", {**OFFLINE, "INFINITY_HOME": str(model)})


def launch_sentence_transformers(environment: Environment, model: Path) -> Launch:
    """Our server around the library's CrossEncoder."""
    port = free_port()
    script = Path(__file__).with_name("sentence_transformers_server.py")
    command = [environment.program("python"), str(script), "--model", str(model), "--host", HOST, "--port", str(port)]
    command += ["--batch-size", str(SENTENCE_TRANSFORMERS_BATCH)]
    return Launch("sentence-transformers", tuple(command), port, "/health", OFFLINE)


PEERS: dict[str, Peer] = {
    "infinity": Peer(Infinity, launch_infinity),
    "sentence-transformers": Peer(SentenceTransformers, launch_sentence_transformers),
}

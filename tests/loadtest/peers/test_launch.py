from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.peers.environments import Environment
from loadtest.peers.launch import PEERS
from relevance.template import FieldBudget, Template

TEMPLATE = Template(query_max_tokens=8, fields=(FieldBudget(field="title", max_tokens=8),))


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_runs_in_its_own_environment_on_this_machine_alone(name: str) -> None:
    launch = PEERS[name].launch(Environment(name), Path("model"))
    assert launch.name == PEERS[name].system(TEMPLATE).name == name
    assert launch.command[0].startswith(f".venv-peers/{name}/bin/")
    assert launch.command[launch.command.index("--host") + 1] == "127.0.0.1"
    assert launch.command[launch.command.index("--port") + 1] == str(launch.port)
    assert "model" in launch.command
    assert launch.environment["HF_HUB_OFFLINE"] == "1"

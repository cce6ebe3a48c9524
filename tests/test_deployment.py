"""The manifest of docs/deployment.md names what there is: settings, routes, the image's port and user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from service.app import create_app
from service.settings import PREFIX, Settings
from tests.service.conftest import MakeService, bundle, make_service

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()

__all__ = ["bundle", "make_service"]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/deployment.md").read_text(), flags=re.DOTALL)
    return {part["kind"]: part for part in yaml.safe_load_all(block)}


@pytest.fixture(scope="module")
def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["Deployment"]["spec"]["template"]["spec"]
    return found


def test_every_variable_is_a_setting_that_takes_its_value(pod: dict[str, Any]) -> None:
    given = {one["name"].removeprefix(PREFIX).lower(): one["value"] for one in pod["containers"][0]["env"]}
    assert given
    Settings(**given)


def test_probes_ask_routes_that_there_are(pod: dict[str, Any], make_service: MakeService) -> None:
    container = pod["containers"][0]
    asked = {container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    service = make_service()
    paths = create_app(service).openapi()["paths"]
    service.engine.backend.close()
    assert asked == {"/readyz", "/livez"} <= paths.keys()


def test_a_replica_has_time_to_drain(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    drain = next(float(one["value"]) for one in container["env"] if one["name"] == f"{PREFIX}DRAIN_SECONDS")
    _, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert float(pause) + drain < pod["terminationGracePeriodSeconds"]


def test_port_and_user_are_the_image_s(manifest: dict[str, Any], pod: dict[str, Any]) -> None:
    (port,) = pod["containers"][0]["ports"]
    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE
    assert f"USER {pod['securityContext']['runAsUser']}" in DOCKERFILE
    assert manifest["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]


def test_service_and_budget_select_the_replicas(manifest: dict[str, Any]) -> None:
    labels = manifest["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert manifest["Service"]["spec"]["selector"] == labels
    assert manifest["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels

"""What Kubernetes puts into every container's environment for each Service of its namespace: addresses, no settings.

For a Service `aisle` these are AISLE_SERVICE_HOST, AISLE_PORT=tcp://10.0.0.1:80, AISLE_PORT_80_TCP_ADDR and so on, for
`aisle-canary` AISLE_CANARY_SERVICE_HOST and so on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"
"""Every container there has it. Elsewhere a name of that form is a slip, to be told."""

_NAME = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_PORT_NAME = re.compile(r".+_PORT")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://.+")


def service_links(environment: Mapping[str, str]) -> frozenset[str]:
    """The names of `environment` that are such addresses."""
    if IN_KUBERNETES not in environment:
        return frozenset()
    return frozenset(name for name, value in environment.items() if _is_link(name.upper(), value))


def _is_link(name: str, value: str) -> bool:
    return bool(_NAME.fullmatch(name) or (_PORT_NAME.fullmatch(name) and _ADDRESS.fullmatch(value)))

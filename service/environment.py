"""What libraries read of the environment, put right before they are imported: `service.start` imports this first."""

from __future__ import annotations

import os

# Batches keep every core busy; a thread pool inside the tokenizer would only fight them for it.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Trace contexts are W3C's (service/tracing.py), whatever a cluster asks of all its services. OpenTelemetry's package,
# which FastAPI imports, fails at once if a propagator of that list is not installed.
os.environ.pop("OTEL_PROPAGATORS", None)

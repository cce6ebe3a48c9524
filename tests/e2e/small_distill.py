"""`python -m tests.e2e.small_distill`: the real command, whose embedded catalogue is a tenth as large.

Encoding 4,000 products is most of what a tiny run does; its stages, files and messages are the same with fewer.
"""

from __future__ import annotations

import sys
from functools import partial

from training.datasets import loading
from training.datasets.synthetic import SyntheticSize
from training.distill import main

SMALL = partial(SyntheticSize, products=400, log_queries=300)

if __name__ == "__main__":
    loading.SyntheticSize = SMALL  # type: ignore[assignment, misc]
    sys.exit(main())

from __future__ import annotations

import numpy as np

from relevance.padding import PADDING_SCORE


def test_the_weight_of_padding_is_lost_beside_any_other_and_is_no_subnormal_number() -> None:
    """Scores of either sign and of the size that trained attentions have."""
    one = np.float32(1)
    for best in (-20, 0, 25):
        weight = np.exp(np.float32(PADDING_SCORE - best))
        assert one + np.float32(512) * weight == one
        assert weight > np.finfo(np.float32).tiny

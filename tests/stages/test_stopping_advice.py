"""Advice on refining: it speaks of a rest only where there is one."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline.consensus.remaining_errors import RemainingErrors
from pipeline.stages.quality import advise


@pytest.mark.parametrize(("worthwhile", "has_rest"), [(3, False), (2, True)])
def test_a_rest_is_spoken_of_only_where_images_are_left(worthwhile, has_rest) -> None:
    rates = [2.0] * worthwhile + [0.1] * (3 - worthwhile)
    ranking = pd.DataFrame({"fixed_per_minute": rates, "minutes": 1.0, "expected_fixed": rates})
    remaining = RemainingErrors(3, 5, 7.0, 1.0, 20.0, 3.0, 4.0, 1.0, 1.0, 0.5)
    words = str(advise(ranking, remaining, 0.5))
    assert words.startswith(f"Go on: refining {worthwhile} more images")
    assert ("the rest yield less than 0.5 a minute" in words) == has_rest

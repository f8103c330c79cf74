"""What the section on interpretability takes."""

from typing import Any

import pytest
from good_config import SIMILARITY, changed

from prunescope.study.config.checking import check


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "lpips:squeeze", "image_size": 64},
        {"metric": "dreamsim:dinov2_vitb14_patch", "image_size": 224},
        {
            "metric": "dreamsim:ensemble",
            "image_size": 224,
            "sha256": {"dreamsim_ensemble_checkpoint.zip": "0" * 64},
        },
    ],
)
def test_optional_metrics_are_taken(settings: dict[str, Any]) -> None:
    check(changed({SIMILARITY: {"largest_matrix_mb": 4000, **settings}}))

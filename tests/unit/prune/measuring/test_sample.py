"""The draw of the images that a network is measured on."""

import numpy as np
import pytest

from prunescope.foundation.errors import InputError
from prunescope.prune.measuring.sample import SampleSettings, draw


def test_batches_are_of_one_size_and_no_image_comes_twice() -> None:
    drawn = draw(50, SampleSettings(images=12, batch=4, seed=3))
    assert [len(batch) for batch in drawn] == [4, 4, 4]
    assert len(set(np.concatenate(drawn).tolist())) == 12
    np.testing.assert_array_equal(drawn, draw(50, SampleSettings(12, 4, 3)))
    assert (np.array(drawn) != np.array(draw(50, SampleSettings(12, 4, 4)))).any()


def test_too_many_images_are_refused() -> None:
    with pytest.raises(InputError, match=r"sample\.images`: 512, but the train split has 50"):
        draw(50, SampleSettings())

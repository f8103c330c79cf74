"""What the section on compact networks takes."""

import pytest
from good_config import changed

from prunescope.foundation.errors import InputError
from prunescope.study.config.checking import check


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compact.rates": [0.8, 0.4]}, "`compact.rates`: [0.8, 0.4] must rise"),
        ({"compact.rounds": 14}, "`compact.rounds`: 14 must be a whole number from 15 to 1000"),
    ],
)
def test_settings_of_compact_networks_are_checked(changes: dict, told: str) -> None:
    with pytest.raises(InputError) as caught:
        check(changed(changes))
    assert told in str(caught.value)

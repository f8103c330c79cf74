"""What a job works on, in words."""

import doctest

from prunescope.study.progress import targets


def test_the_examples_hold() -> None:
    assert doctest.testmod(targets).attempted == 3
    assert doctest.testmod(targets).failed == 0


def test_what_is_made_of_a_network_is_named_too() -> None:
    wildcards = {
        "study": "s", "method": "a", "retraining": "b", "rate": "0.50", "seed": "2", "variant": "x",
    }  # fmt: skip
    assert targets.target(wildcards) == "a/b/rate0.50/seed2 x"

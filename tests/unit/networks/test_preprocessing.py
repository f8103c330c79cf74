"""What networks return, in all the forms that are in use."""

from collections import OrderedDict, namedtuple

import pytest
import torch

from prunescope.foundation.errors import InputError
from prunescope.networks.preprocessing import all_logits, logits_of

MAIN, FIRST, SECOND = (torch.full((2, 3), value) for value in (0.0, 1.0, 2.0))
FEATURES = torch.zeros(2, 8)
Heads = namedtuple("Heads", "aux logits aux2")
Pair = namedtuple("Pair", "result other")

FORMS = {
    "a tensor": (MAIN, (MAIN,)),
    "a tuple": ((MAIN, FIRST, SECOND), (MAIN, FIRST, SECOND)),
    "a list": ([MAIN], (MAIN,)),
    "a tuple with features": ((MAIN, FEATURES, FIRST), (MAIN, FIRST)),
    "a tuple with None": ((None, MAIN, None), (MAIN,)),
    "a named tuple": (Heads(FIRST, MAIN, SECOND), (MAIN, FIRST, SECOND)),
    "a head that is off": (Heads(None, MAIN, None), (MAIN,)),
    "a named tuple without logits": (Pair(MAIN, FIRST), (MAIN, FIRST)),
    "a dict": ({"features": FEATURES, "logits": MAIN, "aux": FIRST}, (MAIN, FIRST)),
    "a dict of segmentation": (OrderedDict(aux=FIRST, out=MAIN), (MAIN, FIRST)),
    "logits before out": ({"out": FIRST, "logits": MAIN}, (MAIN, FIRST)),
    "a dict without either": ({"loss": None, "scores": MAIN, "features": FEATURES}, (MAIN,)),
}


@pytest.mark.parametrize("form", FORMS)
def test_logits_in_any_form(form: str) -> None:
    output, expected = FORMS[form]
    assert logits_of(output) is MAIN
    found = all_logits(output)
    assert len(found) == len(expected)
    assert all(one is other for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("output", [None, (), {}, {"loss": 1.0}, "logits", 3])
def test_outputs_without_a_tensor(output: object) -> None:
    with pytest.raises(InputError, match=f"returns {type(output).__name__} without a tensor"):
        logits_of(output)

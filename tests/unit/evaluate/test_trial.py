"""What the first job says of a network that cannot be studied."""

from typing import Any

import pytest
import torch
from registries import register_architecture
from torch import nn

from prunescope.evaluate import trial
from prunescope.foundation.errors import InputError
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description


class Odd(nn.Module):
    """Returns what the test wants."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, images: torch.Tensor) -> Any:
        return self.answer(images)


def described(name: str, size: int = 32, **more: Any) -> Description:
    return Description(name, 5, size, (0.5,) * 3, (0.5,) * 3, **more)


def test_a_sound_network_comes_back_in_evaluation_mode() -> None:
    module = trial.build_and_try(described("torchvision:resnet18"))
    assert not module.training
    assert module.bn1.num_batches_tracked == 0
    found = describe(module, 32)
    assert found.parameters == sum(tensor.numel() for tensor in module.parameters())
    assert found.layers[-1].shape == (5, 512)


def test_a_network_for_images_of_another_size_is_told_where_to_set_it() -> None:
    with pytest.raises(InputError) as refused:
        trial.build_and_try(described("timm:vit_tiny_patch16_224"))
    message = str(refused.value)
    assert "timm:vit_tiny_patch16_224 does not take images of 32 x 32 pixels" in message
    assert "`img_size`" in message
    module = trial.build_and_try(described("timm:vit_tiny_patch16_224", options={"img_size": 32}))
    assert module.head.out_features == 5


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda images: images.mean((2, 3)), "returns (2, 3) in evaluation mode"),
        (lambda images: (images, images), "returns tuple in evaluation mode"),
        (lambda images: images, "returns (2, 3, 32, 32) in evaluation mode"),
    ],
)
def test_other_outputs_than_one_number_a_class_are_refused(
    answer: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_architecture(monkeypatch, "odd", lambda _: Odd(answer))
    with pytest.raises(InputError) as refused:
        trial.build_and_try(described("odd"))
    assert told in str(refused.value)
    assert "shape (2, 5) is expected" in str(refused.value)

"""Networks of timm, against timm itself."""

import pytest
import timm
import torch

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.description import Description


def described(name: str, classes: int = 7, **more: object) -> Description:
    return Description(name, classes, 32, (0.5,) * 3, (0.5,) * 3, **more)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {}),
        ("vit_tiny_patch16_224", {"img_size": 32}),
        # Its positions are buffers that are not saved.
        ("swin_tiny_patch4_window7_224", {"img_size": 32, "window_size": 4}),
        ("convnextv2_atto", {"drop_path_rate": 0.1}),
    ],
)
def test_a_network_is_timms_and_is_rebuilt_from_its_file(name: str, options: dict) -> None:
    torch.manual_seed(3)
    theirs = timm.create_model(name, num_classes=7, **options).eval()
    torch.manual_seed(3)
    blank = described(f"timm:{name}", options=options)
    ours = architecture.build(blank).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    rebuilt = modules.to_module(modules.to_network(ours, blank))
    with torch.inference_mode():
        expected = theirs(images)
        assert expected.shape == (2, 7)
        assert torch.equal(ours(images), expected)
        torch.testing.assert_close(rebuilt(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:vit_tiny_patch16", "Did you mean `timm:vit_tiny_patch16_"),
        ("timm:googlenet", "Did you mean `torchvision:googlenet`"),
        ("timm:resnet50.a1_in1k", "Write `timm:resnet50`, and the tag of the weights in"),
        ("timm:resnet50.a1_in1k", "`{timm: a1_in1k}`"),
    ],
)
def test_an_unknown_name_is_told_before_and_where_it_is_built(name: str, message: str) -> None:
    assert message in architecture.problem(name)
    with pytest.raises(InputError, match=r"^model\.architecture: ") as refused:
        architecture.build(described(name))
    assert message in str(refused.value)


def test_a_wrong_option_names_its_key_and_the_reason() -> None:
    with pytest.raises(InputError) as refused:
        architecture.build(described("timm:resnet18", options={"depht": 3}))
    assert str(refused.value).startswith("model.options: timm:resnet18 cannot be built with")
    assert "'depht'" in str(refused.value)


def test_networks_of_timm_have_no_heads() -> None:
    with pytest.raises(InputError, match=r"model\.auxiliary_heads: true, but the architecture"):
        architecture.build(described("timm:resnet18", auxiliary_heads=True))

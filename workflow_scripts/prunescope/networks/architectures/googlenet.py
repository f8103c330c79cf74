"""GoogLeNet as torchvision defines it: its constants, and how to build it.

Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015. Tests compare the names and
numbers with torchvision's.
"""

from typing import TYPE_CHECKING

from prunescope.networks.description import Description

if TYPE_CHECKING:
    from torch import nn

_BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
LAYERS = (
    *(f"conv{number}.conv" for number in (1, 2, 3)),
    *(f"inception{block}.{branch}.conv" for block in _BLOCKS for branch in _BRANCHES),
    *(f"aux{number}.{name}" for number in (1, 2) for name in ("conv.conv", "fc1", "fc2")),
    "fc",
)
AUXILIARY = ("aux1.", "aux2.")
CLASSIFIER = "fc.weight"
PARAMETERS = {False: 6_624_904, True: 13_004_888}
UNITS = 8_280
# The training logs of von Rad & Seuffert (arXiv 2409.19727) show 20 to 22 minutes.
EPOCH_MINUTES = 21

# True: torchvision silently sets `transform_input` when these weights are loaded.
# Source: `torchvision.models.GoogLeNet_Weights` and `googlenet`.
WEIGHTS = {"IMAGENET1K_V1": ("https://download.pytorch.org/models/googlenet-1378be20.pth", True)}
INPUT_MEAN = (0.485, 0.456, 0.406)
INPUT_STD = (0.229, 0.224, 0.225)


def build(description: Description) -> "nn.Module":
    """torchvision's GoogLeNet, freshly initialised.

    The weights are initialised with torch's defaults for each type of layer. torchvision's own
    initialisation (normal with standard deviation 0.01) needs a far smaller learning rate at
    the start of training.
    """
    # Imported here because it imports torch.
    from prunescope.networks.light_torchvision import import_googlenet

    module: nn.Module = import_googlenet().googlenet(
        weights=None,
        num_classes=description.classes,
        aux_logits=description.auxiliary_heads,
        transform_input=description.transform_input,
        init_weights=False,
    )
    return module

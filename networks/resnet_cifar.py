"""The residual networks for CIFAR-10, for images of 32 x 32 pixels.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
section 4.2. Shortcuts are of option A: where the size changes, they take every second pixel and
fill up with channels of zeros, so they have no parameters. Tensors have the names of the public
checkpoints of github.com/akamaster/pytorch_resnet_cifar10, which fit.

This file is the example of docs/own_network.md: it needs nothing but PyTorch.
"""

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Two convolutions, and a shortcut around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        # Half of the new channels come before the old ones, half after.
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        changed = functional.relu(self.bn1(self.conv1(images)))
        changed = self.bn2(self.conv2(changed))
        return functional.relu(changed + self.shortcut(images))

    def shortcut(self, images: torch.Tensor) -> torch.Tensor:
        """Every `stride`-th pixel, with channels of zeros before and after."""
        if self.stride == 1 and not self.before and not self.after:
            return images
        kept = images[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, self.before, self.after))


class ResNet(nn.Module):
    """A convolution, three stages of `blocks` blocks each, and a classifier.

    Parameters
    ----------
    blocks
        Blocks of a stage: a network of 6 n + 2 layers has n.
    num_classes
        Number of outputs.
    """

    def __init__(self, blocks: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(images, classes)` of images `(images, 3, height, width)`."""
        features = functional.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        return self.linear(features.mean(dim=(2, 3)))


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))


def resnet20(num_classes: int = 10) -> nn.Module:
    """The network of 20 layers: 0.27 million parameters."""
    return ResNet(3, num_classes)


def resnet32(num_classes: int = 10) -> nn.Module:
    """The network of 32 layers: 0.46 million parameters."""
    return ResNet(5, num_classes)


def resnet44(num_classes: int = 10) -> nn.Module:
    """The network of 44 layers: 0.66 million parameters."""
    return ResNet(7, num_classes)


def resnet56(num_classes: int = 10) -> nn.Module:
    """The network of 56 layers: 0.85 million parameters."""
    return ResNet(9, num_classes)


def resnet110(num_classes: int = 10) -> nn.Module:
    """The network of 110 layers: 1.7 million parameters."""
    return ResNet(18, num_classes)

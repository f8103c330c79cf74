"""N:M patterns: of each M consecutive input channels of a layer, N keep their weights.

The blocks lie along the input channels, separately for each output channel and each position of the
kernel: what sparse tensor cores compute with, for linear layers and for convolutions whose weights
are laid out channels-last (Mishra et al., "Accelerating Sparse Deep Neural Networks", arXiv
2104.08378; Pool & Yu, NeurIPS 2021). The pattern holds in every block, also for weights that no
image reaches.

Layers whose input channels, of a group, are no multiple of M are left dense, as NVIDIA's ASP leaves
them: above all the first convolution and depthwise ones.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Layer

# The granularity of methods that have a pattern.
N_OF_M = "n_of_m"


@dataclass(frozen=True)
class Pattern:
    """How many weights of a block are kept.

    Attributes
    ----------
    kept
        Number of weights that stay, from 1.
    of
        Size of a block, above `kept`.
    """

    kept: int
    of: int

    @property
    def rate(self) -> float:
        """The fraction of weights that go, with two decimals, as in the names of folders."""
        return round(1 - self.kept / self.of, 2)

    def fits(self, layer: Layer) -> bool:
        """Whether the input channels of a layer can be divided into blocks."""
        return layer.shape[1] % self.of == 0


def parse(text: str) -> Pattern:
    """The pattern that a text such as `2:4` stands for.

    Raises
    ------
    InputError
        It stands for none.
    """
    found = re.fullmatch(r"([1-9]\d*):([1-9]\d*)", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise InputError(
            f"{text!r} is no pattern N:M, of which N is at least 1 and below M, such as '2:4'"
        )
    return Pattern(int(found[1]), int(found[2]))


def keep_best(scores: np.ndarray, pattern: Pattern) -> np.ndarray:
    """The mask that keeps the weights with the highest scores of each block.

    Parameters
    ----------
    scores
        Of each weight: `(out, in, ...)`, of which `in` is a multiple of `pattern.of`. Of equal
        scores, the first ones go.

    Returns
    -------
    numpy.ndarray
        Booleans of the same shape.
    """
    channels_last = np.moveaxis(scores, 1, -1)
    blocks = channels_last.reshape(*channels_last.shape[:-1], -1, pattern.of)
    rising = np.argsort(blocks, axis=-1, kind="stable")
    kept = np.ones(blocks.shape, dtype=bool)
    np.put_along_axis(kept, rising[..., : pattern.of - pattern.kept], False, axis=-1)
    return np.moveaxis(kept.reshape(channels_last.shape), -1, 1).copy()


def left_dense(layers: Iterable[Layer], pattern: Pattern) -> str:
    """Which layers a pattern leaves dense, in words."""
    names = [f"{one.name} ({one.shape[1]})" for one in layers if not pattern.fits(one)]
    return (
        f"left dense, because their input channels are no multiple of {pattern.of}: "
        f"{', '.join(names) or 'none'}"
    )

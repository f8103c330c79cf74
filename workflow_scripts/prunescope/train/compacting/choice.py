"""Choose whether a network is trained with its masks, or on what they leave of its layers."""

from dataclasses import dataclass

from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Network
from prunescope.train.compacting.compact_module import (
    CompactModule,
    NotCompactError,
    compact,
    share,
)
from prunescope.train.recipes.recipe import COMPACT, MASKED, Recipe

# Compact layers pick channels and put zeros, which takes time of its own. Measured on the CPU, with
# this share of the multiplications left it is about what they save (docs/performance.md).
WORTH = 0.7


@dataclass(frozen=True)
class Choice:
    """What is trained.

    Attributes
    ----------
    compact
        The module, with compact layers or without.
    reason
        Why, in a few words.
    """

    compact: CompactModule
    reason: str

    @property
    def trained_on(self) -> str:
        """`compact` or `masked`."""
        return COMPACT if self.compact.layers else MASKED


def choose(module: nn.Module, network: Network, recipe: Recipe, *, held: bool) -> Choice:
    """Choose what is trained; if that is the compact network, make it in place.

    Parameters
    ----------
    module
        The network as a module, on its device.
    network
        The same network.
    recipe
        How it is trained.
    held
        Whether its masks are held as they are to the end.

    Raises
    ------
    InputError
        The recipe asks for the compact network of a pruned one, and it cannot be trained.
    """
    whole = CompactModule(module)
    if recipe.retrain_on == MASKED:
        return Choice(whole, "the recipe says so")
    if not network.masks:
        return Choice(whole, "there is no mask")
    forced = recipe.retrain_on == COMPACT
    reason = _against(module, recipe, held=held, forced=forced)
    made = whole
    if not reason:
        try:
            made = compact(module, network.masks, network.description)
        except NotCompactError as error:
            reason = str(error)
    if reason and forced:
        raise InputError(
            f"recipe: retrain_on is `compact`, but {reason}. Choose `auto` or `masked`."
        )
    if reason:
        return Choice(whole, reason)
    left = share(made, network.description)
    if not forced and left > WORTH:
        made.restore()
    return Choice(made, f"masks leave {left:.0%} of the multiplications")


def _against(module: nn.Module, recipe: Recipe, *, held: bool, forced: bool) -> str:
    """What stands against a compact network before one is made; empty if nothing does."""
    if not held:
        return "masks are not held, or change"
    if recipe.compile:
        return "the training is compiled"
    if not forced and next(module.parameters()).device.type != "cpu":
        return "which one is faster was measured on the CPU only"
    return ""

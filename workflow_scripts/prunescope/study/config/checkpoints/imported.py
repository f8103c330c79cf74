"""Networks that were pruned elsewhere."""

from typing import Annotated

from pydantic import Field

from prunescope.networks.coordinates import NOT_RETRAINED
from prunescope.study.config.checkpoints.checkpoint import Checkpoint
from prunescope.study.config.section import key
from prunescope.study.config.values import Different, Name, NamedRate


class Imported(Checkpoint):
    """A network that was pruned elsewhere: the keys of a checkpoint, and where it stands."""

    rate: NamedRate = key(
        "the rate under which the network is filed and drawn: what its authors say. The sparsity "
        "is measured",
        values="a number between 0 and 1 (both excluded), at most two decimals",
    )
    retraining: Annotated[list[Name], Field(min_length=1), *Different] = key(
        "which kinds of retraining the network gets; `none` measures it as it is",
        default_factory=lambda: [NOT_RETRAINED],
        values="a list of different keys of `retraining`, at least one. Those with `start: dense`",
        left_out="optional, `[none]` if left out",
    )

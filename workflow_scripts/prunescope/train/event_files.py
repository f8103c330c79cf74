"""Write the history of a training as an event file while it runs, for TensorBoard to show.

Only where a study asks for it: TensorBoard is a package of an optional environment.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

# A row of `history_table.HISTORY`.
Row = TypeVar("Row", bound=Mapping[str, Any])

PATTERN = "events.out.tfevents.*"
# The columns of the history that are drawn; the step is on the axis.
SCALARS = (
    "train_loss",
    "train_top1",
    "validation_loss",
    "validation_top1",
    "lr",
    "sparsity",
)


def missing(*, packages: bool) -> str | None:
    """Say why event files cannot be written; None if they can.

    Parameters
    ----------
    packages
        Whether jobs run in this Python. Otherwise their environments have no TensorBoard.
    """
    if not packages:
        return (
            "event_files: true, but the conda environments of jobs have no TensorBoard. Run "
            "without `--sdm conda` after `make watch`, or set it to false."
        )
    if find_spec("tensorboard") is None:
        return (
            "event_files: true needs the optional environment: make watch (tensorboard is not "
            "installed). Or set it to false."
        )
    return None


def written(rows: Iterable[Row], folder: Path) -> Iterator[Row]:
    """Pass the rows of a history on, and write each of them to an event file before.

    A training that continues yields the rows of its finished epochs first. So files of earlier
    tries are removed, and a TensorBoard that has read them is told to forget them: no point
    stands twice. The points of these rows have the time of the new try.

    Parameters
    ----------
    rows
        Rows of `history_table.HISTORY`, such as `training.train` yields them.
    folder
        The folder of the network. Its path is the name of the run in TensorBoard.

    Yields
    ------
    dict
        The same rows.
    """
    from torch.utils.tensorboard import SummaryWriter

    for earlier in folder.glob(PATTERN):
        earlier.unlink()
    with SummaryWriter(str(folder), purge_step=0) as writer:
        for row in rows:
            for name in SCALARS:
                if row[name] is not None:
                    writer.add_scalar(name, row[name], row["step"])
            writer.flush()
            yield row

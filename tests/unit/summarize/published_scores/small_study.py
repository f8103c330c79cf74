"""The published scores as a study reads them, and a small made-up study of the same form."""

from pathlib import Path

import numpy as np
import polars as pl

from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.interpret.published_scores import files, reading
from prunescope.summarize.published_scores import published_values
from prunescope.summarize.published_scores.readings import Scores

PUBLISHED = Path(__file__).resolve().parents[4] / "resources" / "published_results.csv"

LAYERS = {f"inception{block}.branch1.conv": 10 for block in ("3a", "3b", "4a", "4b", "4c", "4d")}


def small_tables(rising: float = 0.05) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Six arms of four networks with 60 channels and 20 logits, whose scores rise with the rate.

    In structured arms the first `10 * rate` channels of each layer are constant. With Adam one more
    channel is.
    """
    rng = np.random.default_rng(5)
    names = [*LAYERS, "fc"]
    sizes = [*LAYERS.values(), 20]
    layer = np.repeat(names, sizes)
    unit = np.concatenate([np.arange(size) for size in sizes])
    base = rng.uniform(0.5, 0.8, len(layer))
    units, networks = [], []
    for arm in files.arms():
        for rate in files.RATES:
            soft = base + rising * rate + rng.normal(0, 0.002, len(layer))
            constant = np.zeros(len(layer), dtype=bool)
            if arm.method == files.STRUCTURED:
                constant = (unit < round(10 * rate)) & (layer != "fc")
                if arm.optimizer == "adam":
                    constant |= (layer == names[0]) & (unit == 9)
            soft = np.where(constant, 0.999, soft)
            network = {"method": arm.method, "retraining": arm.retraining, "rate": rate, "seed": 0}
            kind = ["linear" if name == "fc" else "conv2d" for name in layer]
            units.append(
                GIVEN_UNITS.conform(
                    pl.DataFrame(
                        {"layer": layer, "layer_type": kind, "unit": unit, "constant": constant,
                         "mis_soft": soft, "mis_hard": soft}
                    ).with_columns(**{key: pl.lit(value) for key, value in network.items()})
                )
            )  # fmt: skip
            top1 = 0.8 - 0.3 * rate - 0.1 * rate * (arm.method == files.STRUCTURED)
            known = arm.epochs == 50
            networks.append({**network, "top1": top1 if known else None, "images": None})
    return pl.concat(units), GIVEN_NETWORKS.conform(pl.DataFrame(networks))


def small_scores(rising: float = 0.05) -> Scores:
    """The scores of `small_tables`, which rise by `0.6 * rising` over the rates."""
    return Scores.of_tables(*small_tables(rising))


def published_units(folder: Path) -> pl.DataFrame:
    """The table of units that the published files make."""
    return reading.read([file.within(folder) for file in files.published_files()])


def scores_of(units: pl.DataFrame) -> Scores:
    """The published scores."""
    top1 = published_values.of_networks(PUBLISHED, published_values.TOP1)
    return Scores.of_tables(units, reading.networks(units, top1))

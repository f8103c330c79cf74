"""Differences of accuracy between networks that classified the same images.

Source of the model over runs and images, two crossed random samples: Baayen, Davidson & Bates,
"Mixed-effects modeling with crossed random effects for subjects and items", 2008; here with the
variances of a balanced layout.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from prunescope.networks.coordinates import DENSE, KIND, NOT_RETRAINED, Coordinates, name_kind
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.paired_changes import CONTROL, LOWEST, partners_of
from prunescope.summarize.estimates.rows import statistic
from prunescope.summarize.estimates.runs.over_runs import (
    OVER_RUNS,
    Layout,
    columns_of,
    kind_of,
    tested,
)
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.run_model import Known, combined
from prunescope.summarize.study_tables import Row

QUANTITY = "top1_change"
# The change between two numbers that were given: without the answers there is no interval.
AS_GIVEN = "top1_change_as_given"


def accuracy_changes(answers: pl.DataFrame) -> Iterator[Row]:
    """The change of accuracy from each partner: of each network, and of each kind over runs.

    Parameters
    ----------
    answers
        Coordinates, `image`, `label`, `answer`: one row for each network and image.
    """
    hits = {
        network: (rows["answer"] == rows["label"]).to_numpy().astype(np.float64)
        for network, rows in selection.by_network(answers.sort("image", maintain_order=True))
    }
    found: list[dict[str, Any]] = []
    for network, own in hits.items():
        for partner, other in partners_of(network, hits).items():
            difference = own - hits[other]
            yield _over_images(network, partner, difference)
            found.append(
                {**kind_of(network), "seed": network.seed, "partner": partner,
                 "retrained": network.retraining != NOT_RETRAINED, "difference": difference,
                 "value": float(difference.mean())}
            )  # fmt: skip
    for partner in (DENSE, CONTROL, LOWEST):
        for retrained in (False, True):
            rows = [r for r in found if (r["partner"], r["retrained"]) == (partner, retrained)]
            yield from _over_runs(rows, partner)


def _over_images(network: Coordinates, partner: str, difference: np.ndarray) -> Row:
    error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
    found = estimators.student(
        float(difference.mean()), error, len(difference) - 1, len(difference)
    )
    return statistic(
        f"{QUANTITY}_over_images",
        f"{network.name} against {partner}",
        found,
        "paired over images, Student's t, this run alone",
        network,
        family=f"{QUANTITY}_over_images against {partner}",
    )


def changes_as_given(networks: pl.DataFrame) -> Iterator[Row]:
    """The change of accuracy from each partner, where only the accuracy of networks is known.

    Parameters
    ----------
    networks
        As `study_tables.NETWORKS`.
    """
    # Networks of unknown accuracy count as partners too: else the next best would take their place.
    known = {Coordinates.from_row(row): row["top1"] for row in networks.iter_rows(named=True)}
    found = []
    for network, own in known.items():
        for partner, other in partners_of(network, known).items():
            if own is None or known[other] is None:
                continue
            value = own - known[other]
            yield statistic(
                AS_GIVEN,
                f"{network.name} against {partner}",
                Estimate(value, None, None, None, 1, level=None),
                "difference of two given numbers",
                network,
                family=f"{AS_GIVEN} against {partner}",
            )
            found.append(
                {**kind_of(network), "seed": network.seed, "partner": partner,
                 "retrained": network.retraining != NOT_RETRAINED, "value": value}
            )  # fmt: skip
    for (partner, _), rows in (
        pl.DataFrame(found).group_by("partner", "retrained", maintain_order=True) if found else ()
    ):
        layout = Layout.of(rows.select(*KIND, "seed", "value"))
        if layout is None:
            continue
        for place, kind in enumerate(layout.kinds.to_dicts()):
            name = name_kind(kind["method"], kind["retraining"], kind["rate"])
            yield statistic(
                QUANTITY,
                f"{name} against {partner}, {OVER_RUNS}",
                tested(layout.model.mean(place), layout.model.runs),
                f"mean over {layout.model.runs} runs, t, of given numbers",
                family=f"{QUANTITY} against {partner}, {OVER_RUNS}",
                **columns_of(kind),
            )


def _over_runs(rows: list[dict[str, Any]], partner: str) -> Iterator[Row]:
    if not rows:
        return
    frame = pl.DataFrame([{k: v for k, v in row.items() if k != "difference"} for row in rows])
    layout = Layout.of(frame.select(*KIND, "seed", "value"))
    if layout is None:
        return
    for place, kind in enumerate(layout.kinds.to_dicts()):
        own = np.stack(
            [row["difference"] for row in rows if all(row[name] == kind[name] for name in KIND)]
        )
        known = with_images(layout.model.mean(place), own)
        name = name_kind(kind["method"], kind["retraining"], kind["rate"])
        yield statistic(
            QUANTITY,
            f"{name} against {partner}, {OVER_RUNS}",
            estimators.student(known.estimate, known.error, known.freedom, len(own)),
            f"mean over {len(own)} runs and the same {own.shape[1]} images, t, both at random",
            family=f"{QUANTITY} against {partner}, {OVER_RUNS}",
            **columns_of(kind),
        )


def with_images(over_runs: Known, differences: np.ndarray) -> Known:
    """Add to the error over runs what the sample of images adds, which all runs share.

    Parameters
    ----------
    over_runs
        The mean difference, with its error over runs.
    differences
        float64 `(runs, images)`: the difference of each image in each run.
    """
    runs, images = differences.shape
    alone = float(differences.var(axis=0, ddof=1).mean())
    shared = max(0.0, float(differences.mean(axis=0).var(ddof=1)) - alone / runs) / images
    parts = np.array([over_runs.error**2, shared])
    freedoms = np.array([over_runs.freedom, images - 1.0])
    return combined(over_runs.estimate, parts, freedoms)

"""A small study of known numbers, and the unit explorer that its script builds of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from prunescope.data import image_tables
from prunescope.data.packed_images import PackedImages
from prunescope.foundation import arrays, tables
from prunescope.interpret import exemplars, mis, trivial_units, unit_tables
from prunescope.networks.architecture_files import Carried, Group, Member
from prunescope.networks.coordinates import NETWORK_FOLDER, Coordinates
from prunescope.prune import group_tables
from prunescope.prune.channel_groups import ChannelGroup
from prunescope.summarize import study_tables

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow_scripts"
STUDY = "clothes"
CLASSES = ["boot", "<img src=x onerror=\"document.title='broken'\">", 'bag & "belt"', "coat"]
LAYERS = {"conv1.conv": ("conv2d", 5), "inception3a.branch1.conv": ("conv2d", 30),
          "fc": ("linear", 4)}  # fmt: skip
IMAGES, SIDE, PER_SIDE = 48, 32, 20
MIS = {"explanations": 3, "tasks": 5, "tau": 0.16, "draw": "imi", "seed": 0}
NETWORKS: list[dict[str, Any]] = [
    {"method": method, "retraining": retraining, "rate": rate, "seed": 0}
    for method, retraining, rate in [
        ("dense", "none", "0.00"), ("dense", "one_shot", "0.00"), ("untrained", "none", "0.00"),
        ("structured", "none", "0.20"), ("structured", "none", "0.80"),
        ("structured", "one_shot", "0.80"),
    ]
]  # fmt: skip
DENSE, PRUNED = NETWORKS[0], NETWORKS[4]
# Of four classes: 0.25 is chance, and 0.575 the least at which a network can still classify. Only
# the last one can; the units of the other two that are pruned change more.
TOP1 = (0.9, 0.8, 0.25, 0.55, 0.3, 0.6)
OPENED = NETWORKS[5]
# The second run holds a head of two channels; the last layer is in no group.
GROUPS = (
    ChannelGroup(
        runs=(
            Group(
                (Member("conv1.conv", "out", 0), Member("inception3a.branch1.conv", "in", 2)),
                3,
                carried=(Carried("conv1.bn.weight", "batch_norm", 0, 0),),
            ),
            Group((Member("conv1.conv", "out", 3, 2), Member("fc", "in", 0, 4)), 1),
        ),
        kinds=("conv2d",),
    ),
    ChannelGroup(
        (Group((Member("inception3a.branch1.conv", "out", 0),), 30, "sort"),), ("conv2d",), "sort"
    ),
)
# Of the pruned network, by number.
CONSTANT = (3, 7, 36)


def name_of(network: Mapping[str, Any]) -> str:
    """The name of a network on the page."""
    return Coordinates(**network).name


@dataclass(frozen=True)
class Small:
    """What was put into the small study: frames by network, similarities, trivial units."""

    folder: Path
    exemplars: list[pl.DataFrame]
    scores: list[pl.DataFrame]
    similarity: np.ndarray
    trivial: pl.DataFrame
    job: SimpleNamespace

    @property
    def page(self) -> Path:
        return Path(self.job.output.explorer) / "index.html"


def units() -> pl.DataFrame:
    rows = [(layer, kind, n) for layer, (kind, number) in LAYERS.items() for n in range(number)]
    schema = {"layer": pl.String, "layer_type": pl.String, "unit": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def exemplars_of(activations: np.ndarray, per_side: int = PER_SIDE) -> pl.DataFrame:
    """The table of the strongest and weakest images of `(units, images)` activations."""
    order = np.argsort(-activations, axis=1, kind="stable")
    sides = {"strongest": order[:, :per_side], "weakest": order[:, : -per_side - 1 : -1]}
    columns: dict[str, Any] = {
        "constant": np.ptp(activations, axis=1) < 1e-8,
        "tied_fraction": np.zeros(len(activations)),
    }
    for side, indices in sides.items():
        columns[side] = indices.tolist()
        columns[f"{side}_activation"] = np.take_along_axis(activations, indices, axis=1).tolist()
    block = pl.col("layer").str.split(".").list.first()
    found = units().with_columns(block=block).hstack(pl.DataFrame(columns))
    return unit_tables.EXEMPLARS.conform(found)


def scores_of(exemplars: pl.DataFrame, similarity: np.ndarray) -> pl.DataFrame:
    sides = [tables.matrix(exemplars[side]) for side in ("strongest", "weakest")]
    soft, hard, delta = mis.score_units(*sides, similarity, mis.ScoreSettings(**MIS))
    scored = exemplars.with_columns(
        mis_soft=pl.Series(soft), mis_hard=pl.Series(hard), mean_delta=pl.Series(delta)
    )
    return unit_tables.MIS.conform(scored)


def measures_of(exemplars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    names = ("monosemanticity", "label_purity", "class_selectivity")
    values = [pl.Series(name, rng.random(len(exemplars))) for name in names]
    live = ~exemplars["constant"]
    measured = exemplars.with_columns(pl.when(live).then(column) for column in values)
    return unit_tables.MEASURES.conform(measured)


def overview_of(exemplars: list[pl.DataFrame], scores: list[pl.DataFrame]) -> pl.DataFrame:
    rows: list[Mapping[str, Any]] = []
    for number, network in enumerate(NETWORKS):
        live = ~exemplars[number]["constant"]
        told = {"top1": TOP1[number], "live_units": live.sum(), "study": STUDY,
                "mis_soft_live": scores[number].filter(live)["mis_soft"].mean()}  # fmt: skip
        rows.append(dict.fromkeys(study_tables.NETWORKS.columns, 0) | network | told)
    return study_tables.NETWORKS.conform(pl.DataFrame(rows, infer_schema_length=None))


def trivial_of(images: np.ndarray, labels: np.ndarray, similarity: np.ndarray) -> pl.DataFrame:
    """Of plain images of one brightness, all statistics are constant."""
    found = trivial_units.score(
        PackedImages(images, labels),
        dict(enumerate(CLASSES)),
        similarity,
        exemplars.ExemplarSettings(PER_SIDE, "random", 0),
        mis.ScoreSettings(**MIS),
    )
    return trivial_units.TRIVIAL_UNITS.conform(found.with_columns(study=pl.lit(STUDY)))


def make_small(folder: Path) -> Small:
    """Write the files of the small study below `folder`, and describe the job that reads them."""
    rng = np.random.default_rng(0)
    number = len(units())
    features = rng.normal(size=(IMAGES, 8)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similarity = features @ features.T
    # Every image has a colour of its own, so that a picture of the page tells which is shown.
    colours = np.stack([5 * np.arange(IMAGES), 250 - 5 * np.arange(IMAGES), np.full(IMAGES, 60)], 1)
    images = np.broadcast_to(colours[:, :, None, None], (IMAGES, 3, SIDE, SIDE)).astype(np.uint8)
    labels = np.arange(IMAGES) % len(CLASSES)
    index = pl.DataFrame({
        "image": np.arange(IMAGES), "label": labels, "class": [CLASSES[n] for n in labels],
        "source_split": "train", "source_index": np.arange(IMAGES), "file": None,
        "bytes": None, "modified": None,
    })  # fmt: skip
    # Activations of the dense network follow a direction of the features: units are interpretable.
    directions = rng.normal(size=(number, 8)).astype(np.float32)
    dense = directions @ features.T
    found, scores, paths = [], [], {"exemplars": [], "mis": [], "measures": []}
    for place, network in enumerate(NETWORKS):
        noise = rng.normal(size=dense.shape).astype(np.float32)
        activations = dense + place * noise
        if network == PRUNED:
            activations[list(CONSTANT)] = 0.25
        found.append(exemplars_of(activations))
        scores.append(scores_of(found[-1], similarity))
        own = folder / NETWORK_FOLDER.format(study=STUDY, **network)
        written = {
            "exemplars": (unit_tables.EXEMPLARS, found[-1]),
            "mis": (unit_tables.MIS, scores[-1]),
            "measures": (unit_tables.MEASURES, measures_of(found[-1], rng)),
        }
        for name, (table, frame) in written.items():
            path = own / f"{name}.parquet"
            table.write(frame, path)
            paths[name].append(str(path))
    probe = folder / "probe"
    arrays.save_array(images, probe / "images.npy")
    arrays.save_array(similarity, probe / "similarity.npy")
    image_tables.INDEX.write(image_tables.INDEX.conform(index), probe / "index.parquet")
    trivial = trivial_of(images, labels, similarity)
    trivial_units.TRIVIAL_UNITS.write(trivial, folder / "trivial_units.parquet")
    study_tables.NETWORKS.write(overview_of(found, scores), folder / "networks.parquet")
    group_tables.CHANNEL_GROUPS.write(group_tables.rows(GROUPS), folder / "channel_groups.parquet")
    job = SimpleNamespace(
        input=SimpleNamespace(
            images=probe / "images.npy",
            similarity=probe / "similarity.npy",
            index=probe / "index.parquet",
            networks=folder / "networks.parquet",
            trivial=folder / "trivial_units.parquet",
            groups=[str(folder / "channel_groups.parquet")],
            **paths,
        ),
        output=SimpleNamespace(
            explorer=str(folder / "results" / STUDY / "explorer"),
            in_report=str(folder / "results" / STUDY / "pages" / "explorer"),
        ),
        params=SimpleNamespace(
            study=STUDY, dataset="<b>clothes</b>", metric="pixels:correlation", mis=MIS,
            kind="matrix", networks=NETWORKS,
        ),
    )  # fmt: skip
    return Small(folder, found, scores, similarity, trivial, job)


def build(small: Small) -> None:
    """Run the script of the rule."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    import build_explorer

    build_explorer.main(small.job)

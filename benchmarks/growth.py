"""Measure how cost grows with images, units, networks and probe images; and draw it."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from benchmarks.common import FOLDER, ROOT, Material, seconds
from benchmarks.scoring import settings_for
from benchmarks.workflow import large_config, plan, planned_jobs
from prunescope.foundation import arrays
from prunescope.interpret import exemplar_pass, exemplars, mis, similarities
from prunescope.interpret.metrics import comparison
from prunescope.networks import modules

RUNS = 3


def timed(sizes: Sequence[int], work: Callable[[int], Callable[[], object]]) -> list[float]:
    """The median time of the work for each size, after one run that does not count."""
    found = []
    for size in sizes:
        do = work(size)
        do()
        found.append(float(np.median([seconds(do) for _ in range(RUNS)])))
    return found


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """The least-squares slope of log time over log size."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def steps_up_to(largest: int, number: int = 5) -> list[int]:
    """At most `number` sizes, each twice the one before, up to `largest`."""
    return [largest >> place for place in reversed(range(number)) if largest >> place]


def curves(material: Material, config: Path) -> dict[str, dict[str, Any]]:
    """The measured curves by name: `sizes`, `seconds`, `exponent`, and `what` was done."""
    settings = settings_for(material)
    strongest, weakest = material.sides
    matrix = arrays.load_array(material.similarity_file)
    vectors = arrays.load_array(material.embeddings_file)
    module, description = modules.to_module(material.dense), material.dense.description

    def show(images: int) -> Callable[[], object]:
        side = exemplars.ExemplarSettings(min(200, images // 2), "random", 0)
        return lambda: exemplar_pass.find_exemplars(
            module, material.first(images), description, side
        )

    def score(units: int) -> Callable[[], object]:
        return lambda: mis.score_units(strongest[:units], weakest[:units], matrix, settings)

    def compare(images: int) -> Callable[[], object]:
        return lambda: comparison.compare(vectors[:images], distance=False)

    def score_among(images: int, whole: bool) -> Callable[[], object]:
        sides = strongest % images, weakest % images
        if whole:
            source = np.ascontiguousarray(matrix[:images, :images])
        else:
            source = similarities.Embeddings(vectors[:images], False)
        return lambda: mis.score_units(*sides, source, settings)

    images, units = steps_up_to(material.images), steps_up_to(len(strongest))
    found = {
        "images": (images[:-1], show, "exemplar pass of one network, by images shown"),
        "units": (units, score, "scores of one network by the matrix, by units"),
        "probe, matrix made": (images, compare, "similarity of all pairs, by probe images"),
        "probe, scored by matrix": (
            images, lambda size: score_among(size, True), "scores of one network, by probe images",
        ),
        "probe, scored by embeddings": (
            images, lambda size: score_among(size, False), "the same from embeddings",
        ),
    }  # fmt: skip
    rows = {
        name: {"sizes": sizes, "seconds": timed(sizes, work), "what": what}
        for name, (sizes, work, what) in found.items()
    }
    rows["networks"] = planning(config)
    for row in rows.values():
        row["exponent"] = exponent(row["sizes"], row["seconds"])
    return rows


def planning(config: Path) -> dict[str, Any]:
    """The time of `snakemake -n` by the number of networks, which the number of seeds sets."""

    def planned(seeds: int) -> Callable[[], str]:
        path = large_config(config, seeds, folder)
        return lambda: plan(path)

    seeds = (1, 2, 4, 8)
    with tempfile.TemporaryDirectory() as folder:
        plans = [planned(number)() for number in seeds]
        times = timed(seeds, planned)
    return {
        "sizes": [planned_jobs(output, "evaluate_network") for output in plans],
        "jobs": [planned_jobs(output) for output in plans],
        "seconds": times,
        "what": "`snakemake -n`, by networks of the study",
    }


def chart(rows: dict[str, dict[str, Any]]) -> alt.ConcatChart:
    """One panel for each kind of size, with logarithmic axes; the legend gives the exponents."""
    frame = pl.concat(
        pl.DataFrame({"size": row["sizes"], "seconds": row["seconds"]}).with_columns(
            panel=pl.lit(name.partition(",")[0]),
            line=pl.lit(f"{name.partition(', ')[2] or name}: exponent {row['exponent']:.2f}"),
        )
        for name, row in rows.items()
    )
    titles = {
        "images": "Exemplar pass, by images shown",
        "units": "Scores, by units",
        "networks": "snakemake -n, by networks",
        "probe": "Probe set, by its images",
    }
    panels = []
    for panel, title in titles.items():
        part = frame.filter(panel=panel)
        base = alt.Chart(part).encode(
            alt.X("size:Q").scale(type="log", nice=False).title(None)
            .axis(tickCount=5, format="~s"),
            alt.Y("seconds:Q").scale(type="log").title("seconds").axis(tickCount=5, format="~g"),
            alt.Color("line:N").title(None).scale(scheme="dark2")
            .legend(orient="bottom", direction="vertical", labelLimit=320),
        )  # fmt: skip
        lines = base.mark_line() + base.mark_point(filled=True, size=50)
        panels.append(lines.properties(width=300, height=220, title=title))
    return (
        alt.concat(*panels, columns=2)
        .resolve_scale(color="independent", x="independent", y="independent")
        .properties(
            title=alt.Title(
                "How cost grows",
                subtitle="time of one run, both axes logarithmic; a line of exponent 1 doubles "
                "where the size doubles",
                anchor="start",
            )
        )
    )


def run(material: Material, config: Path = ROOT / "config.yaml") -> dict[str, dict[str, Any]]:
    rows = curves(material, config)
    drawn = chart(rows)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in ("svg", "png"):
        drawn.save(FOLDER / f"growth.{kind}", scale_factor=2)
    return rows

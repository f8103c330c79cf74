"""Write the unit explorer: a page, sheets of the probe images, and the data files it loads.

It is written twice: whole, and a smaller copy for the report.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.data import image_tables
from prunescope.foundation import arrays, job, provenance, whole_files
from prunescope.interpret import mis, similarities, trivial_units, unit_tables
from prunescope.networks import coordinates
from prunescope.networks.coordinates import Coordinates
from prunescope.prune import group_tables
from prunescope.summarize import study_tables
from prunescope.summarize.explorer import opening, page
from prunescope.summarize.explorer.columns import script, smallest
from prunescope.summarize.explorer.network_data import data_files, units_of
from prunescope.summarize.explorer.report_copy import ReportCopy
from prunescope.summarize.explorer.sheets import Sheets, draw_sheets


def write(folders: Iterable[Path], name: str, content: bytes) -> None:
    """Write the same file below some folders."""
    for folder in folders:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_networks(
    smk,
    scores: Mapping[Coordinates, pl.DataFrame],
    whole: Path,
    copy: Path,
    copied: ReportCopy,
) -> None:
    """Write the data of every network, and into the copy what it holds of them.

    Raises
    ------
    ValueError
        Networks differ in their units.
    """
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    settings = mis.ScoreSettings(**smk.params.mis)
    units = units_of(next(iter(scores.values())))
    for network, *paths in zip(scores, smk.input.exemplars, smk.input.measures, strict=True):
        exemplars = unit_tables.EXEMPLARS.read(paths[0])
        measures = unit_tables.MEASURES.read(paths[1])
        if not units_of(exemplars).equals(units):
            raise ValueError(f"{paths[0]}: other units than in {smk.input.mis[0]}")
        given = (exemplars, scores[network], measures)
        for part, name, content in data_files(network.name, *given, similarity, settings):
            write([whole, *([copy] if copied.holds(network, part) else [])], name, content)


def write_trivial(smk, folders: Iterable[Path]) -> pl.DataFrame:
    """Write the data of the trivial units, as of a network, and return their table."""
    units = trivial_units.TRIVIAL_UNITS.read(smk.input.trivial)
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    settings = mis.ScoreSettings(**smk.params.mis)
    for _, name, content in data_files("trivial", units, units, None, similarity, settings):
        write(folders, name, content)
    return units


def group_table(smk) -> pl.DataFrame:
    """The groups of channels; none if no method prunes them."""
    table = group_tables.CHANNEL_GROUPS
    return table.read(smk.input.groups[0]) if smk.input.groups else table.empty()


def find_opening(
    smk,
    scores: Mapping[Coordinates, pl.DataFrame],
    overview: Iterable[Mapping[str, Any]],
    classes: int,
) -> dict[str, Any] | None:
    """Where the page opens, as `opening.find` tells. Networks with the same files count once."""
    distinct: dict[str, Coordinates] = {}
    for path, network in zip(smk.input.mis, scores, strict=True):
        distinct.setdefault(path, network)
    networks = list(distinct.values())
    top1 = {network: row["top1"] for network, row in zip(scores, overview, strict=True)}
    changes = {
        network: opening.mean_change(scores[network.dense], scores[network]) for network in networks
    }
    return opening.find(networks, top1, changes, classes)


def main(smk) -> None:
    index = image_tables.INDEX.read(smk.input.index)
    images = arrays.load_array(smk.input.images, memory_map=True)
    networks = coordinates.from_params(smk.params.networks)
    scores = dict(zip(networks, map(unit_tables.MIS.read, smk.input.mis), strict=True))
    units = units_of(scores[networks[0]])
    classes = page.classes(index)
    overview = page.overview(networks, study_tables.NETWORKS.read(smk.input.networks))
    opened = find_opening(smk, scores, overview, len(classes))
    copied = ReportCopy.plan(networks, opened)
    sheets = Sheets.plan(len(images), images.shape[-1])
    with (
        whole_files.atomic_folder(smk.output.explorer) as whole,
        whole_files.atomic_folder(smk.output.in_report) as copy,
    ):
        both = (whole, copy)
        for name, content in page.page_files().items():
            write(both, name, content)
        for name, content in zip(sheets.names, draw_sheets(images, sheets), strict=True):
            write(both, f"images/{name}", content)
        write_networks(smk, scores, whole, copy, copied)
        trivial = write_trivial(smk, both)
        facts = {
            "study": smk.params.study,
            "dataset": smk.params.dataset,
            "metric": smk.params.metric,
            "mis": smk.params.mis,
            "classes": classes,
            "layers": page.layers(units),
            "networks": overview,
            "opening": opened,
            "copy": None,
            "trivial": page.trivial_overview(trivial),
            "groups": page.groups(group_table(smk), units),
            "sheets": {"names": sheets.names, "side": sheets.side, "columns": sheets.columns},
            "provenance": provenance.current(),
        }
        of_copy = facts | copied.facts(overview, f"{smk.output.explorer}/index.html")
        labels = {"label": smallest(index["label"].to_numpy())}
        for folder, told in ((whole, facts), (copy, of_copy)):
            write([folder], "data/study.js", script("study", labels, **told))
            written = whole_files.files_of(folder)
            size = sum(file.stat().st_size for file in written)
            job.log.info("%d files, %.1f MB", len(written), size / 1e6)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

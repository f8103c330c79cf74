"""Write the unit explorer: a page, sheets of the probe images, and the data files it loads."""

from pathlib import Path

import polars as pl

from prunescope.data import image_tables
from prunescope.foundation import arrays, job, provenance, whole_files
from prunescope.interpret import mis, similarities, trivial_units, unit_tables
from prunescope.networks import coordinates
from prunescope.networks.coordinates import Coordinates
from prunescope.prune import group_tables
from prunescope.summarize import study_tables
from prunescope.summarize.explorer import page
from prunescope.summarize.explorer.columns import script, smallest
from prunescope.summarize.explorer.network_data import data_files, units_of
from prunescope.summarize.explorer.sheets import Sheets, draw_sheets


def write(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the explorer; `name` is its path below `folder`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_networks(smk, networks: list[Coordinates], folder: Path) -> pl.DataFrame:
    """Write the data of every network.

    Returns
    -------
    polars.DataFrame
        `layer`, `layer_type` and `unit` of all units, which are the same in all networks.

    Raises
    ------
    ValueError
        Networks differ in their units.
    """
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    settings = mis.ScoreSettings(**smk.params.mis)
    units = units_of(unit_tables.MIS.read(smk.input.mis[0]))
    for network, *paths in zip(
        networks, smk.input.exemplars, smk.input.mis, smk.input.measures, strict=True
    ):
        exemplars = unit_tables.EXEMPLARS.read(paths[0])
        scores = unit_tables.MIS.read(paths[1])
        measures = unit_tables.MEASURES.read(paths[2])
        if not units_of(exemplars).equals(units):
            raise ValueError(f"{paths[0]}: other units than in {smk.input.mis[0]}")
        files = data_files(network.name, exemplars, scores, measures, similarity, settings)
        for name, content in files:
            write(folder, name, content)
    return units


def write_trivial(smk, folder: Path) -> pl.DataFrame:
    """Write the data of the trivial units, as of a network, and return their table."""
    units = trivial_units.TRIVIAL_UNITS.read(smk.input.trivial)
    similarity = similarities.load(smk.input.similarity, smk.params.kind)
    settings = mis.ScoreSettings(**smk.params.mis)
    for name, content in data_files("trivial", units, units, None, similarity, settings):
        write(folder, name, content)
    return units


def group_table(smk) -> pl.DataFrame:
    """The groups of channels; none if no method prunes them."""
    table = group_tables.CHANNEL_GROUPS
    return table.read(smk.input.groups[0]) if smk.input.groups else table.empty()


def main(smk) -> None:
    index = image_tables.INDEX.read(smk.input.index)
    images = arrays.load_array(smk.input.images, memory_map=True)
    networks = coordinates.from_params(smk.params.networks)
    sheets = Sheets.plan(len(images), images.shape[-1])
    with whole_files.atomic_folder(smk.output.explorer) as folder:
        for name, content in page.page_files().items():
            write(folder, name, content)
        for name, content in zip(sheets.names, draw_sheets(images, sheets), strict=True):
            write(folder, f"images/{name}", content)
        units = write_networks(smk, networks, folder)
        trivial = write_trivial(smk, folder)
        study = script(
            "study",
            {"label": smallest(index["label"].to_numpy())},
            study=smk.params.study,
            dataset=smk.params.dataset,
            metric=smk.params.metric,
            mis=smk.params.mis,
            classes=page.classes(index),
            layers=page.layers(units),
            networks=page.overview(networks, study_tables.NETWORKS.read(smk.input.networks)),
            trivial=page.trivial_overview(trivial),
            groups=page.groups(group_table(smk), units),
            sheets={"names": sheets.names, "side": sheets.side, "columns": sheets.columns},
            provenance=provenance.current(),
        )
        write(folder, "data/study.js", study)
        written = whole_files.files_of(folder)
        size = sum(file.stat().st_size for file in written)
        job.log.info("%d files, %.1f MB", len(written), size / 1e6)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

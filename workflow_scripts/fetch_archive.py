"""Fetch a file of a dataset's archive from its address, or from the folder in the config."""

from prunescope.data import source
from prunescope.data.archives import fetching
from prunescope.foundation import job


def main(smk) -> None:
    archive = source.load(smk.params.source)
    name = smk.params.file
    fetching.fetch(
        name, archive.FILES[name], archive.ADDRESSES[name], smk.output.file, smk.params.folder
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

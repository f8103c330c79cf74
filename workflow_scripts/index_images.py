"""List the image files of a dataset's folder and their classes."""

from pathlib import Path

from prunescope import image_index, job, tables


def main(smk) -> None:
    folder = Path(smk.params.folder)
    if smk.params.source == "imagenet":
        train, test = image_index.index_imagenet(folder, smk.params.validation_labels)
    else:
        train, test = image_index.index_image_folder(folder)
    tables.INDEX.write(train, smk.output.train)
    tables.INDEX.write(test, smk.output.test)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

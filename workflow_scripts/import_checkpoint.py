"""Make the dense network of weights that were downloaded or put there by hand."""

from prunescope import checkpoints, downloads, job, pretrained, tables, weights


def main(smk) -> None:
    checkpoint = weights.from_config(smk.params.checkpoint)
    downloads.verify(smk.input.checkpoint, **checkpoint.checksum)
    blank = checkpoints.Description(
        architecture=smk.params.architecture,
        classes=tables.INDEX.read(smk.input.index)["label"].n_unique(),
        image_size=smk.params.dataset["image_size"],
        mean=tuple(smk.params.dataset["mean"]),
        std=tuple(smk.params.dataset["std"]),
        transform_input=checkpoint.transform_input,
        auxiliary_heads=smk.params.auxiliary_heads,
    )
    network = pretrained.adopt(smk.input.checkpoint, blank, seed=int(smk.params.seed))
    checkpoints.save(network, smk.output.network)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

"""Fetch the four files of Fashion-MNIST from the first provider that has them intact."""

from prunescope.data import fashion_mnist_downloads
from prunescope.foundation import job


def main(smk) -> None:
    outputs = {
        "train-images-idx3-ubyte": smk.output.train_images,
        "train-labels-idx1-ubyte": smk.output.train_labels,
        "t10k-images-idx3-ubyte": smk.output.test_images,
        "t10k-labels-idx1-ubyte": smk.output.test_labels,
    }
    fashion_mnist_downloads.fetch_fashion_mnist(
        outputs, fashion_mnist_downloads.default_providers(smk.params.folder)
    )


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

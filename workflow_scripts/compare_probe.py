"""Compute the similarity matrix of all pairs of probe images."""

from prunescope.foundation import arrays, job
from prunescope.interpret.metrics import comparison


def main(smk) -> None:
    embeddings = arrays.load_array(smk.input.embeddings, memory_map=True)
    matrix = comparison.compare(embeddings, distance=smk.params.distance)
    arrays.save_array(matrix, smk.output.similarity)
    arrays.save_provenance(smk.output.provenance)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

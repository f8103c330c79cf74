"""Compare all pairs of probe images: the similarity matrix that scores every unit."""

from prunescope import artifacts, job, similarity


def main(smk) -> None:
    embeddings = artifacts.load_array(smk.input.embeddings, memory_map=True)
    matrix = similarity.compare(embeddings, smk.params.similarity["metric"])
    artifacts.save_array(matrix, smk.output.similarity)
    artifacts.save_provenance(smk.output.provenance)


if __name__ == "__main__":
    with job.running(snakemake):  # noqa: F821 (injected by Snakemake)
        main(snakemake)  # noqa: F821

"""The published files of unit scores: where they lie, which network each is of, their checksums.

Source: the public repository of J. von Rad and F. Seuffert (arXiv 2409.19727), at a fixed commit.
The same files lie in two folders there, `Local Structured` and `Local_Structured`; either will do.
A further file is named like a network of the structured arm (SGD, 10 epochs, rate 0.8), without
`pruned` before `googlenet`. It holds another network, a port of TensorFlow's Inception v1. So no
list of a folder is taken: a network is one file, known by its name and its checksum.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from prunescope.foundation.errors import InputError

REPOSITORY = "Uni-Tubingen-Teamproject/Network-Pruning-and-Interpretability"
COMMIT = "567f9944de76fc69da123f3b8425715ae054595a"
RATES = (0.2, 0.4, 0.6, 0.8)
STRUCTURED = "structured"
CONNECTIONS = "connection_sparsity_random"
# The folders of a method in the repository; the first one is asked for when a file is fetched.
# Nothing in the names says that the channels of connection sparsity were drawn at random; the
# means of these files are those that the authors' plotting code has for that kind.
FOLDERS = {
    STRUCTURED: ("Local Structured", "Local_Structured"),
    CONNECTIONS: ("Connection Sparsity",),
}
NAMES = {STRUCTURED: "local_structured", CONNECTIONS: "connection_sparsity"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}


@dataclass(frozen=True)
class Arm:
    """Networks that differ in their rate only.

    Attributes
    ----------
    method
        The pruning method, in our words: `STRUCTURED` or `CONNECTIONS`.
    optimizer
        Of retraining, a key of `OPTIMIZERS`.
    epochs
        Of retraining.
    """

    method: str
    optimizer: str
    epochs: int

    @property
    def retraining(self) -> str:
        """The kind of retraining, as tables name it."""
        return f"one_shot_{self.optimizer}_{self.epochs}"


@dataclass(frozen=True)
class PublishedFile:
    """The file of one network.

    Attributes
    ----------
    arm
        What was done to the network.
    rate
        The pruning rate.
    sha256
        The checksum of the file, in hexadecimal.
    """

    arm: Arm
    rate: float
    sha256: str

    @property
    def paths(self) -> list[str]:
        """Where it lies in the repository."""
        arm, optimizer = self.arm, OPTIMIZERS[self.arm.optimizer]
        name = (
            f"machine_interpretability_dreamsim_natural_pruned_googlenet_{arm.epochs}_Epochs_pruned"
            f"_{self.rate}_{NAMES[arm.method]}_{optimizer}_retrained_{arm.epochs}_epochs_model.pkl"
        )
        return [
            f"Results/Interpretability Scores/{folder}/{optimizer}/{arm.epochs}_Epochs/{name}"
            for folder in FOLDERS[arm.method]
        ]

    @property
    def url(self) -> str:
        """Where it can be downloaded."""
        return f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/{quote(self.paths[0])}"

    @property
    def name(self) -> str:
        """The name under which it is kept after the download."""
        return f"{self.arm.method}-{self.arm.retraining}-rate{self.rate:.2f}.pkl"

    def advice(self, path: str | Path) -> str:
        """What to do about a wrong file at a path, in a folder of the user or fetched."""
        if Path(path).name == self.name:
            return "Delete it and run again: it is then downloaded anew."
        return (
            f"Put the file there that {self.url} is, or set unit_scores.folder to null: then all "
            "files are downloaded."
        )

    def within(self, folder: str | Path) -> str:
        """Its path in a folder of the user, which holds the files as the repository does.

        Raises
        ------
        InputError
            No such file is there.
        """
        places = [Path(folder) / path for path in self.paths]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise InputError(
                f"unit_scores.folder: {places[0]} does not exist. Name a folder that holds the "
                f"files as https://github.com/{REPOSITORY} does, or set it to null to fetch them."
            )
        return str(found)


# By arm, the SHA-256 at the rates `RATES`.
CHECKSUMS = {
    Arm(CONNECTIONS, "sgd", 10): (
        "39d95a8a28767727ada3ebbc62f35418b4c66da31e98bdf64720a955b1a19546",
        "d527f62e912041f39ea97f186e08c51d43568df36d6a69b48dbbe13d2fad05e6",
        "9da2931267e931cde1546559fbdbc619e639f39fa45e325393a2ddb721266f23",
        "29738e6a89e555a406be4d9d529a5609611a022a88612d4b2d02b32d64262359",
    ),
    Arm(CONNECTIONS, "sgd", 50): (
        "185c2cb0ff5b2b5370984c9069c2cb5d297ba7bf7823cabe6623ab30eb5e962c",
        "73e33995f058482eced7402fff8d241e90bf4ddceb5cb6cb30df235a56482ec8",
        "2c2d3e0f9db3ea981654d80a66312301c8db9bf3f439849b301301a944998052",
        "5ab4ba6d8eb3d73e74d5a4246dadc62c8cb357249e9f340997dfc3910e248f84",
    ),
    Arm(STRUCTURED, "adam", 10): (
        "b92dc85bbe6541af1c80267c15586967d9607cfc02575a01902cf77256791203",
        "31256f371e6baaa94bcc94c0296fb447c426998f7db17adfdcefe3d8a1a43c54",
        "9a03399ebd63c55a65a0028d1ac37b014ee1064e441e8a62ceba92dc701663d8",
        "7b7d33a992c7ba81d86f27d373a7f9907a05d725e5c84b1385a1d77dbeb68dc5",
    ),
    Arm(STRUCTURED, "adam", 50): (
        "0715c04f26fb0cc7507d51ea7a164cc6bc03763adbdddf3e21b50b7003d703ee",
        "d60066a3e73cf0c0c9cf29862155647a80902e0d7841ad3e55f342cd80f8a8d3",
        "753f7ab6fa266dd027a50c2aefaac15ebe3241504a909cfb626fed3a45747f9b",
        "6ad62630cfee58688f81b8bba33c3cde836df8df6378e52e8def00421582663c",
    ),
    Arm(STRUCTURED, "sgd", 10): (
        "05e217a42dc5be80b76c526b0e10ea8bdf5d47b17309545559b749e5f1a3e2af",
        "a5781abbff48ab4554cff03d93f92e54ceaad9eae91d85937fec949b0c11a5a1",
        "8d2934ec347b9a64950cb605e1da918bdde8b00df282e5292e9ee88cc953fa8e",
        "130272d59e6f00eea6fb9409189cef903782569c16f79fd2780649f8c74de072",
    ),
    Arm(STRUCTURED, "sgd", 50): (
        "b03231433291db3a849748c912ca37a3552f74d72a05da6b9d888768b9c0ce27",
        "7a0ab0216e54f2731910bd1a587a4115b8141224a77d3d2810bc6261a1ed8504",
        "76854416f4e9dc10f30853facb65b6adf94c42023470128ab890eed86949de47",
        "bc096f5536b0b29876a55bcb1deb406f8097b9e6506c48522387fbc256c014e2",
    ),
}


def published_files() -> Iterator[PublishedFile]:
    """The files of all networks, by arm and rate."""
    for arm, checksums in CHECKSUMS.items():
        for rate, checksum in zip(RATES, checksums, strict=True):
            yield PublishedFile(arm, rate, checksum)


def arms() -> list[Arm]:
    """The arms, in the order of tables and charts."""
    return list(CHECKSUMS)


def scores_for_study(folder: str | None, downloads: str) -> list[str]:
    """The path of every file of `published_files`, in its order.

    Parameters
    ----------
    folder
        `unit_scores.folder` of the config; None if the files are fetched.
    downloads
        Where they are kept when they are fetched.

    Raises
    ------
    InputError
        A file is missing in the folder.
    """
    return [
        f"{downloads}/{file.name}" if folder is None else file.within(folder)
        for file in published_files()
    ]

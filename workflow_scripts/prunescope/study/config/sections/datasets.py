"""Where images come from, and how they are made into the input of a network."""

from collections.abc import Iterator
from typing import Annotated, Literal

from prunescope.data import source
from prunescope.data.source import Archive, Folder
from prunescope.study.config import choices
from prunescope.study.config.section import HERE, Problem, Section, key
from prunescope.study.config.values import (
    FOR_SNAKEMAKE,
    Channels,
    Deviations,
    OneOf,
    Path,
    Sample,
    Seed,
    has_braces,
)

_OF_IMAGE_FILES = "required by `image_folder` and `imagenet`, refused by the other sources"


class Validation(Section):
    """The validation split."""

    images: int | None = key(
        "images of the validation split, drawn from the test images, evenly over the classes",
        note="at most as many as there are (10,000 in Fashion-MNIST and CIFAR-10, 3,925 in "
        "Imagenette); `null` for all, with `image_folder` and `imagenet` only",
        ge=1,
    )
    seed: Seed = key("seed of that draw")


class Probe(Sample):
    """The probe split."""

    images: int = key(
        "images among which exemplars are looked for, drawn from the train images, evenly over the "
        "classes",
        note="at most as many as there are (60,000 in Fashion-MNIST, 50,000 in CIFAR-10, 9,469 in "
        "Imagenette), at least twice `interpretability.exemplars.per_side`",
        ge=1,
    )


class TrainStore(Section):
    """Small copies of the train images, from which training reads."""

    shorter_side: int = key(
        "shorter side of the copies in pixels; smaller images keep their size",
        values="a whole number from `resize` to 2048",
        note="`train_store` is optional, for `image_folder` and `imagenet`: training then reads "
        "JPEG copies ([training.md](training.md#copies-of-train-images))",
        ge=28,
        le=2048,
    )
    quality: int = key("quality of the copies as JPEG files", ge=1, le=100)


class Dataset(Section):
    """A dataset. Which keys it has depends on its source."""

    source: Annotated[str, OneOf(choices.sources)] = key(
        "where the images come from. [datasets.md](datasets.md) describes each"
    )
    folder: Path | None = key(
        "for Fashion-MNIST, a folder with its four files, gzipped or plain; `null` looks for "
        "Debian's package on this machine, then downloads. For CIFAR-10 and Imagenette, the folder "
        "with the archive; `null` downloads it. For image files, the folder that holds `train/` "
        "and `val/`",
        note="`image_folder` and `imagenet` need a path",
    )
    validation_labels: Path | None = key(
        "where the labels of flat validation images stand: a CSV file or the development kit",
        default=None,
        note="`imagenet` only",
        left_out="optional",
    )
    on_error: Literal["fail", "skip"] | None = key(
        "what a damaged image file does: stop the job, or be left out and reported",
        default=None,
        values="`fail`, `skip`",
        left_out=_OF_IMAGE_FILES,
    )
    resize: int | None = key(
        "shorter side in pixels before the centre is cut out",
        default=None,
        ge=28,
        le=2048,
        values="a whole number from `image_size` to 2048",
        left_out=_OF_IMAGE_FILES,
    )
    train_store: TrainStore | None = key(
        "small copies of the train images, from which training reads", default=None
    )
    image_size: int = key(
        "side of the packed images in pixels. The 28 x 28 images of Fashion-MNIST are centred on "
        "black; those of CIFAR-10 are as published at 32, otherwise resized; of Imagenette, the "
        "shorter side is made as long; of all image files, the centre is cut out",
        ge=28,
        le=1024,
    )
    mean: Channels = key("mean of each channel, for images scaled to 0..1")
    std: Deviations = key("standard deviation of each channel")
    validation: Validation = key("the validation split")
    probe: Probe = key("the probe split")

    def unused(self) -> set[str]:
        return self._of_other_sources() | ({"train_store"} if self.train_store is None else set())

    def _of_other_sources(self) -> set[str]:
        kind = source.load(self.source)
        return {"validation_labels", "on_error", "resize"} - {*kind.REQUIRED, *kind.OPTIONAL}

    def problems(self) -> Iterator[Problem]:
        kind = source.load(self.source)
        for name in kind.REQUIRED:
            if getattr(self, name) is None:
                yield Problem(name, f"is missing: source {self.source!r} needs it")
        for name in sorted(self._of_other_sources() & self.model_fields_set):
            yield Problem(name, f"source {self.source!r} does not use it. Remove it")
        if isinstance(kind, Folder):
            yield from self._problems_of_files()
        else:
            yield from self._problems_of_packed_images(kind)

    def _problems_of_files(self) -> Iterator[Problem]:
        if self.folder is None:
            yield Problem(
                "folder",
                f"null, but source {self.source!r} needs the folder that holds train/ and val/",
            )
        if self.resize is not None and self.resize < self.image_size:
            yield Problem(
                "resize", f"{self.resize} is less than `{HERE}.image_size`, {self.image_size}"
            )
        if (
            self.train_store is not None
            and self.resize is not None
            and self.train_store.shorter_side < self.resize
        ):
            yield Problem(
                "train_store",
                f"shorter_side {self.train_store.shorter_side} is less than `{HERE}.resize`, "
                f"{self.resize}: copies would be enlarged. Set it to {self.resize} or more",
            )

    def _problems_of_packed_images(self, archive: Archive) -> Iterator[Problem]:
        if self.folder is None and not archive.DOWNLOADED:
            yield Problem(
                "folder",
                f"null, but source {self.source!r} needs the folder that holds "
                f"{', '.join(archive.FILES)}",
            )
        if self.folder is not None and not archive.DOWNLOADED and has_braces(self.folder):
            yield Problem("folder", f"{self.folder!r} {FOR_SNAKEMAKE}")
        if self.train_store is not None:
            yield Problem(
                "train_store", f"source {self.source!r} packs its train images. Remove it"
            )
        samples = (
            ("probe", self.probe.images, "train"),
            ("validation", self.validation.images, "test"),
        )
        for split, number, drawn_from in samples:
            available = (archive.IMAGES or {}).get(drawn_from)
            if number is None:
                folders = [name for name in choices.sources() if _is_folder(name)]
                yield Problem(f"{split}.images", f"null needs one of the sources {folders}")
            elif available is not None and number > available:
                yield Problem(
                    f"{split}.images",
                    f"{number}, but {self.source} has {available} images to draw from",
                )


def _is_folder(name: str) -> bool:
    return isinstance(source.load(name), Folder)

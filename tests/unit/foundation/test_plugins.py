"""A file of a registry is found by its name, and refused if it lacks something."""

import pytest
from registries import register

from prunescope.data import source
from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics import catalogue
from prunescope.networks import architecture
from prunescope.prune import pieces, schedule

REGISTRIES = [
    (pieces.CRITERIA, pieces.load_criterion, "NEEDS, problem, rank"),
    (schedule.SCHEDULES, schedule.load, "FROM_DENSE, start, fraction, problem"),
    (source.SOURCES, source.load, "REQUIRED, OPTIONAL, IMAGES"),
    (architecture.ARCHITECTURES, architecture.load, "WRITTEN, RESERVED, problem, auxiliary"),
    (catalogue.FAMILIES, lambda name: catalogue.find(f"{name}:model"), "METRICS"),
]
FACTS = {"REQUIRED": ("resize", "on_error"), "OPTIONAL": (), "IMAGES": None}


def test_the_names_are_those_of_the_files() -> None:
    assert plugins.names(pieces.CRITERIA) == [
        "fpgm", "l1", "l2", "lamp", "random", "slimming", "snip", "synflow", "taylor",
        "taylor_absolute", "wanda",
    ]  # fmt: skip
    assert plugins.names(schedule.SCHEDULES) == ["dense", "geometric", "previous_rate"]


@pytest.mark.parametrize(("registry", "load", "lacking"), REGISTRIES)
def test_a_file_that_lacks_something_is_refused(
    registry: str, load, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, registry, "empty")
    with pytest.raises(
        InputError, match=rf"{registry.replace('.', '/')}/empty\.py: lacks {lacking}"
    ):
        load("empty")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="criteria: 'l3' is not known; known: fpgm, l1, l2,"):
        pieces.load_criterion("l3")


def test_a_source_is_an_archive_or_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, source.SOURCES, "neither", **FACTS)
    with pytest.raises(InputError, match="lacks index"):
        source.load("neither")
    register(monkeypatch, source.SOURCES, "half", read=print, **FACTS)
    with pytest.raises(InputError, match="lacks FILES, DOWNLOADED, ADDRESSES"):
        source.load("half")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"OPTIONAL": ("token",)}, "token cannot be a key of a source; allowed: resize, on_error"),
        ({"REQUIRED": ("resize",)}, "must name resize, on_error"),
    ],
)
def test_a_source_takes_the_keys_that_the_config_has(
    facts: dict, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, source.SOURCES, "odd", index=print, other_files=print, **FACTS | facts)
    with pytest.raises(InputError, match=reason):
        source.load("odd")


FETCHED = {
    "REQUIRED": (), "OPTIONAL": (), "IMAGES": None, "DOWNLOADED": True, "read": print,
    "FILES": {"a.tgz": "0" * 64, "b.tgz": "1" * 64},
    "ADDRESSES": {"a.tgz": "https://example.org/a.tgz", "b.tgz": "https://example.org/b.tgz"},
}  # fmt: skip


@pytest.mark.parametrize(
    "facts",
    [
        {"DOWNLOADED": False},
        {"FILES": {"a.tgz": "0" * 64, "b.tgz": None}},
        {"FILES": {"a.tgz": "0" * 64}},
        {"ADDRESSES": {"a.tgz": "https://example.org/a.tgz"}},
        {"ADDRESSES": {"a.tgz": "https://a.org/a.tgz", "b.tgz": "http://a.org/b.tgz"}},
    ],
    ids=["the user's", "no checksum", "one file", "one address", "not encrypted"],
)
def test_what_is_fetched_has_checksums_and_encrypted_addresses(
    facts: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, source.SOURCES, "odd", **FETCHED)
    assert source.load("odd").DOWNLOADED
    register(monkeypatch, source.SOURCES, "odd", **FETCHED | facts)
    with pytest.raises(InputError, match=r"odd\.py: ADDRESSES needs .* its SHA-256"):
        source.load("odd")

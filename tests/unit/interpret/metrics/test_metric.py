"""Weights of metrics are fetched or put there by hand, and verified. Missing ones are named."""

import hashlib
from pathlib import Path

import pytest
import torch
from registries import register

from prunescope.foundation import downloads
from prunescope.foundation.errors import InputError
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.interpret.metrics import catalogue
from prunescope.interpret.metrics import metric as metric_module
from prunescope.interpret.metrics.metric import Metric, Weights, load_tensors, verified

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://nowhere.invalid/net.pth"
LOCK = Lock(Path("config/mine.lock"))


def file_with(sha256: str | None) -> Weights:
    return Weights("family", "net.pth", URL, sha256)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of a project, without network."""

    def refuse(*_: object, **__: object) -> None:
        raise InputError("downloaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(downloads, "fetch", refuse)
    return tmp_path


def put_by_hand(content: bytes = CONTENT) -> Path:
    path = Path("downloads/family/net.pth")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


CHECKSUMS = {
    "known": (SHA256, {}),
    "first digits known": (SHA256[:8], {}),
    "in the config": (None, {"net.pth": SHA256}),
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_the_right_file_is_left_alone_and_used(name: str) -> None:
    known, pinned = CHECKSUMS[name]
    path = put_by_hand()
    weights = file_with(known)
    metric_module.fetch(weights, pinned, LOCK)
    metric = Metric(lambda _files, _size: NotImplemented, weights=(weights,))
    assert verified(metric, pinned, LOCK) == {"net.pth": path}
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("name", CHECKSUMS)
def test_another_file_is_refused_and_kept(name: str) -> None:
    known, pinned = CHECKSUMS[name]
    path = put_by_hand(b"damaged")
    weights = file_with(known)
    metric = Metric(lambda _files, _size: NotImplemented, weights=(weights,))
    for use in (
        lambda: metric_module.fetch(weights, pinned, LOCK),
        lambda: verified(metric, pinned, LOCK),
    ):
        with pytest.raises(InputError, match=r"net\.pth: wrong checksum"):
            use()
    assert path.read_bytes() == b"damaged"


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_file_that_is_not_there_is_downloaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known, pinned = CHECKSUMS[name]
    asked = {}

    def fetch(url: str, target: Path, *, sha256: str = "", sha256_prefix: str = "") -> None:
        asked.update(url=url, target=str(target), digits=sha256 or sha256_prefix)

    monkeypatch.setattr(downloads, "fetch", fetch)
    metric_module.fetch(file_with(known), pinned, LOCK)
    digits = known or SHA256
    assert asked == {"url": URL, "target": "downloads/family/net.pth", "digits": digits}


def test_without_a_checksum_the_first_use_is_recorded() -> None:
    path = put_by_hand()
    weights = file_with(None)
    metric = Metric(lambda _files, _size: NotImplemented, weights=(weights,))
    assert verified(metric, {}, LOCK) == {"net.pth": path}
    assert LOCK.sha256(path) == SHA256
    metric_module.fetch(weights, {}, LOCK)
    path.write_bytes(b"another")
    for use in (
        lambda: metric_module.fetch(weights, {}, LOCK),
        lambda: verified(metric, {}, LOCK),
    ):
        with pytest.raises(InputError, match=f"first use it was {SHA256}.*config/mine.lock"):
            use()
    # The config overrules what is recorded.
    with pytest.raises(InputError, match="must be " + "0" * 64):
        verified(metric, {"net.pth": "0" * 64}, LOCK)


def test_no_checksum_must_be_found_out_by_hand() -> None:
    for name in ("dreamsim:ensemble", "lpips:alex"):
        assert catalogue.missing({"metric": name, "image_size": 224}, packages=False) == []
    assert catalogue.missing({"metric": "timm:tf_efficientnet_lite0"}, packages=True) == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = Metric(lambda _files, _size: NotImplemented, packages=("no-such-package",))
    register(monkeypatch, catalogue.FAMILIES, "some", METRICS={"model": metric})
    (reason,) = catalogue.missing({"metric": "some:model"}, packages=True)
    assert reason == (
        "metric some:model needs the optional environment: make perceptual "
        "(no-such-package is not installed)"
    )


def test_every_file_has_an_address_of_its_own_name() -> None:
    for name in catalogue.known():
        for weights in catalogue.find(name).weights:
            assert weights.url == f"{weights.url.rpartition('/')[0]}/{weights.name}"
            assert weights.path.parts[:2] == ("downloads", name.partition(":")[0])


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("raise SystemExit('code ran')",)


@pytest.mark.parametrize("content", [b"", b"no weights", None], ids=["empty", "text", "code"])
def test_only_tensors_are_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    if content is None:
        torch.save(Trap(), path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"net\.pth: not a whole file of weights"):
        load_tensors(path)

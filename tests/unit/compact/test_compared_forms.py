"""The forms in which a network is timed compute the same."""

import numpy as np
import pytest
import torch
from compacted import recorded_of

from prunescope.compact import compared_forms, costs, equivalence
from prunescope.compact.graph import onnx_models
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description, Network


def test_all_variants_answer_alike_where_they_must(
    masked: Network, compact: CompactNetwork, images: torch.Tensor, expected: np.ndarray
) -> None:
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    recorded = recorded_of(masked.description)
    loaders = compared_forms.loaders(masked, masked, compact, model, 1, recorded)
    found = {
        (runtime, name): np.asarray(load()(images))
        for runtime, kinds in loaders.items()
        for name, load in kinds.items()
    }
    assert len(found) == 7
    for kind, logits in found.items():
        assert equivalence.difference(expected, logits) <= 1e-4, kind
    for load in compared_forms.small_loaders(masked.description, 1).values():
        assert np.asarray(load()(images)).shape == (5, 10)


def test_a_compact_network_that_answers_otherwise_is_refused(
    masked: Network, compact: CompactNetwork
) -> None:
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    size = compact.description.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, size, size), dtype=np.uint8)
    images = PackedImages(pixels, np.arange(40) // 4)
    differences, rounding = compared_forms.check(masked, compact, model, images)
    assert differences.keys() == {"pytorch", "onnxruntime"}
    assert 0 < rounding < 1e-4
    tensors = {**compact.tensors, "fc.bias": compact.tensors["fc.bias"] + 1}
    broken = CompactNetwork(compact.description, compact.graph, tensors)
    with pytest.raises(ArithmeticError, match="pytorch"):
        compared_forms.check(masked, broken, model, images)


def test_every_form_is_measured_with_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the memory of a fork each, 100 bytes for the dense form and 50 for the others."""
    peaks = iter([100, 50, 50] * len(costs.BATCHES))
    monkeypatch.setattr(costs.timing, "peak_memory", lambda work, warm_up: next(peaks))
    batches = []
    forms = dict.fromkeys(("dense", "masked", "compact"), lambda: lambda x: batches.append(len(x)))
    images = PackedImages(np.zeros((3, 3, 8, 8), np.uint8), np.arange(3))
    blank = Description("none", 2, 8, (0.5,) * 3, (0.5,) * 3)
    rows = list(costs.measure_costs({"pytorch": forms}, {"pytorch": None}, images, blank, 2))
    assert [(row["variant"], row["batch"]) for row in rows] == [
        (form, batch) for batch in costs.BATCHES for form in forms
    ]
    assert set(batches) == set(costs.BATCHES)
    assert [row["relative_memory"] for row in rows] == [1, 0.5, 0.5] * len(costs.BATCHES)
    assert {row["rounds"] for row in rows} == {2}


def by_class(per_class: int) -> PackedImages:
    """Images of ten classes in the order of the classes; each pixel is the number of the class."""
    labels = np.repeat(np.arange(10), per_class)
    pixels = np.broadcast_to(labels[:, None, None, None], (len(labels), 3, 8, 8))
    return PackedImages(pixels.astype(np.uint8), labels)


@pytest.mark.parametrize("number", [10, 32, 50])
def test_batches_have_images_of_all_classes(number: int) -> None:
    blank = Description("none", 10, 8, (0.0,) * 3, (1 / 255,) * 3)
    found = compared_forms.batch_of(by_class(100), number, blank)[:, 0, 0, 0].numpy()
    counts = np.bincount(found.round().astype(int), minlength=10)
    assert counts.sum() == number
    assert counts.max() - counts.min() <= 1


def test_a_batch_repeats_images_where_there_are_too_few() -> None:
    blank = Description("none", 10, 8, (0.0,) * 3, (1 / 255,) * 3)
    found = compared_forms.batch_of(by_class(1), 25, blank)[:, 0, 0, 0].numpy()
    assert sorted(np.bincount(found.round().astype(int))) == [2] * 5 + [3] * 5


def test_networks_that_differ_for_a_later_class_only_are_told_apart(
    masked: Network, compact: CompactNetwork
) -> None:
    """The fault shows in images of the last class, which stand last, and in no other."""
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    size = compact.description.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (100, 3, size, size), dtype=np.uint8)
    images = PackedImages(pixels, np.repeat([0, 1], [95, 5]))
    seen = []

    class Watched(PackedImages):
        def part(self, rows: np.ndarray) -> PackedImages:
            seen.extend(self.labels[rows].tolist())
            return super().part(rows)

    compared_forms.check(masked, compact, model, Watched(images.images, images.labels))
    assert seen.count(1) == 5
    assert seen.count(0) == compared_forms.CHECKED - 5

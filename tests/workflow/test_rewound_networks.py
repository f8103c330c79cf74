"""Networks go back to a step of the dense training, whose network the dense training keeps."""

import numpy as np
import pytest
from workspaces import TINY, Workspace

from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.evaluate import accuracy
from prunescope.evaluate.predictions import predict
from prunescope.networks import modules, network_files
from prunescope.networks.description import Network
from prunescope.train import history_table

pytestmark = pytest.mark.slow

OTHER = "config/rewound.yaml"
# The dense training has 6 steps.
CHANGES = {
    "study: tiny": "study: rewound",
    "rates: [0.30, 0.60]": "rates: [0.37, 0.60]",
    "      retraining: [one_shot]\n    structured": (
        "      retraining: [late, again]\n    structured"
    ),
    "compact: {rates: [0.60]": "compact: {rates: [0.37]",
    "recipes:\n": (
        "  late: {start: geometric, mask: enforced, recipe: from_scratch,\n"
        "         rewind: {what: weights, step: 4}}\n"
        "  again: {start: dense, mask: enforced, recipe: from_scratch,\n"
        "          rewind: {what: learning_rate, step: 3}}\n"
        "recipes:\n"
    ),
}
NETWORKS = "results/rewound/networks"
LATE, AGAIN = (
    f"{NETWORKS}/global_unstructured/{kind}/rate{rate}/seed0"
    for kind, rate in (("late", "0.60"), ("again", "0.37"))
)


def test_networks_are_rewound(blank: Workspace) -> None:
    text = blank.path(TINY).read_text()
    for old, new in CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    blank.path(OTHER).write_text(text)
    wanted = [f"{folder}/network.safetensors" for folder in (LATE, AGAIN)]
    done = blank.snakemake(*wanted, config=OTHER)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    dense = blank.path(f"{NETWORKS}/dense/none/rate0.00/seed0")
    assert [path.name for path in sorted(dense.glob("step*"))] == ["step4.safetensors"]
    kept = network_files.load(dense / "step4.safetensors")
    for folder, start, steps in ((LATE, kept, [0, 2]), (AGAIN, None, [0, 3])):
        pruned = network_files.load(blank.path(folder) / "pruned.safetensors")
        history = history_table.HISTORY.read(blank.path(folder) / "history.parquet")
        assert history["step"].to_list() == steps
        network = (start or pruned).masked(pruned.masks)
        assert history["validation_loss"][0] == pytest.approx(loss_of(network, blank), rel=1e-5)
        retrained = network_files.load(blank.path(folder) / "network.safetensors")
        for name, mask in pruned.masks.items():
            np.testing.assert_array_equal(retrained.masks[name], mask)
            assert not retrained.tensors[name][~mask].any()


def loss_of(network: Network, workspace: Workspace) -> float:
    """The loss on the validation images that the history looks at."""
    folder = workspace.path("results/datasets/fashion_mnist_tiny/validation")
    images = PackedImages.open(folder / "images.npy", folder / "labels.npy")
    watched = images.part(sampling.draw_part(images.labels, 50))
    module = modules.to_module(network)
    return float(accuracy.summarize(predict(module, watched, network.description))["loss"])

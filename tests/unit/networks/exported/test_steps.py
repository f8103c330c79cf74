"""Exported graphs on disk: what is written is read, and damaged files are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks.describing.export import export
from prunescope.networks.exported import steps
from prunescope.networks.exported.recording import record
from prunescope.networks.exported.steps import Dtype, Recorded, Ref


class Odd(nn.Module):
    """A table of indices that no state dict holds, a choice of type, a list, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.unused = nn.Linear(4, 3)
        self.register_buffer("order", torch.tensor([3, 1, 2, 0]), persistent=False)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        first, second = images.mean(dim=(2, 3)).chunk(2, dim=1)
        features = torch.cat([second, first], dim=1).index_select(1, self.order)
        return {"features": features, "logits": self.fc(features.to(torch.float32))}


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return record(export(Odd().eval(), torch.zeros(2, 4, 8, 8)))


def test_a_graph_holds_what_is_needed_and_no_more(recorded: Recorded) -> None:
    assert recorded.shape == (2, 4, 8, 8)
    assert recorded.stays_masked == ""
    assert set(recorded.state.values()) == {"fc.weight", "fc.bias", "order"}
    assert recorded.constants["order"].tolist() == [3, 1, 2, 0]
    by_op = {step.op: step for step in recorded.steps}
    linear = by_op["aten.linear.default"]
    assert linear.name == recorded.output
    assert linear.shapes == ((2, 3),)
    assert isinstance(linear.given["weight"], Ref)
    assert recorded.state[linear.given["weight"].name] == "fc.weight"
    chunk = by_op["aten.chunk.default"]
    assert chunk.several
    assert chunk.shapes == ((2, 2), (2, 2))
    assert by_op["aten.to.dtype"].given["dtype"] == Dtype("float32")
    assert [part.name for part in by_op["aten.cat.default"].given["tensors"]] == [
        "getitem_1",
        "getitem",
    ]


def test_saved_and_loaded(recorded: Recorded, tmp_path: Path) -> None:
    paths = (tmp_path / "graph.json", tmp_path / "graph.safetensors")
    steps.save(recorded, *paths)
    first = [path.read_bytes() for path in paths]
    found = steps.load(paths[0])
    assert found.steps == recorded.steps
    assert (found.images, found.shape, found.output) == (
        recorded.images, recorded.shape, recorded.output,
    )  # fmt: skip
    assert found.state == recorded.state
    assert np.array_equal(found.constants["order"], recorded.constants["order"])
    steps.save(found, *paths)
    assert [path.read_bytes() for path in paths] == first


def test_damaged_files_are_refused(recorded: Recorded, tmp_path: Path) -> None:
    path, constants = tmp_path / "graph.json", tmp_path / "graph.safetensors"
    steps.save(recorded, path, constants)
    whole = constants.read_bytes()
    constants.write_bytes(whole[:-1] + b"\x07")
    with pytest.raises(InputError, match=r"graph\.safetensors: not the tensors that"):
        steps.load(path)
    constants.write_bytes(whole)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"graph\.json"):
        steps.load(path)

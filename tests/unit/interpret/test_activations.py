"""What units answer, against passes by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.interpret import activations
from prunescope.networks.description import Description, Layer, Output

IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def one_of(output: torch.Tensor, **settings: int) -> Output:
    """The output of a layer whose outputs have this shape; its name is of the shape, too."""
    units = output.shape[settings.get("unit_axis", 1)]
    return Output(Layer(f"{tuple(output.shape)}", "conv2d", (units, 1, 1, 1), (1, 1), **settings))


def test_unit_activations_by_hand(make_toy: Callable) -> None:
    """The mean over positions of what a convolution yields, before batch norm."""
    module, network = make_toy()
    layers = network.description.layers
    outputs = network.description.outputs
    with torch.inference_mode(), activations.unit_activations(module, outputs) as found:
        for images in (IMAGES[:3], IMAGES):  # replaced at each pass
            logits = module(images)
    weights = {name: torch.from_numpy(tensor) for name, tensor in network.tensors.items()}
    stem = functional.conv2d(IMAGES, weights["stem.conv.weight"], stride=2, padding=1)
    normalised = functional.batch_norm(
        stem, *(weights[f"stem.bn.{name}"]
                for name in ("running_mean", "running_var", "weight", "bias")), eps=0.001,
    )  # fmt: skip
    reduced = functional.conv2d(normalised.clamp(min=0), weights["mixed.branch2.0.conv.weight"])
    answers = found.joined().split([layer.units for layer in layers], dim=1)
    torch.testing.assert_close(answers[0], stem.mean(dim=(2, 3)))
    torch.testing.assert_close(answers[2], reduced.mean(dim=(2, 3)))
    torch.testing.assert_close(answers[4], logits)
    assert [tuple(one.shape) for one in answers] == [(5, layer.units) for layer in layers]


def test_unit_activations_end_with_the_block(make_toy: Callable) -> None:
    module: nn.Module
    module, network = make_toy()
    with (
        pytest.raises(KeyError),
        activations.unit_activations(module, network.description.outputs) as found,
    ):
        raise KeyError
    module(IMAGES)
    with pytest.raises(InputError, match=r"stem\.conv: the layer ran 0 times"):
        found.joined()


@pytest.mark.parametrize(("pooling", "expected"), [("mean", 2.0), ("max", 7.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_poolings_by_hand(pooling: str, expected: float, dtype: torch.dtype) -> None:
    given = (
        torch.tensor([[[[7.0, 0.0], [1.0, 0.0]]]]),
        torch.tensor([[[[3.0]], [[-1.0]]]]),
        torch.tensor([[-2.0, 5.0]]),
        torch.full((1, 1, 8, 8), 60_000.0),  # their sum exceeds half precision
    )  # fmt: skip
    outputs = activations.PooledOutputs([one_of(output) for output in given], pooling)
    for output in given:
        outputs.keep(one_of(output).name, output.to(dtype))
    assert outputs.joined().dtype == torch.float32
    assert outputs.joined().tolist() == [[expected, 3.0, -1.0, -2.0, 5.0, 60_000.0]]


@pytest.mark.parametrize("channels_last", [True, False])
def test_means_have_the_bits_of_torch(channels_last: bool) -> None:
    output = torch.randn(3, 5, 7, 7, generator=torch.Generator().manual_seed(2))
    if channels_last:
        output = output.to(memory_format=torch.channels_last)
    outputs = activations.PooledOutputs([one_of(output)], "mean")
    outputs.keep(one_of(output).name, output)
    assert torch.equal(outputs.joined(), output.mean(dim=(2, 3)))


@pytest.mark.parametrize("size", [1, 4])
def test_activations_survive_what_overwrites_an_output(size: int) -> None:
    convolution, answers = nn.Conv2d(3, 2, 1), nn.Linear(2 * size * size, 2)
    module = nn.Sequential(
        convolution, nn.ReLU(inplace=True), nn.Flatten(), answers, nn.ReLU(inplace=True)
    )
    layers = (
        Output(Layer("0", "conv2d", (2, 3, 1, 1), (size, size), None)),
        Output(Layer("3", "linear", (2, 2 * size * size), (1, 1), None)),
    )
    images = IMAGES[:, :, :size, :size]
    with torch.no_grad(), activations.unit_activations(module, layers) as found:
        convolution.bias -= 1
        answers.bias -= 1
        module(images)
        answered = found.joined()
        output = convolution(images)
        expected = output.mean(dim=(2, 3)), answers(output.relu().flatten(1))
    assert all((one < 0).any() for one in expected)
    torch.testing.assert_close(answered, torch.cat(expected, dim=1))


@pytest.mark.parametrize("batch", [1, 4, 50])
def test_passes_and_records(
    make_toy: Callable, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    module, network = make_toy()
    rng = np.random.default_rng(0)
    images = PackedImages(
        rng.integers(0, 256, size=(11, 3, 8, 8), dtype=np.uint8), np.arange(11) % 7
    )
    whole = torch.cat(list(activations.passes(module, images, network.description)))
    assert whole.shape == (11, sum(layer.units for layer in network.description.measured_layers))
    monkeypatch.setattr(activations, "BATCH", batch)
    rows = np.array([0, 3, 4, 10])
    recorder = activations.Recorder(rows)
    for part in activations.passes(module, images, network.description):
        recorder.update(part)
    np.testing.assert_allclose(recorder.activations(), whole[rows], atol=1e-6)


# --- tokens, runs, windows -----------------------------------------------------------------------


class Rows(nn.Module):
    """Patches as tokens behind a class token, a layer that runs twice, then maps of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 4, stride=4)
        self.first = nn.Parameter(torch.randn(1, 1, 4))
        self.twice = nn.Linear(4, 4)
        self.maps = nn.Linear(4, 6)
        self.windows = nn.Linear(6, 5)
        self.head = nn.Linear(5, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
        rows = self.patches(images).flatten(2).transpose(1, 2)
        rows = torch.cat([self.first.expand(len(rows), -1, -1), rows], dim=1)
        for _ in range(2):
            rows = torch.relu_(self.twice(rows))
        maps = torch.relu_(self.maps(rows[:, 1:].unflatten(1, (2, 2))))
        # The two columns of the map are windows of two tokens each.
        windows = maps.permute(0, 2, 1, 3).reshape(-1, 2, 6)
        windows = self.windows(windows).relu_().reshape(-1, 2, 2, 5)
        return self.head(windows.mean(dim=(1, 2))), None


def rows_of(**changes: dict) -> tuple[Rows, Description]:
    torch.manual_seed(0)
    module = Rows().eval()
    layers = [
        Layer("patches", "conv2d", (4, 3, 4, 4), (2, 2)),
        Layer("twice", "linear", (4, 4), (5, 1), runs=2, unit_axis=-1),
        Layer("maps", "linear", (6, 4), (4, 1), unit_axis=-1),
        Layer("windows", "linear", (5, 6), (4, 1), unit_axis=-1),
        Layer("head", "linear", (3, 5), (1, 1), unit_axis=-1),
    ]
    described = tuple(replace(layer, **changes.get(layer.name, {})) for layer in layers)
    return module, Description("rows", 3, 8, (0.5,) * 3, (0.25,) * 3, described)


def rows_by_hand(module: Rows, image: torch.Tensor, tokens: slice) -> torch.Tensor:
    """All activations for one image, with loops."""
    weights = {name: value.detach() for name, value in module.named_parameters()}

    def linear(name: str, token: torch.Tensor) -> torch.Tensor:
        return weights[f"{name}.weight"] @ token + weights[f"{name}.bias"]

    def mean(found: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(found).mean(dim=0)

    kernel = weights["patches.weight"]
    patches = [
        (kernel * image[:, row : row + 4, column : column + 4]).sum(dim=(1, 2, 3))
        + weights["patches.bias"]
        for row in (0, 4)
        for column in (0, 4)
    ]
    row, found = [weights["first"][0, 0], *patches], [mean(patches)]
    for _ in range(2):
        made = [linear("twice", token) for token in row]
        found.append(mean(made[tokens]))
        row = [token.clamp(min=0) for token in made]
    maps = [linear("maps", token) for token in row[1:]]
    windows = [linear("windows", token.clamp(min=0)) for token in maps]
    head = linear("head", mean([token.clamp(min=0) for token in windows]))
    return torch.cat([*found, mean(maps), mean(windows), head])


def some_images(number: int = 5) -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(number, 3, 8, 8), dtype=np.uint8)
    return PackedImages(images, np.arange(number) % 3)


@pytest.mark.parametrize(
    ("tokens", "chosen"),
    [("all", slice(None)), ("class", slice(1)), ("patches", slice(1, None))],
)
def test_tokens_runs_and_windows_by_hand(tokens: str, chosen: slice) -> None:
    """Also, what overwrites outputs in place behind the layers changes nothing."""
    module, description = rows_of()
    images = some_images()
    found = torch.cat(list(activations.passes(module, images, description, tokens=tokens)))
    expected = torch.stack(
        [
            rows_by_hand(module, (torch.from_numpy(image) / 255 - 0.5) / 0.25, chosen)
            for image in images.images
        ]
    )
    assert (expected < 0).any(dim=0).sum() >= 13, "ReLU would change half of the units"
    torch.testing.assert_close(found, expected)
    names = ["patches", "twice@1", "twice@2", "maps", "windows", "head"]
    assert [output.name for output in description.outputs] == names


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"twice": {"runs": 1}}, "twice: the layer ran 2 times in a forward pass, where 1"),
        ({"twice": {"runs": 3}}, "twice: the layer ran 2 times in a forward pass, where 3"),
        ({"maps": {"name": "unused", "shape": (2, 2)}}, "unused: the layer ran 0 times"),
        ({"maps": {"unit_axis": 1}}, r"maps: its output has the shape \(5, 2, 2, 6\)"),
        ({"patches": {"unit_axis": -1}}, r"patches: its output has the shape \(5, 4, 2, 2\)"),
    ],
)
def test_layers_that_do_not_run_as_described(changes: dict, message: str) -> None:
    module, description = rows_of(**changes)
    with pytest.raises(InputError, match=message):
        list(activations.passes(module, some_images(), description))


def test_layers_that_are_not_measured_may_not_run() -> None:
    module, description = rows_of(
        maps={"name": "unused", "shape": (2, 2), "not_measured": "it does not run"}
    )
    found = torch.cat(list(activations.passes(module, some_images(), description)))
    assert found.shape == (5, 4 + 2 * 4 + 5 + 3)


class Mixing(nn.Module):
    """Makes windows the first axis, and images the second one."""

    def __init__(self, images_first: bool) -> None:
        super().__init__()
        self.images_first = images_first
        self.layer = nn.Linear(12, 4)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        windows = images.unflatten(2, (4, 2)).flatten(3).transpose(1, 2)  # images, 4, 3, 16
        windows = windows.reshape(len(images), 4, 4, 12)
        order = (0, 1) if self.images_first else (1, 0)
        made = self.layer(windows.movedim((0, 1), order).flatten(0, 1))
        return {"out": made.mean(dim=(0, 1)).expand(len(images), -1)}


def test_outputs_that_mix_images_are_refused() -> None:
    layer = Layer("layer", "linear", (4, 12), (16, 1), unit_axis=-1)
    description = Description("mixing", 4, 8, (0.5,) * 3, (0.25,) * 3, (layer,))
    torch.manual_seed(0)
    right, wrong = Mixing(True), Mixing(False)
    wrong.load_state_dict(right.state_dict())
    found = torch.cat(list(activations.passes(right, some_images(), description)))
    one_by_one = [
        torch.cat(list(activations.passes(right, some_images().part(np.array([row])), description)))
        for row in range(5)
    ]
    torch.testing.assert_close(found, torch.cat(one_by_one))
    with pytest.raises(InputError, match="layer: the output for an image depends on the other"):
        list(activations.passes(wrong, some_images(), description))

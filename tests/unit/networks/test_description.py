"""Which layers are measured, and under which names."""

import pytest

from prunescope.networks.description import Description, Layer


def test_units_are_measured_in_each_run_of_a_layer_that_can_be_measured() -> None:
    layers = (
        Layer("stem", "conv2d", (8, 3, 3, 3), (4, 4)),
        Layer("shared", "linear", (6, 8), (16, 1), runs=2, unit_axis=-1),
        Layer("query", "linear", (6, 8), (16, 1), not_measured="computed as a function"),
        Layer("head", "linear", (2, 6), (0, 0), auxiliary=True),
    )
    described = Description("none", 2, 4, (0.5,) * 3, (0.5,) * 3, layers)
    assert [layer.name for layer in described.main_layers] == ["stem", "shared", "query"]
    assert [layer.name for layer in described.measured_layers] == ["stem", "shared"]
    assert [output.name for output in described.outputs] == ["stem", "shared@1", "shared@2"]
    assert [output.run for output in described.outputs] == [1, 1, 2]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([("conv", "conv2d", 5), ("hidden", "linear", 5), ("norm", "linear", 4),
          ("head", "linear", 5)], ["head"]),
        ([("hidden", "linear", 4), ("head", "linear", 5), ("distilled", "linear", 5)],
         ["head", "distilled"]),
        ([("hidden", "linear", 5), ("conv", "conv2d", 5)], ["conv"]),
        ([("head", "linear", 4)], []),
    ],
)  # fmt: skip
def test_classifiers_are_the_last_layers_with_a_unit_for_each_class(
    layers: list[tuple[str, str, int]], expected: list[str]
) -> None:
    described = tuple(Layer(name, kind, (units, 2), (1, 1)) for name, kind, units in layers)
    auxiliary = Layer("aux", "linear", (5, 2), (0, 0), auxiliary=True)
    description = Description("any", 5, 8, (0.5,), (0.5,), (*described, auxiliary))
    assert [layer.name for layer in description.classifiers] == expected

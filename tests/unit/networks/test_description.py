"""Which layers are measured, and under which names."""

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

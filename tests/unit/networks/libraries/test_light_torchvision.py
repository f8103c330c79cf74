"""The light import gives torchvision's networks, and leaves torchvision as it was."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[4]

LIGHT = """
import sys
import torch
from prunescope.networks.libraries.light_torchvision import constructor

before = set(sys.modules)
light = constructor("googlenet", "googlenet")
assert "torch._dynamo" not in sys.modules
left = [name for name in set(sys.modules) - before if name.startswith("torchvision")]
assert not left, left
"""

THEN_TORCHVISION = (
    LIGHT
    + """
import torchvision
from torchvision.models import googlenet
from torchvision.ops import nms  # an operator of its compiled library

assert torchvision.models.resnet18(num_classes=3).fc.out_features == 3
assert nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]
assert torchvision.__version__
assert hasattr(torchvision.models.googlenet, "GoogLeNet") or callable(torchvision.models.googlenet)

networks = []
for build in (light, googlenet):
    torch.manual_seed(3)
    networks.append(build(weights=None, num_classes=10, aux_logits=False, init_weights=False))
first, second = networks
assert type(first) is not type(second), "two copies of the module are compared"
images = torch.rand(2, 3, 32, 32)
states = [network.state_dict() for network in networks]
assert list(states[0]) == list(states[1])
assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
with torch.inference_mode():
    outputs = [network.eval()(images) for network in networks]
assert torch.equal(*outputs)
assert outputs[0].shape == (2, 10)
"""
)

TORCHVISION_FIRST = """
import torchvision
from prunescope.networks.libraries.light_torchvision import constructor

found = constructor("googlenet", "googlenet")
import sys
assert found is torchvision.models.get_model_builder("googlenet")
assert sys.modules["torchvision"] is torchvision
assert torchvision.models.resnet18
"""

MISSING = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchvision":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
from prunescope.networks.libraries.light_torchvision import constructor
try:
    constructor("googlenet", "googlenet")
except ModuleNotFoundError as error:
    assert error.name == "torchvision"
else:
    raise AssertionError("imported")
assert not [name for name in sys.modules if name.startswith("torchvision")]
"""


def run(program: str) -> None:
    """Run a program in a fresh interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow_scripts")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_torchvision_works_after_the_light_import_and_builds_the_same_network() -> None:
    run(THEN_TORCHVISION)


def test_torchvision_that_is_there_already_is_used() -> None:
    run(TORCHVISION_FIRST)


def test_without_torchvision_the_error_says_so() -> None:
    run(MISSING)


def test_all_steps_of_the_workflow_import_lightly() -> None:
    """No module that builds networks brings the whole of torchvision in."""
    run(
        "import sys\n"
        "from prunescope.interpret import exemplar_pass\n"
        "from prunescope.networks import architecture, description\n"
        "from prunescope.networks.imported import state_dicts\n"
        "from prunescope.train import training\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "blank = description.Description(\n"
        "    'torchvision:googlenet', 10, 32, (0.5,) * 3, (0.5,) * 3,\n"
        "    options={'init_weights': False})\n"
        "architecture.build(blank)\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )


def test_light_files_import_lightly_and_others_are_found() -> None:
    """Others are found too, in the ordinary way."""
    run(
        "import sys\n"
        "from prunescope.networks.libraries import known_networks, light_torchvision\n"
        "for name, network in known_networks.torchvision_networks().items():\n"
        "    if network.module in light_torchvision.LIGHT:\n"
        "        light_torchvision.constructor(network.module, name)\n"
        "        assert 'torch._dynamo' not in sys.modules, name\n"
        "        assert 'torchvision' not in sys.modules, name\n"
        "for name, network in known_networks.torchvision_networks().items():\n"
        "    found = light_torchvision.constructor(network.module, name)\n"
        "    assert callable(found), name\n"
    )

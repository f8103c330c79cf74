"""A module of the user's own: what it gets, how it is rebuilt, and what is said of its faults."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from described import create_described

from prunescope.foundation import code_digest
from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.description import Description

OWN = '''"""A network of one's own."""

import torch
from torch import nn

from parts_of_mine.blocks import block


class Net(nn.Module):
    """Its scale is a buffer that is not saved, its shift a plain attribute."""

    def __init__(self, num_classes, width):
        super().__init__()
        self.body = block(3, width)
        self.head = nn.Linear(width, num_classes)
        self.register_buffer("scale", torch.full((1,), 3.0), persistent=False)
        self.shift = torch.empty(1).fill_(0.5)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3))) * self.scale + self.shift


def small(num_classes, width=4):
    return Net(num_classes, width)


def with_heads(num_classes, auxiliary_heads=False):
    net = Net(num_classes, 4)
    net.heads = auxiliary_heads
    return net


def fixed():
    return Net(5, 4)


def anything(**options):
    return Net(options.pop("num_classes"), **options)


def no_module(num_classes):
    return [num_classes]


def faulty(num_classes):
    return nn.Linear(num_classes, "many")


def faulty_elsewhere(num_classes):
    return block(3, -1)
'''
BLOCKS = """from torch import nn

from .norms import norm


def block(inputs, outputs):
    if outputs < 0:
        raise ValueError("a block needs outputs")
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, bias=False), norm(outputs), nn.ReLU())
"""
NORMS = "from torch.nn import BatchNorm2d as norm\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a package beside it, in the folder in which jobs run."""
    folder = tmp_path / "nets"
    (folder / "parts_of_mine").mkdir(parents=True)
    (folder / "own.py").write_text(OWN)
    (folder / "parts_of_mine" / "__init__.py").write_text("")
    (folder / "parts_of_mine" / "blocks.py").write_text(BLOCKS)
    (folder / "parts_of_mine" / "norms.py").write_text(NORMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder))
    code_digest._read.cache_clear()
    for name in ("parts_of_mine", "parts_of_mine.blocks", "parts_of_mine.norms"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder / "own.py"


def described(function: str, classes: int = 5, **more: object) -> Description:
    name = f"file:nets/own.py:{function}"
    return Description(name, classes, 16, (0.5,) * 3, (0.5,) * 3, **more)


def message_of(description: Description) -> str:
    with pytest.raises(InputError) as refused:
        architecture.build(description)
    return str(refused.value)


@pytest.mark.usefixtures("own")
def test_a_network_of_ones_own_is_rebuilt_from_its_file() -> None:
    """Also what no file holds: buffers that are not saved, and plain attributes."""
    blank = described("small", options={"width": 6})
    module, found = create_described(blank, seed=1)
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    rebuilt = modules.to_module(modules.to_network(module, found))
    assert [layer.shape for layer in found.layers] == [(6, 3, 3, 3), (5, 6)]
    with torch.inference_mode():
        expected = module.eval()(images)
        assert expected.shape == (2, 5)
        torch.testing.assert_close(rebuilt(images), expected)


@pytest.mark.usefixtures("own")
def test_what_the_function_gets() -> None:
    assert architecture.build(described("small", 9)).head.out_features == 9
    assert architecture.build(described("fixed", 5)).head.out_features == 5
    anything = architecture.build(described("anything", 3, options={"width": 2}))
    assert anything.head.weight.shape == (3, 2)
    assert architecture.build(described("with_heads")).heads is False
    assert architecture.build(described("with_heads", auxiliary_heads=True)).heads is True


@pytest.mark.usefixtures("own")
def test_what_the_function_does_not_take() -> None:
    assert message_of(described("small", options={"widht": 3})) == (
        "model.options: file:nets/own.py:small cannot be called with widht, num_classes: got an "
        "unexpected keyword argument 'widht'. Its parameters: num_classes, width."
    )
    assert "has no parameter `auxiliary_heads`" in message_of(
        described("small", auxiliary_heads=True)
    )


def line_of(text: str, code: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if code in line)


def test_a_fault_in_the_function_names_the_line(own: Path) -> None:
    line = line_of(OWN, 'nn.Linear(num_classes, "many")')
    told = message_of(described("faulty"))
    assert f"file:nets/own.py:faulty: nets/own.py, line {line}, in faulty: TypeError: " in told


def test_a_fault_in_a_file_beside_names_that_line(own: Path) -> None:
    line = line_of(BLOCKS, "raise ValueError")
    told = message_of(described("faulty_elsewhere"))
    place = f"nets/parts_of_mine/blocks.py, line {line}, in block"
    assert f"{place}: ValueError: a block needs outputs" in told


def test_something_else_than_a_module_is_refused(own: Path) -> None:
    line = line_of(OWN, "def no_module")
    assert f"nets/own.py, line {line}: no_module returned list, but" in message_of(
        described("no_module")
    )


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "function", "message"),
    [
        (remove, "small", "nets/own.py: No such file or directory"),
        (lambda path: path.write_text("def small(:\n"), "small", "nets/own.py, line 1: invalid"),
        (lambda path: None, "smal", "Did you mean `file:nets/own.py:small`?"),
        (lambda path: None, "nothing", "Functions of nets/own.py: small, with_heads, fixed"),
        (lambda path: None, "", "must be `file:PATH.py:FUNCTION`"),
    ],
)
def test_what_the_config_says_of_the_file_and_the_function(
    own: Path, change: Callable[[Path], None], function: str, message: str
) -> None:
    """Before any work, and without running the file."""
    change(own)
    assert message in architecture.problem(f"file:nets/own.py:{function}")
    assert message in message_of(described(function))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nothing_of_this_name\n\n\ndef small():\n    pass\n",
            "line 1, in <module>: Module",
        ),
        ("def small():\n    pass\n\n\n1 / 0\n", "line 5, in <module>: ZeroDivisionError"),
    ],
)
def test_a_fault_while_the_file_is_run_names_the_line(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    code_digest._read.cache_clear()
    assert architecture.problem("file:nets/own.py:small") == ""
    told = message_of(described("small"))
    assert f"model.architecture: file:nets/own.py:small: nets/own.py, {message}" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("norm = 1\nnorm = = 2\n", "norms.py: cannot be read as Python code (invalid syntax"),
        ("norm = 1\nexec('norm = 2')\n", "norms.py, line 2: this import cannot be followed"),
    ],
)
def test_a_fault_of_a_file_beside_is_told_with_the_config(own: Path, text: str, told: str) -> None:
    (own.parent / "parts_of_mine" / "norms.py").write_text(text)
    code_digest._read.cache_clear()
    assert told in architecture.problem("file:nets/own.py:small")
    assert told in message_of(described("small"))


def test_names_that_statements_define_are_found(own: Path) -> None:
    own.write_text(
        "from parts_of_mine.blocks import block as imported\n"
        "assigned = inner = imported\n"
        "try:\n    from nowhere import small\nexcept ImportError:\n    def guarded(): pass\n"
    )
    for name in ("imported", "assigned", "inner", "guarded"):
        assert architecture.problem(f"file:nets/own.py:{name}") == "", name
    assert "is not known" in architecture.problem("file:nets/own.py:absent")

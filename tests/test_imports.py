"""Is what is heavy imported only when it is asked for, and then in full?"""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

from tinygrad_rnn.engine import operators, primitive, tensor
from tinygrad_rnn.postponed import found, statements

PACKAGES = ("tinygrad_rnn", "tinygrad_rnn.program", "viz")


def loaded(statement):
    """The modules of this project that a new process has after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {m for m in run.stdout.split() if m.split(".")[0] in ("tinygrad_rnn", "viz")}


def test_importing_the_package_imports_the_engine_and_nn_alone():
    modules = loaded("import tinygrad_rnn")
    rooms = {m.split(".")[1] for m in modules if "." in m}
    assert rooms <= {"border", "engine", "files", "hints", "nn", "postponed"}


def test_all_that_a_tensor_looks_up_is_there_in_a_new_process():
    found = subprocess.run(
        [sys.executable, "-c", "import tinygrad_rnn.engine.operators as o\nprint(*o.OPS)"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    text = inspect.getsource(operators) + inspect.getsource(tensor) + inspect.getsource(primitive)
    asked = re.findall(r"""(?:OPS\[|_compared\()"(\w+)\"""", text)
    assert len(asked) > 40
    assert not {*asked}.difference(found)


def test_importing_viz_imports_no_picture_and_no_compiler():
    modules = loaded("import viz")
    for heavy in ("viz.graphs", "viz.charts", "viz.player", "viz.record", "matplotlib"):
        assert not [m for m in modules if m.startswith(heavy)], heavy
    assert not [m for m in modules if m.startswith("tinygrad_rnn.program.")]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_is_what_its_statement_says(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in vars(module)  # asked for once
    for name, (place, original) in statements(package).items():
        assert getattr(module, name) is getattr(importlib.import_module(place), original)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_hidden_by_a_module_of_that_name(package):
    module = importlib.import_module(package)
    for name in statements(package):
        assert importlib.util.find_spec(f"{package}.{name}") is None, name
    assert callable(getattr(module, "keep", print))


def test_a_room_is_found_by_its_name_and_nothing_else_is():
    assert found("tinygrad_rnn", "interop") is importlib.import_module("tinygrad_rnn.interop")
    for name in ("nothing", "__wrapped__", "_private"):
        with pytest.raises(AttributeError, match=name):
            found("tinygrad_rnn", name)


def test_a_hint_names_a_room_that_was_not_imported_yet():
    code = "import tinygrad_rnn\ntry: tinygrad_rnn.Adam\nexcept AttributeError as e: print(e)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Here: train.Adam" in run.stdout

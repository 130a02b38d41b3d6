"""Do type checkers find the mistakes in a user's script, and none where there are none?

Pyrefly is always there; mypy and pyright are asked where they are installed.
"""

import ast
import importlib.util
import inspect
import io
import json
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_rnn as tg
import viz
from tinygrad_rnn import Primitive, interop, measure, nn, tasks, train

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = [HERE / "right.py", HERE / "wrong.py"]


def run(command, folder):
    if command[1:2] == ["-m"] and importlib.util.find_spec(command[2]) is None:
        pytest.skip(f"{command[2]} is not installed")
    return subprocess.run([*command, *SCRIPTS], cwd=folder, capture_output=True, text=True).stdout


def pyrefly(folder):
    program = Path(sys.executable).with_name("pyrefly")
    paths = ["--python-interpreter-path", sys.executable, "--search-path", ROOT]
    text = run([program, "check", *paths, "--output-format", "json"], folder)
    found = [x for x in json.loads(text)["errors"] if x["severity"] == "error"]
    return {(Path(x["path"]).name, x["line"]) for x in found}


def mypy(folder):
    options = ["--follow-imports=silent", f"--cache-dir={folder}"]
    text = run([sys.executable, "-m", "mypy", *options], folder)
    return {(Path(a).name, int(b)) for a, b in re.findall(r"^(.+?):(\d+): error", text, re.M)}


def pyright(folder):
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(ROOT)]}))
    options = ["--outputjson", "--pythonpath", sys.executable]
    found = json.loads(run([sys.executable, "-m", "pyright", *options], folder))
    errors = [x for x in found["generalDiagnostics"] if x["severity"] == "error"]
    return {(Path(x["file"]).name, x["range"]["start"]["line"] + 1) for x in errors}


@pytest.mark.parametrize(
    "check", [pyrefly, *[pytest.param(c, marks=pytest.mark.slow) for c in (mypy, pyright)]]
)
def test_a_checker_finds_the_five_mistakes_and_no_other(check, tmp_path):
    text = SCRIPTS[1].read_text().splitlines()
    planted = {("wrong.py", k) for k, line in enumerate(text, 1) if re.search(r"# \d:", line)}
    assert len(planted) == 5
    assert check(tmp_path) == planted


def test_the_right_script_runs(capsys):
    spec = importlib.util.spec_from_file_location("right", SCRIPTS[0])
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert capsys.readouterr().out == "right\n"


# -- what says nothing of its result --------------------------------------------------------------

PACKAGES = (tg, nn, nn.start, train, measure, tasks, interop, viz)


def public():
    """Public functions and the calls of public classes, by name; primitives have overloads."""
    for package in PACKAGES:
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isfunction(thing):
                yield f"{package.__name__}.{name}", thing
            elif inspect.isclass(thing) and inspect.isfunction(vars(thing).get("__call__")):
                yield f"{package.__name__}.{name}", vars(thing)["__call__"]


def overloaded():
    """Names that are decorated with overloads, or have some of their own."""
    found = set()
    for file in (ROOT / "tinygrad_rnn").rglob("*.py"):
        for part in ast.walk(ast.parse(file.read_text("utf-8"))):
            marks = {ast.unparse(d) for d in getattr(part, "decorator_list", ())}
            if marks & {"of_one", "of_two", "of_list", "parts_of_one", "gradients", "overload"}:
                found.add(part.name)
    return found - {"__call__"}


def test_at_most_fifteen_public_callables_say_nothing_of_their_results():
    known = overloaded()
    silent = [
        path
        for path, f in public()
        if inspect.signature(f).return_annotation in ("Any", inspect.Signature.empty)
        and path.rpartition(".")[2] not in known
    ]
    assert len(silent) <= 15, silent


# -- what help shows ------------------------------------------------------------------------------

PRIMITIVES = [x for x in map(tg.__dict__.get, tg.__all__) if isinstance(x, Primitive)]


@pytest.mark.parametrize("op", PRIMITIVES, ids=lambda op: op.name)
def test_help_of_a_primitive_is_our_page(op):
    page = io.StringIO()
    pydoc.Helper(output=page)(op)
    assert f"{op.name}(" in page.getvalue()
    assert "records itself" in page.getvalue()
    assert "out=None" not in page.getvalue()  # of NumPy's


def test_signatures_are_those_of_the_functions():
    assert str(inspect.signature(tg.tanh)) == "(x, /)"
    assert str(inspect.signature(tg.add)) == "(a, b, /)"
    assert [*inspect.signature(tg.sum).parameters] == ["x", "axis", "keepdims"]
    assert [*inspect.signature(tg.mean).parameters] == ["x", "axis", "keepdims"]
    assert "name" in inspect.signature(Primitive).parameters
    assert inspect.signature(Primitive("add up", lambda *xs: sum(xs))).parameters["xs"].kind == 2


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_layer_documents_its_own_arguments(layer):
    parameters = inspect.signature(layer).parameters
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters.values())
    assert not [name for name in parameters if name not in layer.__doc__]

"""Does the project keep to its own rooms, names and dependencies?"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]

IMPORT_EVERY_MODULE = """
import importlib, pkgutil, sys
before = set(sys.modules)
import tinygrad_rnn
for module in pkgutil.walk_packages(tinygrad_rnn.__path__, "tinygrad_rnn."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


def run_isolated(program, folder):
    # -I: neither this folder nor PYTHONPATH, only what is installed. -W error: no import warns.
    command = [sys.executable, "-I", "-W", "error", "-c", program]
    return subprocess.run(command, cwd=folder, check=True, text=True, stdout=subprocess.PIPE).stdout


def tracked_files():
    if not (ROOT / ".git").exists():
        pytest.skip("which files belong to the project is known to git alone")
    command = ["git", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout
    return [ROOT / name for name in names.split("\0") if (ROOT / name).is_file()]


def test_import_contracts_hold():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(("room", "extras"), [("engine", set()), ("tasks", {"sklearn"})])
def test_room_imports_numpy_and_its_extras_alone_even_inside_functions(room, extras):
    graph = grimp.build_graph("tinygrad_rnn", include_external_packages=True, cache_dir=None)
    package = f"tinygrad_rnn.{room}"
    modules = {package} | graph.find_descendants(package)
    imported = set().union(*(graph.find_modules_directly_imported_by(m) for m in modules))
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert others <= {"numpy", "tinygrad_rnn"} | extras


def test_importing_all_of_tinygrad_rnn_imports_numpy_alone(tmp_path):
    imported = set(run_isolated(IMPORT_EVERY_MODULE, tmp_path).split())
    assert imported - sys.stdlib_module_names == {"numpy", "tinygrad_rnn"}


def test_viz_is_the_one_beside_tinygrad_rnn(tmp_path):
    # A project named viz on PyPI installs a package of that name, which would be found first.
    program = "import tinygrad_rnn, viz; print(tinygrad_rnn.__file__, viz.__file__, sep='\\n')"
    ours, drawing = map(Path, run_isolated(program, tmp_path).splitlines())
    assert drawing.parent == ours.parent.with_name("viz")


def test_importing_viz_imports_neither_plots_nor_renderer(tmp_path):
    program = "import sys, viz; print(*sys.modules)"
    assert not {"matplotlib", "pygraphviz"} & set(run_isolated(program, tmp_path).split())


def test_no_file_names_a_place_on_one_machine():
    place = re.compile(rb"(?<![\w.~$)}/-])/(work|root|home|tmp|opt|Users)\b|[A-Z]:\\Users")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.decode(errors='replace')}"
        for path in tracked_files()
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if place.search(line)
    ]
    assert not found, "\n".join(found)


def test_only_the_docstring_of_a_file_is_a_question():
    question = re.compile(r"(What|Where|Whether|Who|How|Which|Why)\b")
    parts = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [
        f"{path.relative_to(ROOT)}:{x.lineno}: {text}"
        for path in sorted((ROOT / "tinygrad_rnn").rglob("*.py"))
        for x in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(x, parts) and question.match(text := ast.get_docstring(x) or "")
    ]
    assert not found, "\n".join(found)


def test_lock_names_the_public_registry_alone():
    hosts = set(re.findall(r"\w+://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}

"""How does a page list a package? File by file, each with the question it answers.

``.. room:: tinygrad_rnn.nn`` writes a section for every file that defines a public name of the
package. Files named in the directive's content come first, in that order; the others follow.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

import viz
from tinygrad_rnn import Primitive, Tensor, measure
from viz.record.formulas import formulas

ROOT = Path(__file__).parents[1]

STAR_OR_BAR = re.compile(r"\*(?=\w+\b(?!\*))|\|")  # but not *emphasis*


class Room(SphinxDirective):
    """The sections of one package: arguments are its name, and its folder if it is another."""

    required_arguments = 1
    optional_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the sections as reStructuredText and let Sphinx read them."""
        package = importlib.import_module(self.arguments[0])
        room = self.arguments[-1].replace(".", "/")
        names = [n for n in package.__all__ if not inspect.ismodule(getattr(package, n))]
        found = _by_file(names, ROOT / room, package)
        first = [ROOT / room / line for line in self.content if line]
        order = sorted(found, key=lambda f: (first.index(f) if f in first else len(first), str(f)))
        text = "".join(_section(file, found[file], package) for file in order)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class Files(SphinxDirective):
    """A list of files, each with its question as the docstring has it today."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """One entry for each file; a missing file fails the build."""
        entries = []
        for path in filter(None, self.content):
            docstring = ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8"))) or ""
            entries.append(f"``{path}``\n   {docstring.partition(chr(10))[0]}\n")
        return self.parse_text_to_nodes("\n".join(entries))


class Measures(SphinxDirective):
    """A table of the functions of `measure`: what each returns, and the pictures of it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The content names the pictures: ``name: picture, picture``; else one of the same name."""
        drawn = {}
        for line in filter(None, self.content):
            name, _, names = line.partition(":")
            drawn[name] = [picture.strip() for picture in names.split(",")]
        for name in measure.__all__:
            if inspect.isfunction(getattr(measure, name)):
                drawn.setdefault(name, [name] if name in viz.__all__ else [])
        if gone := [p for names in drawn.values() for p in names if p not in viz.__all__]:
            raise ExtensionError(f"measures: viz has no {gone[0]}; say what draws it instead.")
        rows = ""
        for name, names in drawn.items():
            about = escaped(first_sentence(getattr(measure, name)))
            links = ", ".join(f":py:func:`viz.{picture}`" for picture in names)
            link = f":py:func:`~tinygrad_rnn.measure.{name}`"
            rows += f"   * - {link}\n     - {about}\n     - {links}\n"
        head = ".. list-table::\n   :header-rows: 1\n   :widths: 25 50 25\n\n"
        head += "   * - in ``measure``\n     - what it gives\n     - drawn by\n"
        return self.parse_text_to_nodes(head + rows)


def _by_file(names: list[str], room: Path, package: ModuleType) -> dict[Path, list[str]]:
    """The names that each file defines, in its own order; names from elsewhere by their files."""
    found: dict[Path, list[str]] = {}
    missing = set(names)
    for file in sorted(room.rglob("*.py")):
        defined = re.findall(
            r"^(?:class |def )?(\w+)(?= *[(:=\[])", file.read_text("utf-8"), re.MULTILINE
        )
        here = [name for name in dict.fromkeys(defined) if name in missing]
        if here and file.name != "__init__.py":
            found[file] = here
            missing -= set(here)
    for name in sorted(missing.copy()):
        thing = getattr(package, name)
        known = inspect.isfunction(thing) or inspect.isclass(thing)
        file = Path(inspect.getfile(thing)) if known else ROOT
        if file.is_relative_to(ROOT / "tinygrad_rnn"):
            found.setdefault(file, []).append(name)
            missing.discard(name)
    if missing:
        raise ExtensionError(f"room: no file in {room.name} defines {sorted(missing)}.")
    return found


def first_sentence(thing: Any) -> str:
    """The first paragraph of its docstring, in one line."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _section(file: Path, names: list[str], package: ModuleType) -> str:
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    docstring = inspect.getdoc(importlib.import_module(module)) or ""
    question, _, rest = escaped(docstring).partition("\n")
    entries = "\n".join(_entry(package, name) for name in names)
    title = question.removesuffix(".")
    line = "=" * len(title)
    page = "/".join(module.split("."))
    return (
        f"\n{title}\n{line}\n\n.. rst-class:: file\n\n``{page}.py``\n{rest}\n\n"
        f".. currentmodule:: {package.__name__}\n\n{entries}\n"
    )


def _entry(package: ModuleType, name: str) -> str:
    thing, path = getattr(package, name), f"{package.__name__}.{name}"
    if isinstance(thing, Primitive):
        return _primitive(thing, name)
    if inspect.isclass(thing):
        more = "   :inherited-members:\n" if thing is Tensor else ""  # whose methods are Operators
        return f".. autoclass:: {path}\n   :members:\n{more}   :special-members: __call__\n"
    if callable(thing):
        return f".. autofunction:: {path}\n"
    value = "" if isinstance(thing, str) else f"\n   Keys: {', '.join(map(repr, thing))}.\n"
    shown = f"\n   :value: {thing!r}" if isinstance(thing, str) else ""
    return f".. py:data:: {name}{shown}\n{value}"


# What an example of a primitive is given besides its inputs.
OPTIONS: dict[str, dict[str, Any]] = {
    "astype": {"dtype": np.float64},
    "broadcast_to": {"shape": (2, 3, 3)},
    "getitem": {"index": (0,)},
    "reshape": {"shape": (9,)},
    "scatter": {"indices": ((slice(0, 3),),), "shape": (6, 3)},
}


def _example(primitive: Any) -> Tensor:
    """A primitive called with square matrices, and three numbers to be convolved."""
    two = ("matmul", "conv", "cut_gradient")
    count = 2 if primitive.name in two else primitive.arity or 1
    inputs: list[Any] = [Tensor(np.ones((3, 3))) for _ in range(count)]
    if primitive.name == "where":
        inputs[0] = np.ones((3, 3), bool)
    if primitive.name == "cut_gradient":
        inputs[1] = np.ones((3, 3), bool)
    if primitive.name == "conv":
        inputs = [Tensor(np.ones((5, 3))), Tensor(np.ones((3, 3, 2)))]
    return primitive(*inputs, **OPTIONS.get(primitive.name, {}))


def _primitive(primitive: Any, name: str) -> str:
    """Its inputs, its formula and its rule, as the player writes them."""
    forward = primitive.forward
    ours = getattr(forward, "__module__", "").startswith("tinygrad_rnn")
    if ours:
        parameters = inspect.signature(forward).parameters.values()
        bare = [p.replace(annotation=p.empty) for p in parameters]
        signature = str(inspect.Signature(bare))
    else:
        signature = f"({', '.join('ab') if primitive.arity == 2 else 'x'})"
    formula = " · ".join(f"``{line}``" for line in formulas(_example(primitive)))
    doc = escaped(inspect.getdoc(forward) or "") if ours else ""
    body = "\n\n".join(part for part in (formula, doc) if part)
    indented = "\n".join(f"   {line}" if line else "" for line in body.split("\n"))
    return f".. py:function:: {name}{signature}\n\n{indented}\n"


def escaped(text: str) -> str:
    """`text` with ``*`` and ``|`` escaped: docstrings are written for help() first."""
    lines: list[str] = []
    example, formula = False, -1  # formula: what is indented more than this, after a ``::``
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        if line and indent <= formula:
            formula = -1
        example = line.lstrip().startswith(">>>") or (example and bool(line))
        if not example and formula < 0:
            parts = re.split(r"(``.+?``|`.+?`)", line)
            parts[::2] = [STAR_OR_BAR.sub(r"\\\g<0>", part) for part in parts[::2]]
            formula = indent if line.endswith("::") else -1
            line = "".join(parts)
        lines.append(line)
    return "\n".join(lines)


def escape(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape every docstring before napoleon reads it."""
    lines[:] = escaped("\n".join(lines)).split("\n")


def skip(app: Sphinx, what: str, name: str, thing: Any, skipped: bool, options: Any) -> bool | None:
    """Skip the fields of a named tuple, which its docstring describes."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def by_its_room(app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
    """Links from `measure.gates` anywhere, and from `Drawing` in another package, to that entry."""
    if node.get("refdomain") != "py":
        return None
    domain, target = env.get_domain("py"), node["reftarget"]
    for room in ("viz", "tinygrad_rnn", *(f"tinygrad_rnn.{n}" for n in ("nn", "train", "measure"))):
        if (name := f"{room}.{target}") in domain.objects:
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", name, node, contnode
            )
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and handlers."""
    app.add_directive("room", Room)
    app.add_directive("files", Files)
    app.add_directive("measures", Measures)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", by_its_room)
    return {"parallel_read_safe": True}

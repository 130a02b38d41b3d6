"""When does a package import what it shows? When somebody first asks for it.

The statements stand in the package's own file under ``if TYPE_CHECKING:``, where editors and type
checkers read them. At run time `found` reads them there.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
from typing import Any

__all__ = ["found", "statements"]


@functools.cache
def statements(package: str) -> dict[str, tuple[str, str]]:
    """The imports of a package for type checkers: the module of each name, and its name there."""
    spec = sys.modules[package].__spec__
    source = spec.loader.get_source(package) if spec is not None else None  # pyrefly: ignore
    blocks = [x for x in ast.parse(source or "").body if isinstance(x, ast.If)]
    imports = [
        x
        for block in blocks
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for x in block.body
        if isinstance(x, ast.ImportFrom) and x.module != package
    ]
    return {a.asname or a.name: (x.module or "", a.name) for x in imports for a in x.names}


def found(package: str, name: str) -> Any:
    """The object that a package calls `name`, imported now; AttributeError if there is none."""
    if name[:1] == "_":
        raise AttributeError(name)
    if name in statements(package):
        module, original = statements(package)[name]
        value = getattr(importlib.import_module(module), original)
    elif importlib.util.find_spec(f"{package}.{name}") is not None:
        value = importlib.import_module(f"{package}.{name}")
    else:
        raise AttributeError(name)
    setattr(sys.modules[package], name, value)
    return value

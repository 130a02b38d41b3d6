"""Which functions does a step in C call, and what are they?

They stand in `prelude.h`, in pieces; a step is given those whose names it mentions. A step that
stands alone is called by `main.c`, a template.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

__all__ = ["INCLUDES", "MAIN", "pieces", "prelude"]

MAIN = "\n" + (Path(__file__).parent / "main.c").read_text("utf-8")  # of a step that stands alone

INCLUDES = "#include <math.h>\n#include <stdint.h>\n"
REALS = {"f": "float", "d": "double"}


@functools.cache
def pieces() -> dict[str, str]:
    """The pieces of `prelude.h` by the names that they define, in their order."""
    found = dict[str, str]()
    for piece in (Path(__file__).parent / "prelude.h").read_text("utf-8").split("/* ==== ")[1:]:
        names, text = piece.split(" ==== ", 1)
        head = f"/* {names}: " if text[:2] != "*/" else "/* "
        text = f"{head}{text}" if text[:2] != "*/" else text[2:].lstrip("\n")
        letters = REALS if names.endswith("_r") else ("",)
        for letter in letters:
            made = re.sub(r"_r\b", f"_{letter}", text) if letter else text
            made = re.sub(r"\breal\b", REALS[letter], made) if letter else made
            for name in names.split():
                found[re.sub(r"_r$", f"_{letter}", name)] = made
    return found


def prelude(text: str) -> str:
    """The pieces that a text in C mentions, and those that they mention; each once."""
    known, needed, todo = pieces(), set[str](), [text]
    while todo:
        here = set(re.findall(r"\w+", todo.pop())) & known.keys()
        todo += [known[name] for name in here - needed]
        needed |= here
    return "\n".join(dict.fromkeys(known[name] for name in known if name in needed))

"""What is on the page of concepts? The list in tutorials/concepts.py, written by this script."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_suffix(".md")
INTRODUCTION = """\
# Concepts

Everything that lectures on recurrent networks teach, each as something that runs, with a picture
made by the program itself and a number that is checked. The functions are in
`tutorials/concepts.py`; the tests run each of them, draw its picture and compare its number. A
number that is 0 is a distance, and rounding is let through.

"""


def page() -> str:
    """The whole page."""
    return INTRODUCTION + runpy.run_path(str(ROOT / "tutorials" / "concepts.py"))["table"]()


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

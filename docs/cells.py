"""Which cells are there? Writes the table in README from the public cells of `nn`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from tinygrad_rnn import nn

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- cells: by docs/cells.py -->\n", "<!-- cells end -->\n"
FIRST = ("elman", "lstm", "gru")  # the files to read first


def table() -> str:
    """A row for each file with cells: the question it answers, and their names."""
    found: dict[str, list[str]] = {}
    for name, kind in nn.cells_of(nn).items():
        found.setdefault(kind.__module__, []).append(name)

    def place(module: str) -> tuple[int, str]:
        file = module.rpartition(".")[2]
        return (FIRST.index(file) if file in FIRST else len(FIRST)), module

    rows = ["| question | cells, in `nn` |", "|---|---|"]
    for module in sorted(found, key=place):
        question = (inspect.getdoc(sys.modules[module]) or "").partition("\n")[0]
        rows.append(f"| {question} | {', '.join(f'`{name}`' for name in found[module])} |")
    return "\n".join(rows) + "\n"


def with_table(text: str) -> str:
    """README with the table between its two marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")

"""How does text stand in an SVG, whatever fonts its reader has?

Graphviz writes each piece of a line at a place of its own, for the widths of letters that it knows.
Where the reader's are others, a name is beside the middle of its box, and formulas fall apart. So a
line is one element here: in the middle of its node, or with its first piece where it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from viz.layout.graphviz import draw

_TITLE, _TEXT = re.compile(r"<title>(\w+)</title>"), re.compile(r"<text (.*)>([^<]*)</text>")
_VALUE = re.compile(r'([\w:-]+)="([^"]*)"')
# of a table, and of nothing else, the first word is an angle bracket
_NODE = re.compile(r'^ *(\w+) \[label=(?!<<TABLE)[^\n]* pos="(-?[\d.]+),', re.MULTILINE)
_SHAPE = re.compile(r"<title>(\w+)</title>\n(?:<g [^\n]*\n)?<(?:path|polygon|ellipse) ([^\n]*)/>")
LOWER = 0.25  # of a subscript, in parts of its size
ITS_OWN = ("x", "y", "text-anchor", "xml:space", "font-family", "baseline-shift")

Piece = tuple[dict[str, str], str]


def svg(dot: str) -> str:
    """A graph whose every node has its position, as SVG.

    Raises
    ------
    NoRenderer, TimeoutError
        As `viz.layout.graphviz.draw`.
    """
    places = {name: float(x) for name, x in _NODE.findall(dot)}
    text = draw(dot, "svg").decode()
    shift = _shift(text, places)
    middles = {} if shift is None else {name: x + shift for name, x in places.items()}
    return "\n".join(_lines(text, middles)) + "\n" * text.endswith("\n")


def _shift(text: str, places: dict[str, float]) -> float | None:
    """By how much Graphviz moved the picture, as one of its shapes says; None if there is none."""
    for name, attributes in _SHAPE.findall(text):
        values = dict(_VALUE.findall(attributes))
        across = [
            float(x)
            for x in re.findall(r"(-?[\d.]+),", values.get("d") or values.get("points", ""))
        ]
        middle = (min(across) + max(across)) / 2 if across else float(values.get("cx", "nan"))
        if name in places:
            return middle - places[name]
    return None


def _lines(text: str, middles: dict[str, float]) -> Iterator[str]:
    """The lines of the SVG, those of one line of text as one."""
    name = ""
    for key, group in groupby(text.splitlines(), _row):
        lines = list(group)
        if key is None:
            titles = _TITLE.findall("\n".join(lines))
            name = titles[-1] if titles else name
            yield from lines
        else:
            yield _text([_piece(line) for line in lines], middles.get(name))


def _row(line: str) -> str | None:
    """The height of a piece of text that begins at a place; None for all else."""
    found = _TEXT.fullmatch(line)
    values = dict(_VALUE.findall(found[1])) if found else {}
    return values["y"] if values.get("text-anchor") == "start" else None


def _piece(line: str) -> Piece:
    found = _TEXT.fullmatch(line)
    assert found is not None
    return dict(_VALUE.findall(found[1])), found[2]


def _text(pieces: list[Piece], middle: float | None) -> str:
    """One line of text, around the middle if there is one."""
    first = pieces[0][0]
    if middle is not None:  # spaces at both ends would move it
        pieces = [x for x in pieces if x[1].strip()] or pieces[:1]
    x = first["x"] if middle is None else f"{middle:.2f}"
    anchor = "start" if middle is None else "middle"
    place = {"xml:space": "preserve", "text-anchor": anchor, "x": x, "y": first["y"]}
    outer = _values(place | {"font-family": first["font-family"]})
    inner, lowered = "", 0.0
    for values, content in pieces:
        lower = LOWER * float(values["font-size"]) if values.get("baseline-shift") == "sub" else 0.0
        own = {key: value for key, value in values.items() if key not in ITS_OWN}
        if lower != lowered:  # not by baseline-shift, which Firefox does not know
            own["dy"] = f"{lower - lowered:.2f}"
        lowered = lower
        inner += f"<tspan {_values(own)}>{content}</tspan>"
    if len(pieces) == 1 and not lowered:
        own = {key: value for key, value in pieces[0][0].items() if key not in ITS_OWN}
        return f"<text {outer} {_values(own)}>{pieces[0][1]}</text>"
    return f"<text {outer}>{inner}</text>"


def _values(values: dict[str, str]) -> str:
    return " ".join(f'{key}="{value}"' for key, value in values.items())

"""What does a picture look like? Every colour, font, width and distance, and nothing else."""

from __future__ import annotations

import math

# Okabe and Ito's palette: told apart with any colour vision; fills are tints of it.
BLACK, GREY, LIGHT = "#222222", "#767676", "#c4c4c4"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#b8860b"
BLUE, VERMILION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"

FONT = "Helvetica,Arial,sans-serif"
SHAPE_SIZE = 8  # of the small second line, in points

GRAPH = {"rankdir": "LR", "fontname": FONT, "nodesep": "0.14", "ranksep": "0.32", "margin": "0.15"}
NODE = {
    "shape": "box",
    "style": "rounded,filled",
    "fontname": FONT,
    "fontsize": "11",
    "color": GREY,
    "fillcolor": "#ffffff",
    "height": "0.28",
    "width": "0.36",
    "margin": "0.07,0.03",
    "penwidth": "1",
}
EDGE = {"fontname": FONT, "fontsize": "9", "color": GREY, "arrowsize": "0.55", "penwidth": "1"}

NODES: dict[str, dict[str, str]] = {
    "op": {},
    "value": {"fillcolor": "#fce5d2"},
    "state": {"fillcolor": "#cfeadf"},
    "result": {"fillcolor": "#f5d6e5"},
    "cell": {"fillcolor": "#cfeadf", "fontsize": "14", "penwidth": "1.4", "color": BLACK},
    # a step that hands no state on: an answer, a loss
    "layer": {"fillcolor": "#fce5d2", "fontsize": "14", "penwidth": "1.4", "color": BLACK},
    "loss": {"fillcolor": "#f5d6e5", "fontsize": "14", "penwidth": "1.4", "color": BLACK},
    "parameter": {"shape": "ellipse", "style": "filled", "fillcolor": "#fff3c4", "color": YELLOW},
    "input": {"fillcolor": "#e9e9e9"},
    "constant": {"fillcolor": "#f6f6f6", "color": LIGHT, "fontcolor": "#555555"},
    "backward": {"fillcolor": "#d9edfb", "color": BLUE},
    "reference": {"style": "rounded,dashed", "color": GREY, "fontcolor": "#555555"},
    "cut": {
        "style": "rounded,filled,dashed",
        "fillcolor": "#fff6e0",
        "color": ORANGE,
        "penwidth": "2",
    },
    "elision": {"shape": "plain", "style": "", "fontsize": "16", "fontcolor": GREY},
    "port": {
        "shape": "point",
        "style": "filled",
        "width": "0.045",
        "height": "0.045",
        "color": GREY,
    },
    "ghost": {"shape": "point", "style": "invis", "width": "0.01", "height": "0.01"},
    "caption": {"shape": "plain", "style": "", "fontsize": "11", "fontcolor": "#444444"},
    "title": {"shape": "plain", "style": "", "fontsize": "15", "fontcolor": BLACK},
    "new": {"fillcolor": "#fbd5bd", "color": VERMILION, "penwidth": "2"},
    "changed": {"color": VERMILION, "penwidth": "2"},
    "new parameter": {
        "shape": "ellipse",
        "style": "filled",
        "fillcolor": "#fbd5bd",
        "color": VERMILION,
        "penwidth": "2",
    },
    "legend": {"shape": "plain", "style": "", "fontsize": "10", "fontcolor": "#444444"},
}

STEPS = ("cell", "layer", "loss")  # what is one box for a whole step

EDGES: dict[str, dict[str, str]] = {
    "data": {},
    "weight": {"color": YELLOW},
    "hub": {"color": YELLOW, "style": "dashed", "arrowhead": "none"},
    "link": {"arrowhead": "none"},
    "state": {"color": BLACK, "penwidth": "1.6", "arrowhead": "none"},
    "carry": {"color": BLACK, "penwidth": "1.6"},
    "cross": {"arrowhead": "none"},
    "bracket": {"color": GREY, "arrowhead": "none", "penwidth": "1.2"},
    "recurrent": {"color": BLUE, "fontcolor": BLUE, "style": "dashed", "penwidth": "2"},
}

CLUSTER = {
    "style": "rounded,filled",
    "color": "#cfcfcf",
    "fillcolor": "#fafafa",
    "fontname": FONT,
    "fontsize": "12",
    "fontcolor": "#444444",
}

# Cells are few and read from afar: no boxes around them, larger letters on what they are given and
# on what they hand on.
CELL_CLUSTER = {**CLUSTER, "style": "", "pencolor": "transparent", "fontsize": "13"}
GIVEN, HANDED = "15", "12"

# One step of a cell as a circuit: boxes, circles, wires, and what is not talked about just now.
PALE = "#d9dcdb"
CIRCUIT: dict[str, dict[str, str]] = {
    "panel": {
        "shape": "box",
        "style": "rounded,filled",
        "fillcolor": "#f4faf8",
        "color": "#8fb5a8",
        "penwidth": "1.2",
    },
    "gate": {
        "shape": "box",
        "style": "rounded,filled",
        "fixedsize": "true",
        "fillcolor": "#fce5d2",
        "color": BLACK,
        "penwidth": "1.1",
        "fontname": FONT,
    },
    "function": {
        "shape": "box",
        "style": "rounded,filled",
        "fixedsize": "true",
        "fillcolor": "#cfeadf",
        "color": BLACK,
        "penwidth": "1.1",
        "fontname": FONT,
    },
    "circle": {
        "shape": "circle",
        "style": "filled",
        "fixedsize": "true",
        "fillcolor": "#ffffff",
        "color": BLACK,
        "penwidth": "1.4",
        "fontname": FONT,
    },
    "wire": {"color": BLACK, "penwidth": "1.6", "arrowsize": "0.65"},
    "rail": {"color": "#0b7a5b", "penwidth": "3.4", "arrowsize": "0.7"},
    "text": {"shape": "plain", "style": "", "fontname": FONT},
}

# Distances in points; steps that would make a line longer than LINE go on in a line below.
LINE = 1400
ASIDE = 28  # from the middle of a cell to a line past what it is given
CELL_GAP = 8  # beside a cell, to what is handed on
COLUMN_GAP, ROW_GAP, TRACK, MARGIN, TITLE, STATE_GAP = 44, 20, 12, 9, 20, 28

# three times as wide as an exact zero, so that grey paper tells them apart
CUT = {"color": ORANGE, "style": "dashed", "penwidth": "3.6", "class": "cut"}
NO_GRADIENT = {"color": LIGHT, "style": "dotted", "penwidth": "1"}
ZERO_GRADIENT = {"color": VERMILION, "style": "dashed", "penwidth": "1.2"}
NOT_FINITE = {"color": PURPLE, "fontcolor": PURPLE, "penwidth": "5"}

# viridis from its dark end; the lightest 15 %, which paper swallows, is cut off.
# fmt: off
_VIRIDIS = (
    (253, 231, 37), (170, 220, 50), (93, 201, 99), (40, 174, 128), (33, 145, 140),
    (44, 114, 142), (59, 82, 139), (71, 44, 122), (68, 1, 84),
)
# fmt: on


def magnitude(level: float) -> dict[str, str]:
    """Colour and width: level 0 is the smallest (light, thin), 1 the largest (dark, thick)."""
    at = (0.15 + 0.85 * level) * (len(_VIRIDIS) - 1)
    k = min(math.floor(at), len(_VIRIDIS) - 2)
    rgb = (round(a + (b - a) * (at - k)) for a, b in zip(_VIRIDIS[k], _VIRIDIS[k + 1], strict=True))
    return {"color": "#" + "".join(f"{c:02x}" for c in rgb), "penwidth": f"{0.8 + 3.6 * level:.2f}"}


# Curves and maps, by matplotlib. Fonts are sized for 7 inches that fill half of a slide.
FONTS = ("Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")  # the first that are there
PLOT = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.labelsize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlecolor": BLACK,
    "axes.axisbelow": True,
    "text.color": BLACK,
    "axes.labelcolor": BLACK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "grid.color": "#e4e4e4",
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 11.5,
    "mathtext.fontset": "stixsans",
    "svg.hashsalt": "tinygrad_rnn",  # the same picture gives the same file
    "savefig.dpi": 160,
}
LINES = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)  # told apart by their dashes, too
DASHES = ("-", (0, (6, 2)), (0, (4, 1.5, 1, 1.5)), (0, (2, 1)), "-", "-")
OUT_OF_REACH, EXACT_ZERO, IMPOSSIBLE = "#ececec", "#f6cdb4", PURPLE
NOTE, NOTE_COLOUR = 11.5, "#555555"  # a sentence below a plot
DECADES = 12  # below the largest value that a logarithmic scale shows


def ramp(levels: int = 256) -> list[str]:
    """The colours of `magnitude` from small (light) to large (dark)."""
    return [magnitude(k / (levels - 1))["color"] for k in range(levels)]

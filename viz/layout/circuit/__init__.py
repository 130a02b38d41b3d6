"""Where do the boxes, circles and wires of a circuit stand?

The way of a state from step to step is a straight *rail* on top, with the circles that change it.
Under each of them hangs what it is given, gates in one row at the bottom. Below them run *lanes*
with what the gates read: inputs and states that have the same readers share one. The wires between
find their way in a `Maze`. No cell is known here; all follows from the elements of the circuit.
"""

from __future__ import annotations

from viz.layout.circuit.places import Places
from viz.layout.circuit.plan import LETTER, SIZE, UNIT, Box, Dot, Plan, Text, Wire
from viz.layout.circuit.wires import Wires
from viz.layout.maze import NoWay
from viz.record.circuit import Circuit
from viz.record.equations import Equations

__all__ = ["LETTER", "SIZE", "UNIT", "Box", "Dot", "Plan", "Text", "Wire", "place"]

SPACING = ((4, 10), (6, 12), (9, 15), (14, 20))  # between columns and rows, tried in this order


def place(circuit: Circuit, equations: Equations) -> Plan:
    """A position for everything; roomier if the wires find no way.

    Raises
    ------
    NoWay
        They find none in the roomiest layout either.
    """
    for columns, rows in SPACING[:-1]:
        try:
            return Wires(circuit, equations, Places(circuit, equations, columns, rows)).plan
        except NoWay:
            continue
    return Wires(circuit, equations, Places(circuit, equations, *SPACING[-1])).plan

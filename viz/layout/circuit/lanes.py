"""At which heights do inputs and states run to the gates, and who shares a lane?"""

from __future__ import annotations

from dataclasses import dataclass

from viz.layout.circuit.places import Places
from viz.record.circuit import Circuit

FIRST, APART = -6, 4  # the height of the first lane below the gates, and how far the next is


@dataclass(slots=True, eq=False)
class Lane:
    """Sources with the same readers: `main` goes straight on, the others of `members` join it.

    `end` is the column of the last of the `readers`.
    """

    members: list[int]
    main: int
    readers: list[int]
    end: int
    y: int = 0

    @property
    def net(self) -> object:
        """What the wires of the lane, behind where the others join, are wires of."""
        return ("lane", tuple(self.members)) if len(self.members) > 1 else self.main


class Lanes:
    """All lanes, and the heights at which states that are on no rail come in and go out.

    Attributes
    ----------
    lanes
        From the top; the one that ends first is the highest.
    inputs, entries
        The inputs, by id; the heights of states that are on no rail, by the id of what comes in.
    low
        The height of the lowest.
    """

    def __init__(self, circuit: Circuit, places: Places) -> None:
        self.circuit, self.places = circuit, places
        self.inputs = {id(x) for _, x in circuit.step.inputs}
        self.state_of = {id(s.enters): s for s in circuit.step.states if s.enters is not None}
        self.lanes = sorted(self._shared(), key=lambda lane: lane.end)
        self.entries: dict[int, int] = {}
        for k, lane in enumerate(self.lanes):
            lane.y = FIRST - APART * k
            if self.free(lane.main):
                self.entries[lane.main] = lane.y
        self.low = FIRST - APART * max(0, len(self.lanes) - 1)
        for at in self.state_of:
            if self.free(at) and at not in self.entries:
                self.low -= APART
                self.entries[at] = self.low
        self.leaving: dict[str, int] = {}
        for state in circuit.step.states:
            if state.letter in circuit.carries or state.leaves is None:
                continue
            if state.enters is None:
                self.low -= APART
            self.leaving[state.letter] = self.entries.get(id(state.enters), self.low)

    def _shared(self) -> list[Lane]:
        """The sources that gates read, those with the same readers together."""
        readers: dict[int, list[int]] = {at: [] for at in self.circuit.sources}
        for at, element in self.circuit.elements.items():
            for x in element.lanes:
                readers[id(x)].append(at)
        groups: dict[tuple[int, ...], list[int]] = {}
        for at, who in readers.items():
            if who:
                groups.setdefault(tuple(who), []).append(at)
        found = []
        for who, members in groups.items():
            straight = [at for at in members if self.free(at)]
            tapped = [at for at in members if self.on_rail(at)]
            end = max(self.places.boxes[at].x for at in who)
            main = (straight or tapped or members)[0]
            found.append(Lane(members, main, list(who), end))
        return found

    def on_rail(self, source: int) -> bool:
        """Whether a source is a state with a rail."""
        state = self.state_of.get(source)
        return state is not None and state.letter in self.circuit.carries

    def free(self, source: int) -> bool:
        """Whether a source is a state without a rail."""
        return source in self.state_of and not self.on_rail(source)

    def rail(self, source: int) -> int:
        """The height of the rail of a source."""
        return self.places.levels[self.state_of[source].letter]

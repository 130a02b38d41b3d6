"""Does a record still hold the values that it was made with?

A leaf may get new data, and an array may be written into. A gradient would then be of neither the
old values nor the new.
"""

from __future__ import annotations

from tinygrad_rnn.engine import messages
from tinygrad_rnn.engine.constants import written_into
from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["check_unchanged"]


def check_unchanged(nodes: list[Tensor], needed: set[Tensor]) -> None:
    """RuntimeError if a leaf got new data, or an array was written into, after it was recorded.

    `nodes` are all Tensors of the record, in the order of birth. Arrays matter to the `needed`
    nodes alone, whose rules read them.
    """
    _check_new_data(nodes)
    _check_written(nodes, needed)


def _check_new_data(nodes: list[Tensor]) -> None:
    leaves = [x for x in nodes if x.op is None]
    if not leaves or nodes[len(leaves) - 1] is leaves[-1]:
        return  # all of them are older than all operations
    for node in nodes:
        born = node.serial
        for x in node.inputs:
            if type(x) is Tensor and x.serial > born:
                raise RuntimeError(messages.newer(x, node))


def _check_written(nodes: list[Tensor], needed: set[Tensor]) -> None:
    seen: dict[int, int] = {}
    watched = [x for x in nodes if x.fingerprints]
    lent = {x for x in watched if x.op is None}  # leaves whose arrays others may write into
    for node in watched:
        if node in needed and node not in lent:
            array = written_into(node.fingerprints, seen)
            if array is not None:
                raise RuntimeError(messages.written(node, array))
    for node in (x for x in nodes if x in needed) if lent else ():
        own = [id(array) for array, _ in node.fingerprints]
        for x in node.inputs:
            # recorded before the array was lent, it has no fingerprint: that of the leaf serves
            if type(x) is Tensor and x in lent and id(x._data) not in own:
                array = written_into(x.fingerprints, seen)
                if array is not None:
                    raise RuntimeError(messages.written(node, array))

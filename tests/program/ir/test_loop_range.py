"""Is asking for the range of a loop free of effects, and completing it no surprise?"""

import pytest

from tinygrad_rnn.program.ir.recurrences import complete_loop, components, loop_range
from tinygrad_rnn.program.ir.sequences import NoSequence
from tinygrad_rnn.program.ir.text import graph_from, text_of

COMPLETE = """
a[t] = add(h[t - 1], x[t])
h[t] = multiply(a[t], w[t]); h[-1] = h0
"""
RAGGED = """
dp[t] = add(dy[t], dq[t + 1]); dp[5] = 0.0
dq[t] = multiply(dp[t], w[t]); t = 1 … 4; dq[5] = 0.0
"""


def loop(lines):
    values, outputs = graph_from(lines)
    (found,) = (c for c in components(values) if c.loop)
    return found, values, outputs


def test_the_range_of_a_complete_loop_is_that_of_its_values():
    found, values, outputs = loop(COMPLETE)
    before = text_of(values, outputs)
    assert loop_range(found) == (0, 4)
    assert text_of(values, outputs) == before


def test_asking_a_loop_that_is_not_complete_changes_nothing_and_is_refused():
    found, values, outputs = loop(RAGGED)
    before = text_of(values, outputs)
    with pytest.raises(NoSequence, match="have other steps"):
        loop_range(found)
    assert text_of(values, outputs) == before


def test_a_loop_that_was_completed_has_a_range():
    found, values, outputs = loop(RAGGED)
    complete_loop(found)
    assert loop_range(found) == (0, 4)
    assert "t = 1" not in text_of(values, outputs)


def test_a_complete_loop_stays_as_it_is():
    found, values, outputs = loop(COMPLETE)
    before = text_of(values, outputs)
    complete_loop(found)
    assert text_of(values, outputs) == before

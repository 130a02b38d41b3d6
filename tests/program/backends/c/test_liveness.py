"""Do arrays share memory when, and only when, they are never live at one time?"""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_rnn.program.backends.c import liveness
from tinygrad_rnn.program.backends.c.index import Affine
from tinygrad_rnn.program.backends.c.storage import Array


def drawn(rng, n, parts):
    """Arrays, the parts that mention them, and pairs that may follow each other in one part."""
    arrays, lines, spans = [], [[] for _ in range(parts)], {}
    for k in range(n):
        many = Affine(
            (("T", rng.choice([1, 2, 6])),) if rng.random() < 0.5 else (), rng.choice([0, 3, 9])
        )
        arrays.append(Array(f"x{k}", rng.choice(["float", "double"]), many, "", 8))
        first = rng.randrange(parts)
        last = min(parts - 1, first + rng.choice([0, 1, 2, parts]))
        spans[f"x{k}"] = first, last
        for t in {first, last}:
            lines[t].append(f"x{k}[0] = 1;")
    pairs = [(x, y) for x, (_, end) in spans.items() for y, (start, _) in spans.items()
             if end == start and x != y]  # fmt: skip
    return arrays, lines, spans, set(rng.sample(pairs, len(pairs) // 3))


def one_by_one(arrays, spans, aliases):
    """The same, every array asked of every other."""
    tenants, found = {}, {}
    for array in sorted(arrays, key=lambda x: (-x.many.factor("T"), -x.many.add)):
        first, last = spans[array.name]
        for owner in arrays:
            if (
                owner.name in tenants
                and liveness.fits(array, owner)
                and all(
                    last < spans[x][0] + ((array.name, x) in aliases)
                    or spans[x][1] < first + ((x, array.name) in aliases)
                    for x in tenants[owner.name]
                )
            ):
                break
        else:
            owner = array
        tenants.setdefault(owner.name, []).append(array.name)
        found[array.name] = owner
    return found


@given(st.integers(0, 10**9), st.integers(1, 30), st.integers(1, 9))
def test_each_goes_where_it_would_if_all_were_asked_one_by_one(seed, n, parts):
    arrays, lines, spans, aliases = drawn(random.Random(seed), n, parts)
    found = liveness.owners(arrays, lines, {}, aliases)
    assert found == one_by_one(arrays, spans, aliases)


@pytest.mark.parametrize("overlap", [1, 40, 2000])
def test_so_many_arrays_take_so_much_work(monkeypatch, overlap):
    """Questions grow as the arrays do, also where all are live at one time."""
    asked = {"fits": 0, "nodes": 0}
    fits, nodes = liveness.fits, liveness._Busy.nodes

    def counted(array, owner):
        asked["fits"] += 1
        return fits(array, owner)

    def walked(self, span):
        for node in nodes(self, span):
            asked["nodes"] += 1
            yield node

    monkeypatch.setattr(liveness, "fits", counted)
    monkeypatch.setattr(liveness._Busy, "nodes", walked)
    n = 2000
    arrays = [Array(f"x{k}", "double", Affine((), 6), "", 8) for k in range(n)]
    lines = [[] for _ in range(n + overlap)]
    for k in range(n):
        lines[k].append(f"x{k}[0] = 1;")
        lines[k + overlap].append(f"y = x{k}[0];")
    found = liveness.owners(arrays, lines, {}, set())
    assert len({x.name for x in found.values()}) == min(overlap + 1, n)
    assert asked["fits"] <= n
    assert asked["nodes"] <= 2 * n * 2 * n.bit_length()

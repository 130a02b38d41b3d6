"""Does a loop stay a loop whatever its first and last steps lack?"""

from functools import partial

import numpy as np
import pytest
from agreeing import agrees
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, compile, named, nn, scope, sigmoid, stack, tanh, where

B, H = 2, 3
ZERO = np.zeros((B, H))


def weights(*names, size=0.5):
    """Matrices for capital letters, rows for small ones."""
    rng = np.random.default_rng(0)
    shapes = {name: (H, H) if name[0].isupper() else (H,) for name in names}
    return {name: Tensor(size * rng.standard_normal(shape)) for name, shape in shapes.items()}


def data(T, size=H):
    rng = np.random.default_rng(T)
    return rng.standard_normal((T, B, size)), rng.standard_normal((T, B, H))


def check(loss_fn, params, *args, targets=("numpy", "c")):
    """The program in NumPy, after all targets gave the eager gradients."""
    for target in targets[::-1]:
        step = agrees(compile(loss_fn, target=target), loss_fn, params, *args, tolerance=1e-11)
    return step


def length(step):
    return step.source.partition("def step")[2].count("\n")


def length_in_c(step):
    return step.c_source.partition("int step")[2].partition("\n}")[0].count("\n")


def two_loops(loss_fn, params, size=H):
    """One loop forward, one backward, and as many lines whatever the length."""
    short, long = (check(loss_fn, params, *data(T, size)) for T in (9, 20))
    told = long.explain()
    assert told.count("loop forward") == told.count("loop backward") == 1
    assert length(short) == length(long)
    assert "not repeated" not in told


def rotation(p, x, s):
    u, v = s
    return named(
        u=p["a"] * u + p["b"] * v + x @ p["B"],
        v=p["a"] * v - p["b"] * u + x @ p["C"],
    )


@pytest.mark.parametrize("read", ["all", "last"])
@pytest.mark.parametrize("start", ["constants", "parameters", "one of each"])
@pytest.mark.parametrize("how", ["unroll", "scope", "plain"])
def test_coupled_states_of_which_one_is_read_are_two_loops(read, start, how):
    def loss_fn(p, x, y):
        u = ZERO if start == "constants" else p["u"] * np.ones((B, H))
        v = p["v"] * np.ones((B, H)) if start == "parameters" else ZERO
        state, us = (u, v), []
        if how == "unroll":
            us, _ = nn.unroll(lambda x, s: tuple(rotation(p, x, s)), x, state)
        for t in range(len(x) if how != "unroll" else 0):
            if how == "scope":
                with scope("cell", t=t):
                    state = rotation(p, x[t], state)
            else:
                state = rotation(p, x[t], state)
            us.append(state[0])
        return ((stack(us) - y) ** 2).mean() if read == "all" else (us[-1] ** 2).sum()

    two_loops(loss_fn, weights("a", "b", "B", "C", "u", "v"))


def late_output(p, x, c):
    """The output is of the state before: nobody reads the last one."""
    f, g = sigmoid(x @ p["F"]), tanh(x @ p["G"])
    return g * c + f, f * c + (1 - f) * g


@pytest.mark.parametrize("read", ["all", "last", "each"])
@pytest.mark.parametrize("scoped", [True, False])
def test_a_last_state_that_nobody_reads_leaves_two_loops(read, scoped):
    def loss_fn(p, x, y):
        c, hs = ZERO, []
        for t in range(len(x)):
            if scoped:
                with scope("cell", t=t):
                    h, c = late_output(p, x[t], c)
            else:
                h, c = late_output(p, x[t], c)
            hs.append(h)
        if read == "each":
            return sum(((h - y[t]) ** 2).mean() for t, h in enumerate(hs))
        return ((stack(hs) - y) ** 2).mean() if read == "all" else (hs[-1] ** 2).sum()

    two_loops(loss_fn, weights("F", "G"))


ADDITIVE = {
    "1997": partial(nn.MemoryBlockCell, H, 2, 2, rng=0),
    "1997, truncated": partial(nn.historic_net, "1, 3x2", truncated=True, rng=0),
    **{v: partial(nn.GreffLSTMCell, H, H, v, rng=0) for v in ("NFG", "NIG", "NOG")},
    "NFG NIG": partial(nn.GreffLSTMCell, H, H, "NFG", "NIG", rng=0),
}


@pytest.mark.parametrize("cell", ADDITIVE)
@pytest.mark.parametrize("how", ["lengths", "mask"])
def test_additive_carries_of_sequences_of_many_lengths_are_two_loops(cell, how):
    cell = ADDITIVE[cell]()

    def loss_fn(cell, x, y):
        T = len(x)
        mask = np.arange(T * B).reshape(T, B) % 3 != 1
        only = {"lengths": np.array([T, T - 2])} if how == "lengths" else {"mask": mask}
        return (stack(nn.unroll(cell, x, **only)[0]) ** 2).mean()

    two_loops(loss_fn, cell, getattr(cell, "input_size", H))


def test_a_sum_reads_its_last_value_before_it_is_overwritten():
    def loss_fn(p, x, y):  # v is in the next u, in the next w and in the next v
        u = v = w = Tensor(ZERO)
        loss = 0.0
        for t in range(len(x)):
            with scope("cell", t=t):
                u, v = p["a"] * u + p["b"] * v + x[t], u + v + w
                w = tanh(v @ p["A"] + w @ p["B"])
                loss = loss + ((u * w - y[t]) ** 2).mean()
        return loss + (u * u).sum() + (w * w).sum()

    two_loops(loss_fn, weights("a", "b", "A", "B"))


def test_what_is_chosen_from_is_read_before_it_is_overwritten():
    def loss_fn(p, x, y):
        s, loss = ZERO + 1, 0.0
        for t in range(len(x)):
            with scope("cell", t=t):
                s = where(x[t] > 0, s, x[t] * p["a"])
                loss = loss + (s * p["b"]).sum()
        return loss

    two_loops(loss_fn, weights("a", "b"))


SUMS = {
    "one sum": lambda p, x, s: (s[0] + s[1], x @ p["B"], x @ p["B"]),
    "two of three": lambda p, x, s: (s[0] + s[1] + x @ p["A"], s[2] + x @ p["B"], s[2] + s[0]),
    "a chain": lambda p, x, s: (s[0] + s[1], s[1] + s[2], s[2] + x @ p["B"]),
    "scaled": lambda p, x, s: ((s[0] + s[1]) * p["a"], s[1] + s[2], s[0] + s[2] + x @ p["B"]),
    "a difference": lambda p, x, s: (s[0] - s[1], s[0] + s[1] + s[2], s[2] - s[0] + x @ p["B"]),
}


@pytest.mark.parametrize("ends", [(1,), (0, 1, 2)])
@pytest.mark.parametrize("cell", SUMS)
def test_states_that_are_sums_of_states_leave_no_step_beside_the_loop(cell, ends):
    def loss_fn(p, x, y):
        s, hs = (ZERO, ZERO, ZERO), []
        for t in range(len(x)):
            s = SUMS[cell](p, x[t], s)
            hs.append(s[0])
        return ((stack(hs) - y) ** 2).mean() + sum((s[i] ** 2).sum() for i in ends)

    p, targets = weights("A", "B", "a"), {6: ["numpy"], 9: ["numpy"], 14: ["numpy", "c"]}
    steps = [check(loss_fn, p, *data(T), targets=targets[T]) for T in targets]
    assert len({length(step) for step in steps}) == 1


@pytest.mark.parametrize("back", [1, 2, 5])
@pytest.mark.parametrize("scoped", [True, False])
def test_a_state_that_the_loss_reads_once_more_stays_in_its_loop(back, scoped):
    def loss_fn(p, x, y):
        h, hs = ZERO, []
        for t in range(len(x)):
            with scope("cell", t=t if scoped else None):
                h = tanh(x[t] @ p["A"] + h @ p["B"])
            hs.append(h)
        return ((stack(hs) - y) ** 2).mean() + (hs[-1] * hs[-1 - back]).sum() + hs[-1 - back].sum()

    two_loops(loss_fn, weights("A", "B"))


def test_gradients_that_flow_at_every_second_step_are_named():
    def loss_fn(p, x, y):
        h = k = ZERO
        loss = 0.0
        for t in range(len(x)):
            with scope("cell", t=t):
                h, k = tanh(x[t] @ p["A"] + k @ p["B"]), tanh(h @ p["C"])
            loss = loss + (k.sum() if t % 2 else h.sum())
        return loss

    told = check(loss_fn, weights("A", "B", "C"), *data(14)).explain()
    assert "not repeated: " in told


KINDS = ("linear", "product", "add", "tanh", "gate")
READ = {
    "all": lambda T: range(T),
    "last": lambda T: [T - 1],
    "first and last": lambda T: [0, T - 1],
    "all but some at the ends": lambda T: range(2, T - 2),
    "from the fifth": lambda T: range(4, T),
}
indices = st.integers(0, 3)
states = st.tuples(
    st.sampled_from(KINDS),
    st.sets(indices, min_size=1, max_size=3),
    st.booleans(),  # reads the input
    st.booleans(),  # reads the states of this step that are new already
    st.sampled_from(["constant", "parameter", "argument"]),
)


def random_cell(p, cell, x, old):
    new = list(old)
    for i, (kind, reads, given_x, early, _) in enumerate(cell):
        v = 0.0
        for j in sorted({j % len(cell) for j in reads}):
            s = (new if early else old)[j]
            v = v + (
                s if kind == "add" else s @ p[f"A{i}"] if kind == "product" else s * p[f"a{j}"]
            )
        v = v + x @ p[f"W{i}"] if given_x or kind == "gate" else v
        if kind == "gate":
            f = sigmoid(x @ p[f"F{i}"])
            v = f * old[i] + (1 - f) * tanh(v)
        new[i] = tanh(v) if kind == "tanh" else v
    return tuple(new)


def random_loss(cell, how, out, read, ends, p, x, y):
    T, start = len(x), {"constant": lambda i: ZERO, "argument": lambda i: y[0]}
    start["parameter"] = lambda i: p[f"s{i}"] * np.ones((B, H))
    state = tuple(start[first](i) for i, (*_, first) in enumerate(cell))
    hs = []

    def step(x, old):
        new = random_cell(p, cell, x, old)
        h = new[out % len(cell)]
        hs.append(h * old[-1] + h @ p["V"] if out > 3 else h)
        return new

    if how in ("scope", "plain"):
        for t in range(T):
            if how == "scope":
                with scope("cell", t=t):
                    state = step(x[t], state)
            else:
                state = step(x[t], state)
    else:
        only = {
            "lengths": {"lengths": np.array([T, T - 2])},
            "mask": {"mask": np.arange(T * B).reshape(T, B) % 3 != 1},
        }
        outputs, state = nn.unroll(step, x, state, **only.get(how, {}))
        hs = hs if how == "unroll" else [h[0] for h in outputs]
    loss = sum(((hs[t] - y[t]) ** 2).mean() for t in READ[read](T))
    return sum(((state[i % len(cell)] ** 2).sum() for i in sorted(ends)), loss)


def this_cell_is_as_long(cell, how, out, read, ends):
    letters = [f"{letter}{i}" for letter in "AWFas" for i in range(4)]
    p = weights(*letters, "V", size=0.25)

    def loss_fn(p, x, y):
        return random_loss(cell, how, out, read, ends, p, x, y)

    if type(loss_fn(p, *data(3))) is not Tensor:  # some cells drawn read no parameter
        return
    lengths = (6, 9, 14) if read in ("all", "last") else (16, 24)  # where more steps differ
    steps = [check(loss_fn, p, *data(T), targets=["numpy"]) for T in lengths]
    assert len({length(step) for step in steps}) == 1
    if how != "mask":  # arrays made of which may be equal at one length alone
        assert len({length_in_c(step) for step in steps}) == 1


@pytest.mark.parametrize("how", ["unroll", "scope", "plain"])
def test_a_loss_on_two_last_states_leaves_no_step_beside_the_loop(how):
    linear, additive = (
        ("linear", {0, 1}, False, False, "constant"),
        ("add", {0}, True, True, "constant"),
    )
    this_cell_is_as_long([linear, additive], how, 0, "all", {0, 1})


def cells_drawn(count):
    drawn = given(
        cell=st.lists(states, min_size=1, max_size=4),
        how=st.sampled_from(["unroll", "lengths", "mask", "scope", "plain"]),
        out=st.integers(0, 7),
        read=st.sampled_from(list(READ)),
        ends=st.sets(indices, max_size=2),
    )
    return settings(max_examples=count, derandomize=True, phases=[Phase.generate])(
        drawn(this_cell_is_as_long)
    )


def test_cells_drawn_at_random_are_as_long_whatever_the_length():
    cells_drawn(12)()


@pytest.mark.slow
def test_many_cells_drawn_at_random_are_as_long_whatever_the_length():
    cells_drawn(150)()

"""Does one walk take apart and put together whatever people nest?"""

import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_rnn import Tensor, check_grads, compile, grad, measure, nn, scalars, tree

DEEP = 5_000
State = namedtuple("State", "h c")
Row = type("Row", (list,), {})


def nested(ends):
    return st.recursive(
        ends,
        lambda inside: st.one_of(
            st.lists(inside, max_size=3),
            st.lists(inside, max_size=3).map(tuple),
            st.lists(inside, max_size=3).map(deque),
            st.lists(inside, max_size=3).map(Row),
            st.dictionaries(st.text("abc", max_size=2) | st.integers(0, 3), inside, max_size=3),
            st.dictionaries(st.text("abc", max_size=2), inside, max_size=3).map(OrderedDict),
            st.builds(State, inside, inside),
        ),
        max_leaves=12,
    )


TREES = nested(st.none() | st.integers() | st.text(max_size=2))


def same(a, b):
    """Equal in structure, types and leaves."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return [*a] == [*b] and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def recursive(x):
    """The leaves, by the definition."""
    if isinstance(x, dict):
        return [leaf for part in x.values() for leaf in recursive(part)]
    if isinstance(x, (list, tuple, deque)):
        return [leaf for part in x for leaf in recursive(part)]
    return [x]


def deep(end, kinds=(lambda x: [x], lambda x: (x,), lambda x: {"a": x}, lambda x: State(x, 0))):
    for k in range(DEEP):
        end = kinds[k % len(kinds)](end)
    return end


# -- the walk --------------------------------------------------------------------------------------


@given(TREES)
def test_a_map_of_the_identity_has_the_same_structure_and_types(x):
    assert same(tree.map(lambda leaf: leaf, x), x)
    assert same(tree.rebuild(x, tree.leaves(x)), x)


@given(TREES)
def test_leaves_come_in_the_order_in_which_they_are_written(x):
    assert tree.leaves(x) == recursive(x)
    assert [leaf for _, leaf in tree.paths(x)] == recursive(x)


@given(TREES)
def test_a_path_leads_to_its_leaf(x):
    for path, leaf in tree.paths(x):
        at = x
        for key in path:
            at = getattr(at, key) if type(at) is State else at[key]
        assert at is leaf


@given(TREES)
def test_several_trees_are_walked_side_by_side(x):
    numbered = tree.rebuild(x, range(len(tree.leaves(x))))
    pairs = []
    tree.map(lambda n, leaf: pairs.append((n, leaf)), numbered, x)
    assert pairs == [*enumerate(tree.leaves(x))]


@settings(max_examples=30)
@given(TREES)
def test_a_map_is_a_structure_of_its_own(x):
    again = tree.map(lambda leaf: leaf, x)
    if isinstance(x, (list, dict, deque)):
        assert again is not x


def test_dicts_correspond_by_key_and_keep_their_own_order():
    assert [*tree.map(lambda a, b: (a, b), {"a": 1, "b": 2}, {"b": 3, "a": 4}).items()] == [
        ("a", (1, 4)),
        ("b", (2, 3)),
    ]


def test_a_default_a_maximal_length_and_a_class_are_kept():
    given = defaultdict(list, a=deque([1, 2], maxlen=2))
    made = tree.map(lambda x: x + 1, given)
    assert type(made) is defaultdict
    assert made.default_factory is list
    assert made["a"] == deque([2, 3])
    assert made["a"].maxlen == 2
    assert given["a"] == deque([1, 2])


def test_5000_nested_levels_are_walked():
    x = deep(1)
    assert tree.leaves(x)[0] == 1
    assert len(tree.paths(x)[0][0]) == DEEP
    doubled = tree.map(lambda leaf: 2 * leaf, x)
    assert tree.leaves(doubled)[0] == 2
    assert type(doubled) is type(x)


def test_what_a_predicate_calls_a_leaf_is_not_opened():
    def row(x):
        return type(x) is list

    assert tree.leaves(([1, 2], 3), is_leaf=row) == [[1, 2], 3]
    assert tree.map(type, ([1, 2], 3), is_leaf=row) == (list, int)


def test_a_structure_that_holds_itself_is_refused():
    x = {"a": [1]}
    x["a"].append(x)
    with pytest.raises(ValueError, match=r"the dict at \('a', 1\) holds itself"):
        tree.leaves(x)
    shared = [1]
    assert tree.leaves([shared, shared]) == [1, 1]


def test_trees_that_are_not_built_alike_are_refused_by_path():
    with pytest.raises(ValueError, match=r"at \('a',\) the first has the parts \[0, 1\]"):
        tree.map(max, {"a": (1, 2)}, {"a": (1, 2, 3)})
    with pytest.raises(ValueError, match="another int"):
        tree.map(max, {"a": (1, 2)}, {"a": 1})
    with pytest.raises(ValueError, match="has 2 leaves, got 1"):
        tree.rebuild((1, 2), [3])


def test_a_module_is_opened_and_gives_a_dict_by_path():
    cell = nn.RNNCell(2, 3, rng=0)
    assert tree.leaves((cell, 1)) == [*cell.parameters(), 1]
    shapes, one = tree.map(np.shape, (cell, 1))
    assert shapes == {path: p.shape for path, p in cell.named_parameters().items()}
    assert one == ()


def test_a_registered_class_is_opened_and_so_are_classes_derived_from_it():
    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    class Twin(Pair):
        pass

    assert len(tree.leaves(Twin(1, 2))) == 1
    tree.register(Pair, vars, lambda x, parts: type(x)(*parts))
    assert tree.paths([Twin(1, (2,))]) == [((0, "a"), 1), ((0, "b", 0), 2)]
    assert type(tree.map(abs, Twin(1, 2))) is Twin


class Named(list):
    """A list that is made of a name, and has it as an attribute."""

    def __init__(self, name):
        super().__init__()
        self.name = name


class Limited(tuple):
    """A tuple that is made of two arguments."""

    def __new__(cls, low, high):
        return super().__new__(cls, (low, high))


class Queue(deque):
    """A deque that is made of nothing."""

    def __init__(self):
        super().__init__(maxlen=3)


class Writer(dict):
    """A dict that writes in its own way."""

    def update(self, *_):
        raise AssertionError

    def __setitem__(self, key, value):
        super().__setitem__(key, [value])


class Ends(State):
    """A named tuple with an attribute."""


def test_a_counter_holds_what_a_function_makes_of_its_counts():
    given = Counter("aab")
    assert tree.map(lambda n: 10 * n, given) == Counter(a=20, b=10)
    assert tree.rebuild(given, ["x", "y"]) == {"a": "x", "b": "y"}
    assert given == Counter("aab")


def test_a_class_that_writes_in_its_own_way_is_not_asked_to():
    made = tree.map(lambda x: x + 1, Writer(a=1))
    assert (type(made), {**made}) == (Writer, {"a": 2})


def test_a_class_made_in_its_own_way_is_built_again_with_its_attributes():
    row, pair, queue, ends = Named("layer"), Limited(1, 2), Queue(), Ends(1, 2)
    row += [1, (2, 3)]
    queue += [1, 2]
    pair.unit = queue.unit = ends.unit = "ms"
    for x in (row, pair, queue, ends):
        made = tree.map(lambda leaf: 2 * leaf, x)
        assert type(made) is type(x)
        assert tree.leaves(made) == [2 * leaf for leaf in tree.leaves(x)]
        assert vars(made) == vars(x)
        assert len(made) == len(x) == 2
    assert tree.map(abs, queue).maxlen == 3
    assert row == [1, (2, 3)]


def test_a_structure_of_the_operating_system_is_built_again():
    made = tree.map(lambda x: x + 1, time.gmtime(0))
    assert type(made) is time.struct_time
    assert made[:3] == (1971, 2, 2)


def test_parts_with_other_names_do_not_correspond():
    other = namedtuple("Gates", "i o")
    with pytest.raises(ValueError, match=r"parts \['h', 'c'\], another \['i', 'o'\]"):
        tree.map(max, State(1, 2), other(3, 4))
    swapped = namedtuple("Swapped", "c h")
    assert tree.map(lambda a, b: (a, b), State(1, 2), swapped(3, 4)) == State((1, 4), (2, 3))
    assert tree.map(max, State(1, 4), (2, 3)) == State(2, 4)
    assert tree.map(max, [1, 4], State(2, 3)) == [2, 4]


def test_a_registered_named_tuple_is_opened_as_it_was_registered():
    Labelled = namedtuple("Labelled", "label value")
    tree.register(Labelled, lambda x: {"value": x.value}, lambda x, new: x._replace(value=new[0]))
    assert tree.map(abs, [Labelled("h", -1)]) == [Labelled("h", 1)]
    assert tree.registered(Labelled("h", 1))
    assert tree.registered(type("Derived", (Labelled,), {})("h", 1))
    assert not tree.registered(State(1, 2))


def test_structures_are_equal_in_the_same_order_of_keys():
    assert tree.structure({"a": 1, "b": 2}) == tree.structure({"a": 3, "b": 4})
    assert tree.structure({"a": 1, "b": 2}) != tree.structure({"b": 2, "a": 1})
    assert tree.structure({1: 0}) != tree.structure({True: 0})


def test_what_cannot_be_registered_is_refused():
    class Pair:
        pass

    with pytest.raises(TypeError, match=r"register: expected a class, got <.*Pair object"):
        tree.register(Pair(), vars, lambda x, new: x)
    with pytest.raises(TypeError, match=r"register: expected a function for parts, got \['a'\]"):
        tree.register(Pair, ["a"], lambda x, new: x)
    with pytest.raises(TypeError, match=r"register: expected a function for again, got None"):
        tree.register(Pair, vars, None)
    assert tree.leaves(pair := Pair()) == [pair]
    tree.register(Pair, lambda x: [1, 2], lambda x, new: x)
    with pytest.raises(TypeError, match=r"parts of a Pair .* expected a dict by key, got list"):
        tree.leaves(Pair())


# -- everybody who is handed a structure -----------------------------------------------------------


class Pairwise(nn.Module):
    """A cell whose state has the structure that it was given."""

    def __init__(self, structure, deep=False):
        self.W = Tensor(np.full((2, 2), 0.3))
        self.structure_of_state = structure

    def initial_state(self, *batch):
        return self.structure_of_state(np.zeros((*batch, 2)), np.ones((*batch, 2)))

    def output(self, state):
        return tree.leaves(state)[0]

    def __call__(self, x, state):
        h, c = tree.leaves(state)
        return tree.rebuild(state, [(x + h @ self.W) * 0.5, c * 0.9 + h])


STRUCTURES = {
    "tuple": lambda h, c: (h, c),
    "list": lambda h, c: [h, c],
    "named tuple": State,
    "dict": lambda h, c: {"h": h, "c": c},
    "nested": lambda h, c: {"inside": (State([h], {"c": c}),)},
}
XS = np.random.default_rng(0).standard_normal((6, 3, 2))


@pytest.fixture(params=STRUCTURES)
def structure(request):
    return STRUCTURES[request.param]


def alike(a, b):
    return same(tree.map(lambda _: 0, a), tree.map(lambda _: 0, b))


@pytest.mark.parametrize(
    "how",
    [{}, {"lengths": [6, 2, 0]}, {"truncate": (2, 3)}, {"checkpoint": True}, {"reverse": True}],
    ids=str,
)
def test_a_state_of_any_structure_runs_through_time(structure, how):
    cell = Pairwise(structure)
    expected, (h, c) = nn.unroll(Pairwise(STRUCTURES["tuple"]), XS, **how)
    outputs, state = nn.unroll(cell, XS, **how)
    assert alike(state, cell.initial_state(3))
    for a, b in zip([*outputs, *tree.leaves(state)], [*expected, h, c], strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert alike(nn.detach(state), state)
    assert all(x.op is None for x in tree.leaves(nn.detach(state)))


def test_gradients_come_in_the_structure_they_are_asked_for(structure):
    a, b = Tensor(2.0), Tensor([1.0, 3.0])
    wrt = structure(a, b)
    found = grad((a * b).sum(), wrt)
    assert alike(found, wrt)
    np.testing.assert_array_equal(tree.leaves(found)[1], [2.0, 2.0])


def test_gradients_of_a_module_come_by_path():
    cell = nn.RNNCell(2, 3, rng=0)
    _, h = nn.unroll(cell, XS)
    found = grad(h.sum(), {"cell": cell})["cell"]
    assert [*found] == [*cell.named_parameters().keys()]
    for g, p in zip(found.values(), grad(h.sum(), cell.parameters()), strict=True):
        np.testing.assert_array_equal(g, p)


def test_gradients_of_5000_nested_levels():
    x = Tensor(3.0)
    assert tree.leaves(grad(x * x, deep(x, (lambda x: [x], lambda x: {"a": x}))))[0] == 6


def test_the_arguments_and_results_of_a_program_have_any_structure(structure):
    def loss(params, given):
        a, b = tree.leaves(params)
        x, y = tree.leaves(given)
        total = (a * x + b * y).sum()
        return total, structure(total, a * x)

    params, given = structure(Tensor(2.0), Tensor(3.0)), structure(np.ones(2), np.arange(2.0))
    step = compile(loss)
    for _ in range(2):
        (value, aux), gradients = step(params, given)
        assert value == 7
        assert alike(gradients, params)
        assert tree.leaves(gradients) == [2, 1]
        assert alike(aux, structure(0, 0))
    assert step.stats["eager"] == 0


def test_a_program_takes_arguments_of_5000_nested_levels():
    def loss(w, given):
        return w * tree.leaves(given)[0]

    given = deep(np.float64(2.0), (lambda x: [x], lambda x: {"a": x}))
    value, g = compile(loss)(Tensor(3.0), given)
    assert (value, g) == (6, 2)


def test_gradients_are_checked_in_any_structure(structure):
    def f(given):
        h, c = tree.leaves(given)
        return h * h * c

    found = check_grads(f, structure(np.ones(2), np.arange(2.0)))
    assert len(found) == 2
    assert all(name.startswith("argument 0[") for name in found)


def test_scalars_are_made_in_any_structure(structure):
    given = structure(Tensor([1.0, 2.0]), Tensor([3.0]))
    made = scalars(given)
    assert alike(tree.map(np.size, made), tree.map(lambda x: x.size, given))


def test_measures_take_any_structure(structure):
    cell = Pairwise(structure)
    _, state = nn.unroll(cell, XS)
    found, expected = (
        sum(lane.operations.sum() for lane in measure.cost(s)) for s in (state, tree.leaves(state))
    )
    assert found == expected > 0

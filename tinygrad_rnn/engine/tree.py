"""What is inside a nested structure, and how is it put together again?

A tree is a list, tuple, named tuple, dict or deque of trees; anything else is a leaf, None too.
Arguments, states and gradients are trees. Another class is opened as well once it is registered;
`nn.Module` is: its leaves are its parameters by path.

>>> from tinygrad_rnn import tree
>>> tree.map(lambda x: 2 * x, {"h": 1, "gates": (2, [3])})
{'h': 2, 'gates': (4, [6])}
>>> tree.paths({"h": 1, "gates": (2, [3])})
[(('h',), 1), (('gates', 0), 2), (('gates', 1, 0), 3)]

Nothing recurses, so a tree may be as deep as it likes.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["leaves", "map", "paths", "rebuild", "register", "registered", "structure"]

Path = tuple[Any, ...]
IsLeaf = Callable[[Any], bool] | None


class Node(NamedTuple):
    """A way to take objects of a class apart and put them together: parts by key, and back."""

    parts: Callable[[Any], dict[Any, Any]]
    again: Callable[[Any, list[Any]], Any]


def leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves of `tree`, in order.

    Parameters
    ----------
    tree
        A nested structure.
    is_leaf
        ``is_leaf(x)`` is True for a part that stays a leaf, though it could be opened.

    Raises
    ------
    ValueError
        A list or dict holds itself.

    Examples
    --------
    >>> leaves({"h": 1, "gates": (2, [3])})
    [1, 2, 3]
    """
    return [xs[0] for _, xs, node, _ in _walk((tree,), is_leaf) if node is None]


def paths(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[Path, Any]]:
    """The leaves of `tree`, each with its path: keys, indices, and fields of named tuples.

    Parameters and errors are those of `leaves`.
    """
    return [(_path(way), xs[0]) for way, xs, node, _ in _walk((tree,), is_leaf) if node is None]


def map(f: Callable[..., Any], *trees: Any, is_leaf: IsLeaf = None) -> Any:
    """A tree of `f` of each leaf, or of the corresponding leaves of several trees, in order.

    Parameters
    ----------
    f
        Called with as many leaves as there are trees.
    *trees
        The result is built like the first; of each other tree, `f` is handed whatever corresponds
        to a leaf of the first. Parts correspond by key. They correspond by their order where one
        side has no names, as a tuple beside a named tuple; those of a second dict never do.
    is_leaf
        As for `leaves`, asked of the first.

    Returns
    -------
    Lists, tuples, named tuples, dicts and deques of the same types; of what is registered, what it
    makes of its new parts. A Module gives a dict by path.

    Raises
    ------
    ValueError
        The trees are not built alike (other names, another number of parts), or a list or dict
        holds itself.

    Examples
    --------
    >>> map(lambda new, old: new - old, (5, 7), (1, 2))
    (4, 5)
    """
    walked = [*_walk(trees, is_leaf)]
    return _built(walked, [f(*xs) for _, xs, node, _ in walked if node is None])


def rebuild(tree: Any, leaves: Iterable[Any], is_leaf: IsLeaf = None, *, keep: bool = False) -> Any:
    """A tree built like `tree`, with others for its leaves.

    Parameters
    ----------
    tree, is_leaf
        As for `leaves`.
    leaves
        The others, in order.
    keep
        Lists, dicts … in which no leaf is another are not built again: the result has the very
        same.

    Raises
    ------
    ValueError
        There are more or fewer leaves than in `tree`, or a list or dict holds itself.

    Examples
    --------
    >>> rebuild({"h": 1, "gates": (2, [3])}, "abc")
    {'h': 'a', 'gates': ('b', ['c'])}
    """
    walked = [*_walk((tree,), is_leaf)]
    given, expected = [*leaves], sum(node is None for _, _, node, _ in walked)
    if len(given) != expected:
        raise ValueError(f"tree.rebuild: the tree has {expected} leaves, got {len(given)}.")
    return _built(walked, given, keep)


def structure(tree: Any, is_leaf: IsLeaf = None) -> tuple[Any, ...]:
    """All but the leaves, to be compared or to be a key.

    Equal for trees that are built alike, with their keys in the same order. It is flat: for each
    list, dict … its class, its keys and their types, and None for each leaf.

    >>> structure([1, (2, 3)]) == structure([4, (5, 6)]) != structure([4, [5, 6]])
    True
    """
    return tuple([node and _keys(xs[0], node) for _, xs, node, _ in _walk((tree,), is_leaf)])


def register(
    cls: type, parts: Callable[[Any], dict[Any, Any]], again: Callable[[Any, list[Any]], Any]
) -> None:
    """Open objects of a class, and of classes derived from it, instead of taking them for leaves.

    Parameters
    ----------
    cls
        The class.
    parts
        ``parts(x)`` gives what is inside, by key.
    again
        ``again(x, new)`` puts new parts together, in the same order.

    Raises
    ------
    TypeError
        `cls` is no class, or `parts` or `again` no function; later, `parts` gives no dict.
    """
    if not isinstance(cls, type):
        raise TypeError(f"tree.register: expected a class, got {cls!r}.")
    for name, f in (("parts", parts), ("again", again)):
        if not callable(f):
            raise TypeError(f"tree.register: expected a function for {name}, got {f!r}.")

    def checked(x: Any) -> dict[Any, Any]:
        found = parts(x)
        if not isinstance(found, dict):
            raise TypeError(
                f"tree: the parts of a {type(x).__name__} (as registered for {cls.__name__}): "
                f"expected a dict by key, got {type(found).__name__}."
            )
        return found

    _NODES[cls] = Node(checked, again)
    _node.cache_clear()


def registered(x: Any) -> bool:
    """True if `x` is opened because its class is registered: ``is_leaf=registered`` keeps it whole.

    >>> from tinygrad_rnn import nn
    >>> registered(nn.RNNCell(2, 3)), registered([1, 2])
    (True, False)
    """
    node = _node(type(x))
    return node is not None and node not in _BUILT_IN


# -- what can be opened ----------------------------------------------------------------------------


# A derived class may be made of other arguments than its base, and write in its own way (a Counter
# adds). So its parts are put in place as the base does it, and its attributes are copied.


def _numbered(x: Any) -> dict[Any, Any]:
    return dict(enumerate(x))


def _list(x: Any, parts: list[Any]) -> Any:
    if type(x) is list:
        return parts
    again = copy.copy(x)
    list.__setitem__(again, slice(None), parts)
    return again


def _tuple(x: Any, parts: list[Any]) -> Any:
    if type(x) is tuple:
        return tuple(parts)
    if hasattr(type(x), "n_sequence_fields"):  # of C, as time.struct_time
        return type(x)(parts)
    return _with_attributes(x, tuple.__new__(type(x), parts))


def _fields(x: Any) -> dict[Any, Any]:
    return dict(zip(x._fields, x, strict=True))


def _named_tuple(x: Any, parts: list[Any]) -> Any:
    return _with_attributes(x, type(x)._make(parts))


def _deque(x: Any, parts: list[Any]) -> Any:
    again = deque.__new__(type(x))
    deque.__init__(again, parts, x.maxlen)
    return _with_attributes(x, again)


def _itself(x: Any) -> dict[Any, Any]:
    return x if type(x) is dict else dict(x.items())  # whatever its own iteration gives


def _dict(x: Any, parts: list[Any]) -> Any:
    found = zip(x.keys(), parts, strict=True)
    if type(x) is dict:
        return dict(found)
    again = copy.copy(x)  # a defaultdict keeps its default
    for key, part in found:
        dict.__setitem__(again, key, part)
    return again


def _with_attributes(x: Any, again: Any) -> Any:
    if hasattr(x, "__dict__"):
        vars(again).update(vars(x))
    return again


_NAMED = Node(_fields, _named_tuple)
_NODES: dict[type, Node] = {
    list: Node(_numbered, _list),
    tuple: Node(_numbered, _tuple),
    deque: Node(_numbered, _deque),
    dict: Node(_itself, _dict),
}
_BUILT_IN = (_NAMED, *_NODES.values())


@lru_cache(maxsize=512)
def _node(cls: type) -> Node | None:
    """The way to open objects of this class; None if they are leaves."""
    known = [_NODES[base] for base in cls.__mro__ if base in _NODES]
    named = [_NAMED] if issubclass(cls, tuple) and hasattr(cls, "_fields") else []
    own = [node for node in known if node not in _BUILT_IN]  # registered, so it goes first
    return next(iter(own + named + known), None)


# -- the walk --------------------------------------------------------------------------------------

Way = tuple[Any, Any] | None  # the way to the parent and the key from there; None at the root
Visit = tuple[Way, tuple[Any, ...], Node | None, int]  # with the number of parts


def _walk(trees: tuple[Any, ...], is_leaf: IsLeaf) -> Iterator[Visit]:
    """The values at each place in all of the trees, parents before their parts, in order.

    A leaf of the first tree has no `Node`.
    """
    todo: list[tuple[Way, Any]] = [(None, trees)]
    around: dict[int, Any] = {}  # what is open: the parents of what comes next
    while todo:
        way, xs = todo.pop()
        if xs is None:  # the last of its parts has been seen
            around.popitem()
            continue
        x = xs[0]
        node = _node(type(x))
        if node is None or (is_leaf is not None and is_leaf(x)):
            yield way, xs, None, 0
            continue
        if id(x) in around:
            raise ValueError(f"tree: the {type(x).__name__} at {_path(way)} holds itself.")
        around[id(x)] = x
        parts = node.parts(x)
        beside = [_parts_like(parts, other, way) for other in xs[1:]]
        below = zip(parts, parts.values(), *beside, strict=True)
        todo.append((way, None))
        todo += [((way, key), inside) for key, *inside in reversed([*below])]
        yield way, xs, node, len(parts)


def _built(walked: list[Visit], leaves: list[Any], keep: bool = False) -> Any:
    """The tree again, from its end: the parts of a node are the last that were built."""
    built: list[Any] = []
    for _, xs, node, n in reversed(walked):
        if node is None:
            built.append(leaves.pop())
        else:
            parts = [built.pop() for _ in range(n)]
            before = node.parts(xs[0]).values() if keep else ()
            same = keep and all(a is b for a, b in zip(parts, before, strict=True))
            built.append(xs[0] if same else node.again(xs[0], parts))
    return built[0]


def _parts_like(parts: dict[Any, Any], other: Any, way: Way) -> list[Any]:
    """The parts of `other` that correspond to `parts`: by key, or by order if one has no names."""
    node = _node(type(other))
    found = node.parts(other) if node else None
    if found is not None:
        if found.keys() == parts.keys():
            return [found[key] for key in parts]
        numbers = [*range(len(parts))]
        nameless = numbers in ([*parts], [*found])
        if nameless and len(found) == len(parts) and not isinstance(other, dict):
            return [*found.values()]
    raise ValueError(
        f"tree.map: the trees are not built alike: at {_path(way)} the first has the parts "
        f"{[*parts]}, another {type(other).__name__ if found is None else [*found]}."
    )


def _keys(x: Any, node: Node) -> tuple[Any, ...]:
    """The class of `x`, its keys, and their types: 1 and True are equal."""
    parts = node.parts(x)
    return (type(x), *parts, *[type(key) for key in parts])


def _path(way: Way) -> Path:
    keys: list[Any] = []
    while way is not None:
        way, key = way
        keys.append(key)
    return tuple(reversed(keys))

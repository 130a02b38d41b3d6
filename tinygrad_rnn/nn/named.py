"""In what form are parameters given by path? As a dict that is iterated over as pairs."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING

from tinygrad_rnn.engine.tensor import Tensor

__all__ = ["NamedParameters"]

# fmt: off
if TYPE_CHECKING:
    # To a checker it is no dict: one of those gives its keys.
    class NamedParameters:
        """Tensors by path."""

        def __init__(self, found: Mapping[str, Tensor]) -> None: ...
        def __iter__(self) -> Iterator[tuple[str, Tensor]]: ...
        def __len__(self) -> int: ...
        def __contains__(self, path: object) -> bool: ...
        def __getitem__(self, path: str) -> Tensor: ...
        def keys(self) -> KeysView[str]: ...  # noqa: D102
        def values(self) -> ValuesView[Tensor]: ...  # noqa: D102
        def items(self) -> ItemsView[str, Tensor]: ...  # noqa: D102

else:

    class NamedParameters(dict):
        """Tensors by path, in pairs as in torch; ``[path]``, ``len`` and ``items()`` of a dict."""

        __slots__ = ()

        def __iter__(self):
            return iter(self.items())
# fmt: on

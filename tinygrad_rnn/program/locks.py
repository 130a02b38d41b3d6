"""What becomes of locks in a process that is forked?

Of the threads of its parent one lives on in the child. A lock that another one held would be held
there for ever, so the locks of programs are new ones after a fork.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["cached", "lock_of"]

T = TypeVar("T")
owners = weakref.WeakSet[Any]()  # of an attribute `lock`


def lock_of(owner: Any) -> threading.Lock:
    """A lock for ``owner.lock``, which is a new one in each child."""
    owners.add(owner)
    return threading.Lock()


class cached(functools.cached_property[T]):
    """A property computed once; in Python 3.11 it has a lock, too."""

    def __init__(self, func: Callable[[Any], T]) -> None:
        super().__init__(func)
        if hasattr(self, "lock"):
            owners.add(self)


def renewed() -> None:
    """Let all locks be free."""
    for owner in list(owners):
        owner.lock = threading.RLock() if isinstance(owner, cached) else threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renewed)

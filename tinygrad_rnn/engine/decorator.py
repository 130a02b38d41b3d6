"""What does a block decorate?

A function runs inside the block, and so does a coroutine. A generator does while it computes, and
not while it is suspended: code that runs in the meantime is not part of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

__all__ = ["decorated"]


def decorated(f: Callable[..., Any], block: Any) -> Callable[..., Any]:
    """`f`, run inside the block at every call."""
    if inspect.isasyncgenfunction(f):
        name = type(block).__name__
        raise TypeError(
            f"@{name}() cannot decorate the asynchronous generator {f.__qualname__}. Write "
            f"`with {name}():` inside it, around what computes."
        )

    def generator(*args: Any, **options: Any) -> Generator[Any, Any, Any]:
        return _resumed(block, f(*args, **options))

    async def coroutine(*args: Any, **options: Any) -> Any:
        with block:
            return await f(*args, **options)

    def function(*args: Any, **options: Any) -> Any:
        with block:
            return f(*args, **options)

    is_generator = inspect.isgeneratorfunction(f)
    is_coroutine = inspect.iscoroutinefunction(f)
    inside = generator if is_generator else coroutine if is_coroutine else function
    return functools.wraps(f)(inside)


def _resumed(block: Any, running: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """The values that `running` yields and returns; it runs inside the block each time."""
    resume: Callable[[], Any] = functools.partial(next, running)
    while True:
        try:
            with block:
                found = resume()
        except StopIteration as end:
            return end.value
        try:
            resume = functools.partial(running.send, (yield found))
        except GeneratorExit:
            with block:
                running.close()
            raise
        except BaseException as error:
            resume = functools.partial(running.throw, error)

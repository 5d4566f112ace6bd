"""Parts on the threads of one machine: numpy, Arrow and the file system let several run at once."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS_MOST = 4  # more of them wait for the interpreter, and hold one more part in memory each


def ordered(
    call: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> Iterator[Result]:
    """Call a function for every item; results come in the items' order, as soon as they are asked for.

    No more results than workers are held. Whoever stops asking leaves no call running.

    Args:
        call: May run several times at once.
        items: Taken one by one, as workers become free.
        workers: Threads; null: one for each processor, up to `WORKERS_MOST`.

    Raises:
        Exception: What a call raises, when its result is due.
    """
    count = workers or min(os.cpu_count() or 1, WORKERS_MOST)
    source = iter(items)
    with ThreadPoolExecutor(count, "smalti") as pool:
        pending: deque[Future[Result]] = deque(pool.submit(call, item) for item in islice(source, count))
        try:
            while pending:
                result = pending.popleft().result()
                for item in islice(source, 1):
                    pending.append(pool.submit(call, item))
                yield result
        finally:
            for future in pending:
                future.cancel()

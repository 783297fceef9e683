"""Blocks that several threads fetch at once, handed over in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDone

from rnaget.outputs import Spool

_PATIENCE = 2.0
"""Seconds that a thread is waited for when a download has ended before its time."""


class InOrder:
    """The spools of some blocks, one after the other; each is begun only when it is near its turn, so that few wait.

    Parameters
    ----------
    numbers
        Of the blocks.
    workers
        Blocks that are fetched at the same time.
    stopped
        Set as soon as a block has failed; `fetch` ends early then.
    spool
        Makes the spool of a block.
    fetch
        Writes a block to its spool.
    """

    def __init__(
        self,
        numbers: range,
        workers: int,
        stopped: threading.Event,
        spool: Callable[[int], Spool],
        fetch: Callable[[int, Spool], None],
    ) -> None:
        self._spool, self._fetch, self._stopped = spool, fetch, stopped
        self._workers = max(1, min(workers, len(numbers)))
        self._begun = threading.Semaphore(2 * self._workers)
        self._left, self._lock = iter(numbers), threading.Lock()
        self._spools: dict[int, Spool] = {}
        self._results: dict[int, Future[None]] = {number: Future() for number in numbers}

    def __iter__(self) -> Iterator[tuple[int, Spool]]:
        # Not an executor: that would wait for its threads, when the user does not want to wait any more.
        names = (f"rnaget-{number}" for number in range(self._workers))
        threads = [threading.Thread(target=self._work, daemon=True, name=name) for name in names]
        for thread in threads:
            thread.start()
        for number, result in self._results.items():
            result.result()
            yield number, self._spools.pop(number)
            self._begun.release()
        self._begun.release(self._workers)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._begun.acquire()
            with self._lock:
                number = next(self._left, None)
            if number is None or self._stopped.is_set():
                return
            result = self._results[number]
            try:
                spool = self._spools[number] = self._spool(number)
                self._fetch(number, spool)
                result.set_result(None)
            except BaseException as error:
                result.set_exception(error)
                return

    def stop(self, number: int) -> Spool | None:
        """End all threads; return the spool of the block whose turn it is, with what has arrived of it."""
        self._stopped.set()
        self._begun.release(self._workers)
        result, found = self._results[number], None
        try:
            result.exception(_PATIENCE)
            found = self._spools.pop(number, None)
        except NotDone:  # nothing of it arrives, so that its thread does not see that it should end
            pass
        for other, result in self._results.items():
            if result.done() and (spool := self._spools.pop(other, None)) is not None:
                spool.file.close()
        return found

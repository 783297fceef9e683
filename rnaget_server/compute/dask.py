"""Work on parts by the workers of a Dask cluster.

Dask runs a part again whose worker died. The scheduler is trusted: whoever can reach it can run code on its workers,
and answers with pickles.
"""

from __future__ import annotations

import math
import platform
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any, Generic, NamedTuple

from distributed import Client, Future, KilledWorker

from rnaget_server import __version__
from rnaget_server.compute.base import Part, Result
from rnaget_server.compute.heap import reuse_memory
from rnaget_server.errors import ComputeFailure
from rnaget_server.model.cancellation import Cancellation, Cancelled
from rnaget_server.shared_settings import DASK

_CONNECT_SECONDS = 10.0
_WORKER_SECONDS = 60.0
_POLL_SECONDS = 1.0
# A part of a request takes some seconds; one that waits for those of others, some more.
_PART_SECONDS = 120.0
# Enough that a worker never waits for its next part.
_PARTS_A_THREAD = 2
# Dask itself runs a part on four workers before it takes the part for what kills them.
_ATTEMPTS = 2
_PACKAGES = ("distributed", "h5py", "hdf5plugin", "isal", "numcodecs", "numpy")
# Bytes of free memory that a worker keeps.
_MOST_KEPT = 256 << 20
_SEE_TO_IT = "see that `dask scheduler` runs, and that the setting compute has its address"
_SAME_VERSIONS = "give scheduler and workers the same packages as this program, best by the same image"


class _Task(NamedTuple, Generic[Part]):
    """A part at work."""

    part: Part
    future: Future[Any]


class _Outcome(NamedTuple):
    """The result of a part, or what its function raised; so that all else that is raised comes from Dask."""

    result: Any
    error: Exception | None


class DaskCompute:
    """Workers of a Dask cluster; a `Compute`.

    Parameters
    ----------
    address
        ``dask://host:port`` of the scheduler; whether the connection is by TLS is said by Dask's own configuration.
    connect_seconds
        How long the scheduler has to answer.
    worker_seconds
        How long a part waits for the first worker to come, or for one to come back after the last has died.
    part_seconds
        How long the next part of a request may take, from when its result is waited for.
    """

    is_local = False
    """False: other processes do the work."""

    def __init__(
        self,
        address: str,
        connect_seconds: float = _CONNECT_SECONDS,
        worker_seconds: float = _WORKER_SECONDS,
        part_seconds: float = _PART_SECONDS,
    ) -> None:
        self._address = address.removeprefix(DASK)
        self._part_seconds = part_seconds
        self._connect_seconds = connect_seconds
        self._worker_seconds = worker_seconds
        self._client: _Client | None = None
        self._failed = -math.inf
        self._lock = threading.Lock()

    def map(
        self,
        function: Callable[[Part], Result],
        parts: Iterable[Part],
        cancellation: Cancellation | None = None,
    ) -> Generator[Result, None, None]:
        """Yield the result of each part, in their order; see `Compute.map`."""
        run = partial(_run, function, _versions())
        with closing(self._outcomes(run, parts, cancellation)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
                yield outcome.result

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.end()

    def _outcomes(
        self, run: Callable[[Part], _Outcome], parts: Iterable[Part], cancellation: Cancellation | None
    ) -> Generator[_Outcome, None, None]:
        client = self._connected()
        pending: deque[_Task[Part]] = deque()
        made = iter(parts)
        try:
            while True:
                room = _PARTS_A_THREAD * max(1, client.threads()) - len(pending)
                # What makes the parts raises its own errors, which are none of Dask.
                new = list(islice(made, max(0, room)))
                pending.extend(_Task(part, client.begin(run, part)) for part in new)
                if not pending:
                    return
                outcome = self._outcome(client, run, pending[0], cancellation)
                pending.popleft()
                yield outcome
        finally:
            for task in pending:
                task.future.release()

    def _connected(self) -> _Client:
        """Return the client, connected to the scheduler."""
        asked = time.monotonic()
        with self._lock:
            if self._client is None or self._client.status != "running":
                if self._failed > asked:  # while this thread waited, another one has tried
                    raise _silent(self._connect_seconds)
                if self._client is not None:
                    self._client.end()
                try:
                    self._client = _connect(self._address, self._connect_seconds)
                except ComputeFailure:
                    self._failed = time.monotonic()
                    raise
            return self._client

    def _outcome(
        self, client: _Client, run: Callable[[Part], _Outcome], task: _Task[Part], cancellation: Cancellation | None
    ) -> _Outcome:
        """Return the outcome of a part, which is begun again if its workers died."""
        for attempt in range(_ATTEMPTS):
            try:
                future = client.begin(run, task.part) if attempt else task.future
                return self._waited(client, future, cancellation)
            except KilledWorker:
                continue
            except (CancelledError, OSError):
                raise _lost() from None
            except (Cancelled, ComputeFailure):
                raise
            except Exception as error:
                raise ComputeFailure(f"Dask could not run a part ({type(error).__name__}): {_SAME_VERSIONS}") from error
        raise ComputeFailure(
            "the workers of Dask died one after the other with the same part: give each more memory, or look into "
            "their logs"
        )

    def _waited(self, client: _Client, future: Future[_Outcome], cancellation: Cancellation | None) -> _Outcome:
        """Return the outcome once it is there, unless there are no workers, or a request waits, for too long."""
        began = time.monotonic()
        deadline = began + self._worker_seconds
        while True:
            if cancellation is not None:
                cancellation.check()
                if time.monotonic() - began > self._part_seconds:
                    raise ComputeFailure(
                        f"the workers of Dask have not finished a part within {self._part_seconds:g} seconds: they are "
                        "too few, or one hangs and has to be started again"
                    )
            with suppress(TimeoutError):
                return future.result(timeout=_POLL_SECONDS)
            if client.threads():
                deadline = time.monotonic() + self._worker_seconds
            elif time.monotonic() > deadline:
                raise ComputeFailure(
                    f"Dask has had no worker for {self._worker_seconds:g} seconds: start some with `dask worker`"
                )


class _Client(Client):
    """A connection to a scheduler, with a time limit for each of its replies."""

    def start(self, **options: Any) -> None:
        """Connect; leave nothing behind if that fails."""
        try:
            # Dask itself waits without end for the first bytes of what has taken the connection.
            Client.start(self, callback_timeout=self._timeout, **options)
        except BaseException:
            self.end()
            raise

    def threads(self) -> int:
        """Return how many parts the workers that are there work on at once."""
        try:
            return sum(self.nthreads(callback_timeout=self._timeout).values())
        except Exception as error:
            raise _lost() from error

    def begin(self, run: Callable[[Part], _Outcome], part: Part) -> Future[_Outcome]:
        """Have a part worked on."""
        try:
            future: Future[_Outcome] = self.submit(run, part, pure=False)
        except Exception as error:
            if self.status == "running":
                raise
            raise _lost() from error
        return future

    def end(self) -> None:
        """Close the connection in any state."""
        with suppress(Exception):
            self.close(timeout=self._timeout)


def _connect(address: str, seconds: float) -> _Client:
    """Return a client that is connected to a scheduler."""
    try:
        return _Client(address, timeout=seconds, set_as_default=False, name="rnaget-server")
    except Exception as error:  # from something else than a scheduler any may come
        raise _silent(seconds) from error


def _silent(seconds: float) -> ComputeFailure:
    return ComputeFailure(f"no Dask scheduler answers within {seconds:g} seconds: {_SEE_TO_IT}")


def _lost() -> ComputeFailure:
    return ComputeFailure(f"the connection to Dask's scheduler was lost: {_SEE_TO_IT}")


@cache
def _versions() -> dict[str, str]:
    """Return the versions of all that the bytes of a result hang on."""
    found = {"rnaget-server": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _run(function: Callable[[Part], Result], expected: dict[str, str], part: Part) -> _Outcome:
    """Return what the function makes of a part; called on a worker."""
    if (found := _versions()) != expected:
        names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        differing = ", ".join(f"{name} {found.get(name, 'missing')} (here {expected.get(name)})" for name in names)
        return _Outcome(None, ComputeFailure(f"a worker of Dask has {differing}: {_SAME_VERSIONS}"))
    reuse_memory(_MOST_KEPT)
    try:
        return _Outcome(function(part), None)
    except Exception as error:
        error.add_note("On a worker of Dask:\n" + traceback.format_exc())
        return _Outcome(None, error)

"""Named retry policies for reads. Writes never retry here: the engine does intent, call, observe.

The only module that imports tenacity.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import tenacity  # noqa: TID251 - this module is the one place

from .clock import Clock
from .errors import OutsideError

T = TypeVar("T")


def _may_help(error: BaseException) -> bool:
    return isinstance(error, OutsideError) and error.retryable


def _asked_or_doubled(state: tenacity.RetryCallState) -> float:
    """Wait as long as the other side asked for, else 1, 2, 4, 8 s; never more than 60 s."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, OutsideError) else None
    return min(60.0, asked if asked is not None else 2.0 ** (state.attempt_number - 1))


def read(call: Callable[[], T], *, clock: Clock, attempts: int = 5) -> T:
    """Call `call` until it answers, at most `attempts` times; for reads only.

    Retries an `OutsideError` that says it may help, after the time the other side asked for
    (`Retry-After`) or 1, 2, 4 … s. Raises the last error. Waits through `clock`.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_help),
        stop=tenacity.stop_after_attempt(attempts),
        wait=_asked_or_doubled,
        sleep=lambda seconds: clock.wait_until(clock.now() + timedelta(seconds=seconds)),
        reraise=True,
    )
    return retrying(call)

"""What to do next about an act: call it, ask whether it shows, wait, give it up. Pure."""

from __future__ import annotations

from datetime import timedelta

from dnsrun.journal.fold import MoveState
from dnsrun.model.act import Act, Instruct, Refresh, RunCommand, SetDelegation
from dnsrun.model.entry import Failed

from .decisions import AskPerson, Call, Decision, Settle, Until
from .standing import Standing
from .words import in_words

MAX_TRIES = 10
BACK_CALLS = 3  # a rollback asks again when the host took a write and never shows it
SETTLE_AT_LEAST_S = 60


def next_for_act(at: Standing, index: int, act: Act, known: MoveState) -> Decision | None:
    """Return what to do about an act that is not done, None when it may be passed over."""
    if known.answer and known.answer.answer == "declined":
        return at.failed_for_good(f"declined: {in_words(act)}")
    if known.failed:
        return _after_failure(at, index, act, known)
    if not known.attempts or (isinstance(act, Instruct) and not known.asked):
        return Call(index, known.attempts + 1)  # an instruction that nobody was given takes no effect by itself
    if known.asked:
        return Settle(index)
    if index in at.case.called or known.accepted or isinstance(act, SetDelegation):
        return _awaited(at, index, act, known)  # an intent that left no trace at the parent becomes a failure
    if isinstance(act, RunCommand):
        unseen = AskPerson(index, f"was {in_words(act)} run to its end? Nobody saw it")
        return None if known.answer or at.back else unseen
    return Settle(index)


def _awaited(at: Standing, index: int, act: Act, known: MoveState) -> Decision | None:
    """The host took the write: its servers must show it within its declared delay.

    Its time is up when somebody looked after it: who comes back after hours looks first.
    """
    until = (known.intended_at or at.now) + timedelta(seconds=_patience_s(at, act))
    looked = at.case.looked.get(index)
    if at.now < until or looked is None or looked < until:
        return Settle(index)
    if at.back and known.attempts < BACK_CALLS:
        return Call(index, known.attempts + 1)
    return at.unproved(f"{in_words(act)}: accepted, but the servers do not show it")


def _patience_s(at: Standing, act: Act) -> int:
    provider = getattr(act, "provider", "")
    return max(SETTLE_AT_LEAST_S, at.case.delays_s.get(provider, 0)) + (300 if isinstance(act, Refresh) else 240)


def _after_failure(at: Standing, index: int, act: Act, known: MoveState) -> Decision | None:
    failed = known.failed
    if failed is None:
        return Call(index, known.attempts + 1)
    begun = known.intended_at or at.now
    doubt_s = _doubt_s(at, act, failed)
    if known.attempts and at.now < begun + timedelta(seconds=doubt_s):
        return Settle(index)
    if not failed.retryable or known.tries >= MAX_TRIES:
        because = f"{in_words(act)}: {failed.because}"
        return at.unproved(because) if isinstance(act, Refresh) else at.failed_for_good(because)
    if failed.not_before and at.now < failed.not_before:
        return Until(failed.not_before, f"trying again: {failed.because}")
    return Call(index, known.attempts + 1)


def _doubt_s(at: Standing, act: Act, failed: Failed) -> int:
    """Return for how long, in seconds, to look for the effect before calling again.

    A call that timed out may still take effect; a secondary that refuses may fetch by itself. Asking it a second
    time does no harm.
    """
    if isinstance(act, Refresh):
        return 0 if failed.retryable else _patience_s(at, act)
    return at.case.delays_s.get(getattr(act, "provider", ""), 0) if failed.in_doubt else 0

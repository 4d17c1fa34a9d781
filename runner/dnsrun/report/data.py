"""A report as data. Pure."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from .value import Report

FORMAT = 1


def as_data(report: Report) -> dict[str, Any]:
    """Return the report as what JSON can hold. Keys are stable; a later version may add some.

    - `format`: 1
    - `domain` (A-labels), `unicode` (U-labels, empty when there are none), `goal`, `run`, `playbook` (SHA-256),
      `version` (wrote the journal), `made_with`, `made_at`, `records`, `as_of`, `result`, `other_runs`, `unclear`
    - `timeline`: list of `at`, `kind` (run, capture, phase, risk, off, change, check, wait, person, back,
      incident, end), `says`, `details`, `until`, `times`, `last_at`
    - `causes`: list of `phase`, `phase_name`, `came_from` (check, call, person, other), `gate`, `says`, `led_to`,
      `decided_at`, `seen`, `guarded`, `times`, `last_good`, `first_bad`, `affected` (null, or `since` and `until`)
    - `checks`: list of `phase`, `phase_name`, `gate`, `is_built_in`, `when`, `passed`, `waited`, `failed`, `unknown`
    - `safeguards`: sentences; `locks`: list of `says`, `until`; `gaps`: list of `kind`, `phase`, `says`
    - `phases`: list of `number`, `name`, `state`, `at`, `because`, `not_before`
    - `commands`, `way_back`: lists of `line`, `does`, `not_before`; `by_hand`: list of `who`, `text`

    Times are UTC in RFC 3339 form, or null. Texts are as they came: whoever shows them escapes them.
    """
    return {"format": FORMAT, **_plain(report)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return [_plain(each) for each in value] if isinstance(value, tuple) else value

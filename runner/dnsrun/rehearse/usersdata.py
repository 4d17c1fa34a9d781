"""What users of a lab have met, as JSON data: in all, and behind each kind of cache. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .trial.played import Story
from .trial.summary import Span, spans_of
from .users import Users


def as_data(users: Users) -> dict[str, Any]:
    """Return what everybody met at the web site, and at the mail host; times as ISO 8601, durations in seconds."""
    stories = users.stories()
    by_service = {service: [story for story in stories if story.want.service == service] for service in ("web", "mail")}
    kinds = dict.fromkeys(story.kind for story in stories)
    return {
        "since": users.start.isoformat(),
        "until": users.until.isoformat(),
        "caches": list(kinds),
        **{service: _met(users, found) for service, found in by_service.items()},
    }


def _met(users: Users, stories: Sequence[Story]) -> dict[str, Any]:
    spans = spans_of(stories)
    return {
        "host": stories[0].want.name.to_text(omit_final_dot=True),
        "users": len(stories),
        "calls": len(stories) * round((users.until - users.start).total_seconds()),
        "broken": sum(span.user_seconds for span in spans),
        "worst_s": max((span.longest_s for span in spans), default=0),
        "outages": [_outage(span) for span in spans],
        "addresses": dict(Counter(", ".join(story.met[-1].data) for story in stories if story.met).most_common()),
    }


def _outage(span: Span) -> dict[str, Any]:
    return {
        "cache": span.kind,
        "since": span.since.isoformat(),
        "until": span.until.isoformat(),
        "users": span.users,
        "broken": span.user_seconds,
        "worst_s": span.longest_s,
        "causes": [cause for cause, _ in span.causes],
    }

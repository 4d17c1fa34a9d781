"""Step kinds: each module compiles one kind of step into acts. Open: a kind is a word, a fragment and `compile`."""

from __future__ import annotations

from collections.abc import Mapping

from . import command, finish, lower_ttl, manual, refresh_secondary, restore_ttl, switch_records, wait, watch
from .kind import StepKind

STEP_KINDS: Mapping[str, StepKind] = {
    module.KIND.word: module.KIND
    for module in (
        lower_ttl,
        switch_records,
        refresh_secondary,
        wait,
        watch,
        manual,
        command,
        restore_ttl,
        finish,
    )
}

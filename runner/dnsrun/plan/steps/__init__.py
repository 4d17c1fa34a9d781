"""Step kinds: each module compiles one kind of step into acts. Open: a kind is a word, a fragment and `compile`."""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    command,
    copy_zone,
    delegation_signer,
    finish,
    lower_ttl,
    mail_service,
    mailbox_sync,
    manual,
    refresh_secondary,
    restore_ttl,
    switch_ns,
    switch_records,
    wait,
    watch,
)
from .kind import StepKind

STEP_KINDS: Mapping[str, StepKind] = {
    kind.word: kind
    for kind in (
        lower_ttl.KIND,
        copy_zone.KIND,
        switch_records.KIND,
        refresh_secondary.KIND,
        wait.KIND,
        watch.KIND,
        mailbox_sync.KIND,
        mail_service.KIND,
        manual.KIND,
        command.KIND,
        delegation_signer.REMOVE,
        switch_ns.KIND,
        delegation_signer.ADD,
        restore_ttl.KIND,
        finish.KIND,
    )
}

"""Rolling back one RRset at BIND and one at PowerDNS, warm (S8): from the request until every server shows it again.

dnsrun looks at the journal and the delegation, reads both zones, plans, journals, writes with a look before, and is
done when its gates have seen the old value and everything else untouched. The peer is an UPDATE message and a PATCH
over an open connection, asked after until both show.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import dns.query
import dns.update
import urllib3

import pairs
from dnsrun.engine.advance import DueAt, Ended, advance
from dnsrun.engine.run import Run
from dnsrun.engine.start import begin, prepare
from dnsrun.model.entry import RollbackAsked
from pairs import Pair, must_be
from scene import KEY, TTL_S, Host, Records, Scene, addresses, scene, steps

DOMAINS: dict[str, Host] = {"client-bind.example": "bind", "client-powerdns.example": "powerdns"}
BEFORE: Records = addresses(20)
OLD, NEW = BEFORE["h5"], "192.0.2.5"


def ours(made: Scene, *, until_seen: bool) -> float:
    """Switch at both hosts, then take it back; return how long that took until it showed, or until it was verified."""
    runs = {domain: switched(made, domain) for domain in DOMAINS}
    begun = time.perf_counter()
    for run in runs.values():
        run.append(RollbackAsked("newest", None, "benchmark"))
    for domain, run in runs.items():
        while until_seen and not shows(made, domain, OLD):
            step(run)
    if until_seen:
        taken = time.perf_counter() - begun
    for run in runs.values():
        *_, last = steps(run)
        must_be(exact=isinstance(last, Ended) and last.outcome == "rolled-back", what=f"ended with {last}")
    if not until_seen:
        taken = time.perf_counter() - begun
    for domain in DOMAINS:
        made.check(domain, BEFORE)
    return taken


def switched(made: Scene, domain: str) -> Run:
    run = made.open(made.playbook(domain, [f"{{names: [h5], type: A, was: {OLD}, value: {NEW}}}"]))
    begin(run, prepare(run, 1), {})
    must_be(exact=[*steps(run)][-1] == Ended("done", "done"), what=f"{domain} was not switched")
    made.check(domain, {**BEFORE, "h5": NEW})
    return run


def step(run: Run) -> None:
    after = advance(run)
    if isinstance(after, DueAt):
        run.ports.clock.wait_until(after.when)


def shows(made: Scene, domain: str, address: str) -> bool:
    (answer,) = made.server(domain).ask(f"h5.{domain}", "A").answer
    return [rdata.to_text() for rdata in answer] == [address]


def theirs(made: Scene) -> float:
    update, patch = updating(made), patching(made)
    update(NEW), patch(NEW)
    begun = time.perf_counter()
    update(OLD), patch(OLD)
    for domain in DOMAINS:
        while not shows(made, domain, OLD):
            pass
    taken = time.perf_counter() - begun
    for domain in DOMAINS:
        made.check(domain, BEFORE)
    return taken


def updating(made: Scene) -> Callable[[str], None]:
    bind = made.bind

    def update(address: str) -> None:
        message = dns.update.UpdateMessage("client-bind.example", keyring=KEY.tsig())
        message.replace("h5", TTL_S, "A", address)
        must_be(exact=dns.query.tcp(message, bind.address, port=bind.port).rcode() == 0, what="BIND took no update")

    return update


def patching(made: Scene) -> Callable[[str], None]:
    pool = urllib3.PoolManager()
    url = f"{made.powerdns.api_url}/api/v1/servers/localhost/zones/client-powerdns.example."
    headers = {"X-API-Key": made.powerdns.api_key}

    def patch(address: str) -> None:
        records = [{"content": address, "disabled": False}]
        name = "h5.client-powerdns.example."
        rrset = {"name": name, "type": "A", "ttl": TTL_S, "changetype": "REPLACE", "records": records}
        answer = pool.request("PATCH", url, body=json.dumps({"rrsets": [rrset]}), headers=headers)
        must_be(exact=answer.status == 204, what="PowerDNS took no change")

    return patch


def main() -> int:
    rounds = pairs.rounds(10)
    with scene(DOMAINS) as made:
        for domain in DOMAINS:
            made.add(domain, BEFORE)
        peer = "an UPDATE and a PATCH"
        return pairs.compare(
            [
                Pair(
                    "rollback at BIND and PowerDNS, seen (S8)",
                    lambda: ours(made, until_seen=True),
                    lambda: theirs(made),
                    peer,
                    target=5.0,
                    required=20.0,
                ),
                Pair("the same, all gates passed", lambda: ours(made, until_seen=False), lambda: theirs(made), peer),
            ],
            rounds,
        )


if __name__ == "__main__":
    raise SystemExit(main())

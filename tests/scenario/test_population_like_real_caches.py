"""Rule 2.2: the model's BIND, Unbound and PowerDNS Recursor move when the real ones do. One of the rare tests about time.

Tolerance: one TTL of the record, since whose copy is oldest at the switch is chance, and a second and a half of
scheduling and rounding.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import movecases
from cachemodel import limits_of, looks_of
from dnsrun.rehearse.cache import POPULATION
from movecases import MEASURED, QUICK, TTL_S, Case, Limits, Seen, seen
from servers import need_program
from servers.namespace import own_network

TOLERANCE_S = TTL_S + 1.5
KINDS = {"BIND": "bind", "Unbound": "unbound", "PowerDNS Recursor": "powerdns-recursor"}
TESTS = Path(movecases.__file__).parent
NEEDED = (
    ("named", "BIND", "bind9"),
    ("unbound", "Unbound", "unbound"),
    ("pdns_recursor", "PowerDNS Recursor", "pdns-recursor"),
    ("ip", "The tool for addresses", "iproute2"),
    ("unshare", "The tool for namespaces", "util-linux"),
)

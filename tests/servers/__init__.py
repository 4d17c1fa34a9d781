"""Real name servers on 127.0.0.1 for tests; see tests/README.md."""

from .bind import Bind
from .dovecot import Dovecot
from .knot import Knot
from .needs import find_program, is_ci, need_program
from .nginx import Nginx
from .ports import free_port
from .postfix import Postfix
from .powerdns import PowerDns
from .running import RunningServer
from .starter import Starter
from .unbound import Unbound
from .waiting import eventually
from .zones import Key, Primary, Secondary, Zone, root_zone, small_zone

__all__ = [
    "Bind",
    "Dovecot",
    "Key",
    "Knot",
    "Nginx",
    "Postfix",
    "PowerDns",
    "Primary",
    "RunningServer",
    "Secondary",
    "Starter",
    "Unbound",
    "Zone",
    "eventually",
    "find_program",
    "free_port",
    "is_ci",
    "need_program",
    "root_zone",
    "small_zone",
]

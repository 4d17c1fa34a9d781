#!/usr/bin/env bash
# Name the real servers that the tests miss, in one install line. Install them only where nobody
# is asked and nothing else runs: as root in a container, or with CI set.
set -eu

PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/opt/homebrew/bin"
POLICY=/usr/sbin/policy-rc.d

missing_packages() {
    command -v named >/dev/null && command -v rndc >/dev/null || echo bind9
    command -v dig >/dev/null || echo bind9-dnsutils
    command -v knotd >/dev/null && command -v knotc >/dev/null || echo knot
    command -v kdig >/dev/null || echo knot-dnsutils
    command -v pdns_server >/dev/null || echo pdns-server
    has_sqlite_schema || echo pdns-backend-sqlite3
    command -v unbound >/dev/null || echo unbound
    command -v pdns_recursor >/dev/null || echo pdns-recursor
    command -v postfix >/dev/null || echo postfix
    { command -v dovecot && [ -e /usr/lib/dovecot/imap-login ] && [ -e /usr/lib/dovecot/pop3-login ] &&
        [ -e /usr/lib/dovecot/lmtp ]; } >/dev/null || echo dovecot-imapd dovecot-pop3d dovecot-lmtpd
    command -v nginx >/dev/null || echo nginx-light
    command -v chromium >/dev/null || echo chromium
    command -v ip >/dev/null || echo iproute2
}

has_sqlite_schema() {
    for schema in /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql \
        /usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql \
        /usr/local/share/doc/pdns/schema.sqlite3.sql /opt/homebrew/share/doc/pdns/schema.sqlite3.sql; do
        [ ! -e "$schema" ] || return 0
    done
    return 1
}

in_container() {
    [ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -n "${container:-}" ] ||
        systemd-detect-virt --quiet --container 2>/dev/null
}

may_install() {
    command -v apt-get >/dev/null || return 1
    [ -n "${CI:-}" ] || { [ "$(id -u)" = 0 ] && in_container; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

forbid_daemons() {
    if [ -e "$POLICY" ]; then as_root mv "$POLICY" "$POLICY.before-dnsrun"; fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
}

allow_daemons() {
    as_root rm -f "$POLICY"
    if [ -e "$POLICY.before-dnsrun" ]; then as_root mv "$POLICY.before-dnsrun" "$POLICY"; fi
}

install() {
    trap allow_daemons EXIT
    forbid_daemons
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" >/dev/null
}

packages=$(missing_packages | tr '\n' ' ')
packages=${packages% }
[ -n "$packages" ] || exit 0
if command -v apt-get >/dev/null; then
    echo "missing for some tests: sudo apt-get install $packages"
else
    echo "missing for some tests (Debian's package names): $packages"
fi
if may_install; then
    # shellcheck disable=SC2086 # a list of package names
    install $packages
else
    echo "the tests that need them are skipped"
fi

#!/usr/bin/env bash
# Runs a command where the clock counts as synchronised: on a machine without time synchronisation (a container) taps
# would be held for a while before they are delivered, which is not what the caller tests.
#
#   synchronised.sh COMMAND...
#
# As root in a mount namespace of its own, so that nothing is left behind, neither of this nor of what the command mounts;
# where that is not possible the command runs as it is. FACETAP_TEST_ISOLATED tells it.

set -euo pipefail

# The root of a chroot is no mount and cannot be made private; its mounts seldom are shared.
propagation=private
mountpoint --quiet / || propagation=unchanged
isolated=(unshare --mount --propagation "$propagation")
if [[ $EUID -ne 0 ]] || ! "${isolated[@]}" true 2>/dev/null; then
    exec "$@"
fi
export FACETAP_TEST_ISOLATED=yes
if [[ -e /run/systemd/timesync/synchronized ]]; then
    exec "${isolated[@]}" "$@"
fi
mkdir -p /run/systemd
# shellcheck disable=SC2016  # The inner shell expands.
exec "${isolated[@]}" bash -euc '
    mount -t tmpfs facetap-test /run/systemd
    mkdir /run/systemd/timesync
    : >/run/systemd/timesync/synchronized
    exec "$@"' bash "$@"

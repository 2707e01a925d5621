#!/bin/bash
# Operations in parts, of every mechanism that the members have, while the member that has one fails at a random part.
. "$(dirname "$0")/../clients/world.sh"
VENDOR=${1:-softhsm}
world_up --chaos --vendor "$VENDOR"
sed -i "s/^call-timeout.*/&\nreplay-limit = 8MiB/" rig/p11ha.conf
export CLIENT_PIN=$PIN

parts() {
    "$HELPERS/parts" "$MODULE" rig rig/hsm-1.chaos rig/hsm-2.chaos rig/hsm-3.chaos
}

echo "# hashed here, signed there"
parts || tap_not_ok "ends well"
sed -i "s/^replay-limit.*/&\nlocal-digest = no/" rig/p11ha.conf
echo "# hashed on members"
parts || tap_not_ok "ends well"
tap_end

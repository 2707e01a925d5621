#!/bin/bash
# The same cases on a bare SoftHSM token and on a group of three.
. "$(dirname "$0")/compare.sh"
tap_need softhsm2-util
need "makes a token" softhsm_home "$WORLD/bare"
need "makes a rig" "$RIG" up "$WORLD/rig"

SOFTHSM2_CONF=$WORLD/bare/softhsm2.conf record_bare "$WORLD/bare.txt" "$SOFTHSM" rig
P11HA_CONF=$WORLD/rig/p11ha.conf record "$WORLD/ours.txt" "$MODULE" rig
compare softhsm "$WORLD/bare.txt" "$WORLD/ours.txt"
tap_end

#!/bin/bash
# chaos.so without rules changes nothing: tests that use it see what the token says.
. "$(dirname "$0")/compare.sh"
tap_need softhsm2-util
need "makes a token" softhsm_home "$WORLD/bare"
need "makes another" softhsm_home "$WORLD/behind"

SOFTHSM2_CONF=$WORLD/bare/softhsm2.conf record_bare "$WORLD/bare.txt" "$SOFTHSM" rig
: >"$WORLD/rules"
export CHAOS_MODULE=$SOFTHSM CHAOS_CONTROL=$WORLD/rules
SOFTHSM2_CONF=$WORLD/behind/softhsm2.conf record_bare "$WORLD/chaos.txt" "$P11HA_BUILD/chaos.so" rig
compare chaos "$WORLD/bare.txt" "$WORLD/chaos.txt"
tap_end

#!/bin/bash
# The same with NSS softokn, which has more mechanisms, and others.
exec "$(dirname "$0")/parts.sh" nss

#!/bin/bash
# Processes and modules: programs that fork at work, load and unload, and have p11ha twice or beside a member's own module.
. "$(dirname "$0")/columns.sh"
columns_up
export CLIENT_PIN=$PIN

prepare() {
    make_pair 01 signer EC:prime256v1 --usage-sign
    cp "$MODULE" copy.so
    [ "$COLUMN" = bare ] || same_everywhere
}

forks() {
    "$HELPERS/forks" "$MODULE" rig signer 6 "$1" >forks.out
    cat forks.out
    [ "$(grep -c "signed $1" forks.out)" = 4 ]
    [ "$(grep -c 'another program' forks.out)" = 3 ]
}

loads_again() {
    "$HELPERS/copies" signer 3 "$MODULE" rig
}

twice() {
    "$HELPERS/copies" signer 2 "$MODULE" rig "$PWD/copy.so" rig
}

# The application uses a member's token by its vendor's module itself.
beside_member() {
    SOFTHSM2_CONF=$RIG_DIR/hsm-1/softhsm2.conf "$HELPERS/copies" signer 2 "$MODULE" rig "$SOFTHSM" hsm-1
}

# p11-kit's proxy has p11ha too, and p11-kit counts who has initialised it.
beside_proxy() {
    mkdir -p kit/modules none
    echo 'user-config: none' >kit/pkcs11.conf
    echo "module: $MODULE" >kit/modules/p11ha.module
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m sh -c 'mkdir -p /etc/pkcs11 && mount --bind "$1" /etc/pkcs11 && mount --bind "$2" /usr/share/p11-kit/modules && shift 2 && exec "$@"' \
        - "$PWD/kit" "$PWD/none" "$HELPERS/copies" signer 2 "$(pkg-config --variable=proxy_module p11-kit-1)" rig "$PWD/copy.so" rig
}

story() {
    column_steady "a key" prepare
    column_case "loads, signs, unloads, three times" loads_again
    column_case "two copies of the file at once" twice
    # A child of an application that has SoftHSM cannot initialise it: it counts as initialised.
    [ "$COLUMN" != bare ] || return 0
    column_case "forks while it signs; children initialise or exec" forks 20
    column_case "beside a member's own module on its token" beside_member
    column_case "p11-kit's proxy and a copy at once" beside_proxy
}
columns_each story
tap_end

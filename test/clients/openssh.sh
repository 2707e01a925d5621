#!/bin/bash
# OpenSSH: ssh-keygen -D, ssh with PKCS11Provider and ssh-agent, against an sshd of its own.
. "$(dirname "$0")/columns.sh"
tap_need ssh ssh-keygen ssh-agent ssh-add /usr/sbin/sshd
columns_up

# ssh asks this for a PIN.
printf '#!/bin/sh\necho %s\n' "$PIN" >"$WORLD/askpass"
chmod 0700 "$WORLD/askpass"
export SSH_ASKPASS=$WORLD/askpass SSH_ASKPASS_REQUIRE=force DISPLAY=none

# sshd looks for its folder of privilege separation even where it uses none. The keys' certificates are not needed.
prepare() {
    [ -d /run/sshd ] || mkdir -m 0755 /run/sshd
    make_pair 81 ssh-rsa rsa:2048 --usage-sign
    make_pair 82 ssh-ec EC:prime256v1 --usage-sign
    ssh-keygen -q -t ed25519 -N '' -f host
    printf 'ListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nAuthorizedKeysFile %s/allowed\n' \
        "$PWD" "$PWD" >sshd_config
    ssh-keygen -D "$MODULE" >allowed
    [ "$(wc -l <allowed)" = 2 ]
    grep '^ssh-rsa' allowed >rsa.pub
    grep '^ecdsa' allowed >ec.pub
    public_key 81 rsa.pem
    cmp <(ssh-keygen -e -m PKCS8 -f rsa.pub) rsa.pem
}

lists() {
    ssh-keygen -D "$MODULE" >listed
    cmp <(cut -d' ' -f1,2 allowed | sort) <(cut -d' ' -f1,2 listed | sort)
}

sshd_starts() {
    PORT=$(free_port)
    env -u P11HA_CONF /usr/sbin/sshd -D -e -f sshd_config -p "$PORT" 2>sshd.err &
    SSHD=$!
    process_keep $SSHD
    until_true 10 grep -q 'Server listening' sshd.err
}

ssh_with() {
    local said
    said=$(ssh -F none -p "$PORT" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o PreferredAuthentications=publickey "$@" root@127.0.0.1 'echo came in') &&
        [ "$said" = 'came in' ]
}

enters() {
    sshd_starts
    ssh_with -o PKCS11Provider="$MODULE" -o IdentityAgent=none
    ssh_with -o PKCS11Provider="$MODULE" -o IdentityAgent=none -o IdentitiesOnly=yes -i rsa.pub
    server_ends $SSHD
}

agent_enters() {
    sshd_starts
    rm -f agent
    ssh-agent -D -P "$MODULE,$(readlink -f "$MODULE")" -a agent >agent.out 2>&1 &
    local agent=$! name
    process_keep $agent
    until_true 10 test -S agent
    export SSH_AUTH_SOCK=$PWD/agent
    ssh-add -s "$MODULE"
    [ "$(ssh-add -L | wc -l)" = 2 ]
    for name in rsa ec; do ssh_with -o IdentitiesOnly=yes -i $name.pub; done
    members_fail
    works_for 3 4 ssh_with -o IdentitiesOnly=yes -i rsa.pub
    works_for 3 0 ssh_with -o IdentitiesOnly=yes -i ec.pub
    ssh-add -T rsa.pub
    ssh-add -e "$MODULE"
    server_ends $agent
    server_ends $SSHD
}

# The token as a CA of ssh, which certifies a plain key.
certifies() {
    rm -f user user.pub user-cert.pub
    ssh-keygen -q -t ed25519 -N '' -f user
    ssh-keygen -s rsa.pub -D "$MODULE" -t rsa-sha2-256 -I rig -n root -V +1d user.pub
    ssh-keygen -L -f user-cert.pub | grep "Signing CA: RSA $(ssh-keygen -l -f rsa.pub | cut -d' ' -f2)"
    ssh-keygen -L -f user-cert.pub | grep 'root$'
}

story() {
    column_steady "keys and a host" prepare
    column_case "ssh-keygen -D lists the keys" lists
    column_case "ssh enters with PKCS11Provider" enters
    column_served "ssh-agent serves the token's keys" agent_enters
    column_case "ssh-keygen certifies with the token" certifies
}
columns_each story
tap_end

#!/bin/bash
# Python's PyKCS11, osslsigncode and strongSwan's pki: each signs with the token's keys.
. "$(dirname "$0")/columns.sh"
tap_need /usr/bin/python3 osslsigncode pki
columns_up

prepare() {
    make_ca
    make_certified 01 code rsa:2048
    make_certified 02 code-ec EC:prime256v1
    printf 'signed by others' >text
}

python_works() {
    rm -f sig.*
    CLIENT_PIN=$PIN /usr/bin/python3 "$P11HA_SOURCE/test/clients/works.py" "$MODULE" text
    plain_openssl dgst -sha256 -verify code.pem -signature sig.rsa text
    plain_openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify code.pem -signature sig.pss text
    plain_openssl dgst -sha256 -verify made.pem -signature sig.made text
}

# The smallest Portable Executable that has room for a signature.
make_program() {
    /usr/bin/python3 - "$1" <<'END'
import struct, sys
dos = b'MZ' + bytes(58) + struct.pack('<I', 64)
coff = struct.pack('<HHIIIHH', 0x14c, 1, 0, 0, 0, 0xe0, 0x102)
optional = struct.pack('<HBBIIIIII', 0x10b, 1, 0, 512, 0, 0, 0x1000, 0x1000, 0x2000)
optional += struct.pack('<IIIHHHHHHIIIIHHIIIIII', 0x400000, 0x1000, 512, 4, 0, 0, 0, 4, 0, 0, 0x2000, 512, 0, 3, 0, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
optional += bytes(16 * 8)
section = b'.text\0\0\0' + struct.pack('<IIIIIIHHI', 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
head = dos + b'PE\0\0' + coff + optional + section
open(sys.argv[1], 'wb').write(head.ljust(512, b'\0') + b'\xc3'.ljust(512, b'\0'))
END
}

signs_code() {
    make_program program.exe
    rm -f signed.exe
    osslsigncode sign -pkcs11engine /usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so -pkcs11module "$MODULE" -certs code.crt \
        -key "$(key_uri code)" -h sha256 -in program.exe -out signed.exe
    env -u OPENSSL_CONF -u P11HA_CONF osslsigncode verify -CAfile ca.crt -in signed.exe >verified 2>&1 || true
    grep -E 'Signature verification: ok|^Succeeded' verified || {
        cat verified
        return 1
    }
}

story() {
    column_steady "keys and certificates" prepare
    column_case "PyKCS11 makes, finds, signs, encrypts and destroys" python_works
    column_case "osslsigncode signs a program" signs_code
}
columns_each story
tap_end

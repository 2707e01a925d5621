#!/bin/bash
# pkcs11-tool: its own tests, keys of each kind, and many threads.
. "$(dirname "$0")/columns.sh"
columns_up

prepare() {
    printf 'what is signed, of some length' >text
    openssl dgst -sha256 -binary -out digest text
    openssl rand -out secret 32
    openssl rand -out given.dat 3000
    openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=given -days 2 -outform DER -out given.der
}

makes() {
    make_pair 01 rsa rsa:2048 --usage-sign --usage-decrypt
    make_pair 02 ec EC:prime256v1 --usage-sign
    p11 --keygen --key-type AES:32 --id 03 --label aes
    public_key 01 rsa.pem
    public_key 02 ec.pem
}

signs() {
    p11 --sign --id 01 --mechanism SHA256-RSA-PKCS --input-file text --output-file sig
    openssl dgst -sha256 -verify rsa.pem -signature sig text
    p11 --sign --id 01 --mechanism RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA256 --input-file digest --output-file sig
    openssl pkeyutl -verify -pubin -inkey rsa.pem -in digest -sigfile sig -pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss
    p11 --sign --id 02 --mechanism ECDSA --signature-format openssl --input-file digest --output-file sig
    openssl dgst -sha256 -verify ec.pem -signature sig text
}

decrypts() {
    openssl pkeyutl -encrypt -pubin -inkey rsa.pem -in secret -out sealed -pkeyopt rsa_padding_mode:oaep
    p11 --decrypt --id 01 --mechanism RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --input-file sealed --output-file opened
    cmp secret opened
}

encrypts() {
    p11 --encrypt --id 03 --mechanism AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f --input-file given.dat --output-file sealed
    p11 --decrypt --id 03 --mechanism AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f --input-file sealed --output-file opened
    cmp given.dat opened
}

keeps() {
    p11 --write-object given.der --type cert --id 04 --label given
    p11 --write-object given.dat --type data --label blob
    p11 --read-object --type cert --id 04 --output-file read.der
    cmp given.der read.der
    p11 --read-object --type data --label blob --output-file read.dat
    cmp given.dat read.dat
    p11 --delete-object --type cert --id 04
    fails has rig given
}

# pkcs11-tool leaves what a key may not do to the token, which lets it do all.
sign_only_pair() {
    /usr/bin/python3 - "$MODULE" "$PIN" <<'END'
import sys
from PyKCS11 import *
lib = PyKCS11Lib()
lib.load(sys.argv[1])
slot = [s for s in lib.getSlotList(tokenPresent=True) if lib.getTokenInfo(s).label.strip() == 'rig'][0]
session = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
session.login(sys.argv[2])
open_half = [(CKA_TOKEN, CK_TRUE), (CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)), (CKA_VERIFY, CK_TRUE),
             (CKA_ID, (1,)), (CKA_LABEL, 'rsa')]
closed_half = [(CKA_TOKEN, CK_TRUE), (CKA_PRIVATE, CK_TRUE), (CKA_SIGN, CK_TRUE), (CKA_DECRYPT, CK_FALSE),
               (CKA_UNWRAP, CK_FALSE), (CKA_ID, (1,)), (CKA_LABEL, 'rsa')]
session.generateKeyPair(open_half, closed_half)
session.logout()
END
}

says_well() {
    "$@" >said.out 2>&1 || {
        cat said.out
        return 1
    }
}

# With a key that only signs, while there is no other: it tries OAEP with a label, which SoftHSM lacks.
tests_itself() {
    sign_only_pair
    says_well p11 --test
    grep '^No errors' said.out
    p11 --delete-object --type privkey --id 01
    p11 --delete-object --type pubkey --id 01
}

# It signs with ECDSA-SHA1, which SoftHSM lacks and the group has of a hash made here. The pair that it is told to make
# gets it a session to write in.
tests_ec() {
    says_well p11 --keypairgen --key-type EC:prime256v1 --id 05 --test-ec
    grep 'OK' said.out
}

# Two letters a step: GI and SL ask for the module and its slots, T0 for a token.
tests_threads() {
    says_well p11 --list-objects --test-threads GISLT0 --test-threads GISLT0 --test-threads SLGIT0
    [ "$(grep -c 'returning rv = 0' said.out)" = 3 ]
}

# IL initialises: four threads at once, where SoftHSM itself falls.
tests_initialising() {
    says_well p11 --list-objects --test-threads ILGISLT0 --test-threads ILGISLT0 --test-threads INGISLT0
    [ "$(grep -c 'returning rv = 0' said.out)" = 3 ]
}

story() {
    column_steady "files" prepare
    column_case "--test" tests_itself
    column_case "makes RSA, P-256 and AES keys" makes
    column_case "signs; OpenSSL agrees" signs
    column_case "decrypts what OpenSSL encrypted" decrypts
    column_case "encrypts and decrypts with AES" encrypts
    column_case "writes, reads and deletes" keeps
    column_case "--test-threads" tests_threads
    [ "$COLUMN" != bare ] || return 0
    column_case "--test-ec" tests_ec
    column_case "--test-threads, each initialises" tests_initialising
}
columns_each story
tap_end

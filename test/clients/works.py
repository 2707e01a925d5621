"""works.py MODULE FILE: what Python programs do with PyKCS11, on the token `rig`.

Signs FILE with the key `code` (sig.rsa, sig.pss) and with a pair that it makes (sig.made, made.pem); encrypts and
decrypts; reads and changes attributes; takes away what it made.
"""
import base64
import os
import sys

from PyKCS11 import *  # its constants have no other name

lib = PyKCS11Lib()
lib.load(sys.argv[1])
text = open(sys.argv[2], 'rb').read()
slot = [s for s in lib.getSlotList(tokenPresent=True) if lib.getTokenInfo(s).label.strip() == 'rig'][0]
assert CKM_RSA_PKCS in [CKM[name] for name in lib.getMechanismList(slot)]
session = lib.openSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION)
session.login(os.environ['CLIENT_PIN'])


def find(kind, label):
    return session.findObjects([(CKA_CLASS, kind), (CKA_LABEL, label)])


def write(name, data):
    with open(name, 'wb') as out:
        out.write(bytes(data))


code = find(CKO_PRIVATE_KEY, 'code')[0]
write('sig.rsa', session.sign(code, text, Mechanism(CKM_SHA256_RSA_PKCS, None)))
write('sig.pss', session.sign(code, text, RSA_PSS_Mechanism(CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32)))

both = [(CKA_TOKEN, CK_TRUE), (CKA_LABEL, 'made'), (CKA_ID, (0x77,))]
public, private = session.generateKeyPair(
    both + [(CKA_MODULUS_BITS, 2048), (CKA_PUBLIC_EXPONENT, (1, 0, 1)), (CKA_VERIFY, CK_TRUE)],
    both + [(CKA_PRIVATE, CK_TRUE), (CKA_SENSITIVE, CK_TRUE), (CKA_SIGN, CK_TRUE)])
signature = session.sign(private, text, Mechanism(CKM_SHA256_RSA_PKCS, None))
assert session.verify(public, text, signature, Mechanism(CKM_SHA256_RSA_PKCS, None))
assert not session.verify(public, text + b'.', signature, Mechanism(CKM_SHA256_RSA_PKCS, None))
write('sig.made', signature)


def der(tag, body):
    size = len(body)
    head = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
    return bytes([tag]) + head + body


modulus, exponent = (bytes(part) for part in session.getAttributeValue(public, [CKA_MODULUS, CKA_PUBLIC_EXPONENT]))
key = der(0x30, der(0x02, b'\0' + modulus) + der(0x02, exponent))
info = der(0x30, bytes.fromhex('300d06092a864886f70d0101010500') + der(0x03, b'\0' + key))
write('made.pem', b'-----BEGIN PUBLIC KEY-----\n' + base64.encodebytes(info) + b'-----END PUBLIC KEY-----\n')

aes = session.generateKey([(CKA_CLASS, CKO_SECRET_KEY), (CKA_KEY_TYPE, CKK_AES), (CKA_VALUE_LEN, 32), (CKA_TOKEN, CK_FALSE),
                           (CKA_ENCRYPT, CK_TRUE), (CKA_DECRYPT, CK_TRUE)])
sealed = session.encrypt(aes, text, Mechanism(CKM_AES_CBC_PAD, bytes(16)))
assert bytes(session.decrypt(aes, sealed, Mechanism(CKM_AES_CBC_PAD, bytes(16)))) == text != bytes(sealed)

session.setAttributeValue(private, [(CKA_LABEL, 'renamed')])
assert len(find(CKO_PRIVATE_KEY, 'renamed')) == 1 and not find(CKO_PRIVATE_KEY, 'made')
assert len(session.generateRandom(40)) == 40
session.destroyObject(private)
session.destroyObject(public)
assert not find(CKO_PRIVATE_KEY, 'renamed') and not find(CKO_PUBLIC_KEY, 'made')
session.logout()
session.closeSession()

/* The objects that bench makes on a token. Each is added to target->made. CKR_OK or the token's answer. */
#ifndef TOOL_BENCH_KEYS_H
#define TOOL_BENCH_KEYS_H

#include "tool/bench_ops.h"

#define BENCH_LABEL_MAX 80

/* target->key, ->public and ->peer, by the row's curve or bits. */
MUST_USE CK_RV bench_keys_ec(struct bench_target *target);
MUST_USE CK_RV bench_keys_rsa(struct bench_target *target, bool sign);
/* target->key: a known value imported, or one of the token's own when it refuses imports. */
MUST_USE CK_RV bench_keys_aes(struct bench_target *target);
MUST_USE CK_RV bench_keys_hmac(struct bench_target *target);
/* target->objects small objects with the labels of bench_keys_label. */
MUST_USE CK_RV bench_keys_crowd(struct bench_target *target);
void bench_keys_label(const struct bench_target *target, unsigned long number, char text[BENCH_LABEL_MAX]);

/* Session objects, not in target->made. */
MUST_USE CK_RV bench_keys_session_aes(const struct bench_target *target, CK_SESSION_HANDLE session,
                                      CK_OBJECT_HANDLE *ret);
MUST_USE CK_RV bench_keys_session_ec(const struct bench_target *target, CK_SESSION_HANDLE session,
                                     CK_OBJECT_HANDLE *ret_private, CK_OBJECT_HANDLE *ret_public);
/* The public key as OpenSSL has it (EVP_PKEY_free); CKR_GENERAL_ERROR if what the token says is no key. */
MUST_USE CK_RV bench_keys_ec_peer(const struct bench_target *target, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE public, EVP_PKEY **ret);

#endif

#include "session/local.h"

#include <string.h>

#include "base/secret.h"
#include "session/parts.h"
#include "session/single.h"

#define DIGEST_INFO_MAX 32

static bool key_allows(const struct operation *op, CK_MECHANISM_TYPE raw)
{
    if (!op->facts.restricted)
        return true;
    AUTO(attrs_free) struct attrs attrs = {0};
    if (catalog_attrs(op->token->group->catalog, op->key, &attrs) != CKR_OK)
        return false;
    const CK_ATTRIBUTE *allowed = attrs_get(&attrs, CKA_ALLOWED_MECHANISMS);
    for (CK_ULONG at = 0; allowed && at + sizeof(raw) <= allowed->ulValueLen; at += sizeof(raw))
        if (memcmp((const uint8_t *)allowed->pValue + at, &raw, sizeof(raw)) == 0)
            return true;
    return false;
}

/* Would the raw mechanism mean the same, with what can be made here? */
static bool raw_is_fit(const struct operation *op, const struct mech_info *info)
{
    CK_RSA_PKCS_PSS_PARAMS pss;
    size_t prefix;
    switch (info->raw) {
    case CKM_RSA_PKCS:
        return !op->mech.pParameter && mech_digest_info(info->digest, &prefix);
    case CKM_RSA_PKCS_PSS:
        if (!op->mech.pParameter || op->mech.ulParameterLen != sizeof(pss))
            return false;
        memcpy(&pss, op->mech.pParameter, sizeof(pss));
        return pss.hashAlg == info->digest;
    case CKM_ECDSA:
        return op->facts.length.order_bits != 0;
    default:
        return false;
    }
}

static bool splits(const struct operation *op, const struct mech_info *info)
{
    if (!info || info->raw == CK_UNAVAILABLE_INFORMATION || (op->kind != OP_SIGN && op->kind != OP_VERIFY))
        return false;
    /* That members offer the raw one is enough: with it ECDSA_SHA256 works where a token knows only ECDSA. */
    return digests_get(op->token->digests, info->digest) && raw_is_fit(op, info) &&
           group_offers(op->token->group, info->raw, 0) && key_allows(op, info->raw);
}

static bool is_local_digest(const struct operation *op)
{
    return op->kind == OP_DIGEST && !op->mech.pParameter &&
           digests_get(op->token->digests, op->mech.mechanism);
}

CK_RV local_plan(struct operation *op)
{
    const struct mech_info *info = mech_lookup(op->mech.mechanism);
    op->engine = ENGINE_MEMBER;
    if (!op->token->config->local_digest)
        return CKR_OK;
    if (is_local_digest(op)) {
        op->engine = ENGINE_LOCAL;
        op->md = digests_get(op->token->digests, op->mech.mechanism);
    } else if (splits(op, info)) {
        op->engine = ENGINE_SPLIT;
        op->md = digests_get(op->token->digests, info->digest);
        op->there.mechanism = info->raw;
    }
    return CKR_OK;
}

CK_RV local_feed(struct operation *op, const uint8_t *in, size_t len)
{
    if (!op->hash)
        op->hash = EVP_MD_CTX_new();
    if (!op->hash)
        return CKR_HOST_MEMORY;
    if (op->phase == PHASE_READY && EVP_DigestInit_ex2(op->hash, op->md, NULL) != 1)
        return CKR_HOST_MEMORY;
    return len == 0 || EVP_DigestUpdate(op->hash, in, len) == 1 ? CKR_OK : CKR_HOST_MEMORY;
}

/* A digest's input is kept too: for its state (C_GetOperationState), and for a key that only a member can
 * feed. */
static CK_RV feed(struct operation *op, const struct op_io *io)
{
    CK_RV rv = local_feed(op, io->in, io->in_len);
    if (rv == CKR_OK && op->engine == ENGINE_LOCAL)
        parts_keep(op, io->in, io->in_len);
    return rv;
}

/* The digest of what was fed, or of the input of a single-part operation, into op->digest. */
static CK_RV finish(struct operation *op, enum op_event event, const struct op_io *io)
{
    if (event == EVENT_FINAL && op->hashed)
        return CKR_OK;
    bool fed = event == EVENT_FINAL && op->phase == PHASE_PARTS;
    size_t len = event == EVENT_FINAL ? 0 : io->in_len;
    int done = fed ? EVP_DigestFinal_ex(op->hash, op->digest, &op->digest_len)
                   : EVP_Digest(io->in, len, op->digest, &op->digest_len, op->md, NULL);
    op->hashed = done == 1 && event == EVENT_FINAL;
    return done == 1 ? CKR_OK : CKR_HOST_MEMORY;
}

/* What CKM_RSA_PKCS, CKM_RSA_PKCS_PSS or CKM_ECDSA is given for a digest. */
static size_t raw_input(const struct operation *op, uint8_t raw[DIGEST_INFO_MAX + EVP_MAX_MD_SIZE])
{
    size_t prefix = 0, len = op->digest_len;
    if (op->there.mechanism == CKM_RSA_PKCS) {
        const uint8_t *info = mech_digest_info(mech_lookup(op->mech.mechanism)->digest, &prefix);
        memcpy(raw, info, prefix);
    }
    /* Not every member cuts a digest that is longer than the order. */
    if (op->there.mechanism == CKM_ECDSA)
        len = size_min(len, (op->facts.length.order_bits + 7) / 8);
    memcpy(raw + prefix, op->digest, len);
    return prefix + len;
}

static CK_RV finish_there(struct operation *op, enum op_event event, const struct op_io *io)
{
    CK_RV rv;
    if (single_answers(op, io, &rv))
        return rv;
    rv = finish(op, event, io);
    if (rv != CKR_OK)
        return rv;
    uint8_t raw[DIGEST_INFO_MAX + EVP_MAX_MD_SIZE];
    struct op_io there = *io;
    there.in = raw;
    there.in_len = raw_input(op, raw);
    return single_run(op, EVENT_ONE_SHOT, &there);
}

static CK_RV finish_here(struct operation *op, enum op_event event, const struct op_io *io)
{
    CK_RV rv;
    if (single_answers(op, io, &rv))
        return rv;
    rv = finish(op, event, io);
    if (rv != CKR_OK)
        return rv;
    memcpy(io->out, op->digest, op->digest_len);
    *io->out_len = op->digest_len;
    return CKR_OK;
}

CK_RV local_step(struct operation *op, enum op_event event, const struct op_io *io)
{
    if (event == EVENT_UPDATE)
        return feed(op, io);
    return op->engine == ENGINE_LOCAL ? finish_here(op, event, io) : finish_there(op, event, io);
}

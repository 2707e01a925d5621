#include "session/digests.h"

#include <openssl/crypto.h>
#include <openssl/provider.h>

#include "base/mem.h"

struct digests {
    OSSL_LIB_CTX *library;
    OSSL_PROVIDER *provider;
    EVP_MD *md[MECH_LOCAL_DIGESTS]; /* NULL: not there */
};

struct digests *digests_new(void)
{
    struct digests *digests = mem_new(1, sizeof(*digests));
    if (!digests)
        return NULL;
    digests->library = OSSL_LIB_CTX_new();
    digests->provider = digests->library ? OSSL_PROVIDER_load(digests->library, "default") : NULL;
    if (!digests->provider) {
        digests_free(digests);
        return NULL;
    }
    for (size_t i = 0; i < MECH_LOCAL_DIGESTS; i++)
        digests->md[i] = EVP_MD_fetch(digests->library, mech_digest_name(mech_local_digests[i]), NULL);
    return digests;
}

void digests_free(struct digests *digests)
{
    if (!digests)
        return;
    for (size_t i = 0; i < MECH_LOCAL_DIGESTS; i++)
        EVP_MD_free(digests->md[i]);
    if (digests->provider)
        OSSL_PROVIDER_unload(digests->provider);
    OSSL_LIB_CTX_free(digests->library);
    mem_free(digests);
}

const EVP_MD *digests_get(const struct digests *digests, CK_MECHANISM_TYPE type)
{
    for (size_t i = 0; digests && i < MECH_LOCAL_DIGESTS; i++)
        if (mech_local_digests[i] == type)
            return digests->md[i];
    return NULL;
}

/* Needs -I/usr/include/nss -I/usr/include/nspr (pkg-config nss). */
#include "headers.h"

#include <pkcs11.h>

const struct header_fact nss_facts[] = {
#include "headers_nss.def"
};
const size_t nss_count = sizeof(nss_facts) / sizeof(nss_facts[0]);

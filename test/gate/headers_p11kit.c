/* Needs -I/usr/include/p11-kit-1 (pkg-config p11-kit-1). */
#include "headers.h"

#include <p11-kit/pkcs11.h>

const struct header_fact p11kit_facts[] = {
#include "headers_p11kit.def"
};
const size_t p11kit_count = sizeof(p11kit_facts) / sizeof(p11kit_facts[0]);

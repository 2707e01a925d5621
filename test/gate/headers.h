/*
 * Facts of a foreign PKCS#11 header, to be compared with ours (test_headers.c). No two such headers can be
 * included together, so each has a file that turns it into a table.
 */
#ifndef GATE_HEADERS_H
#define GATE_HEADERS_H

#include <stddef.h>

struct header_fact {
    const char *what;    /* "CKM_AES_GCM", "sizeof CK_INFO", "CK_INFO.flags" */
    unsigned long value; /* the constant, the size, or the field's offset */
    unsigned long size;  /* the field's size, else 0 */
};

/* What the rows of a headers_*.def become. */
#define CONST(name)         {#name, (unsigned long)(name), 0},
#define SIZE(type)          {"sizeof " #type, sizeof(type), 0},
#define FIELD(type, member) {#type "." #member, offsetof(type, member), sizeof(((type *)NULL)->member)},

extern const struct header_fact p11kit_facts[];
extern const size_t p11kit_count;
extern const struct header_fact nss_facts[];
extern const size_t nss_count;

#endif

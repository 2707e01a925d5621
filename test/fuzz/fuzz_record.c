/* Vault records: what is not one is refused; what is one is encoded to the same again. */
#include "base/mem.h"
#include "test/fuzz/bytes.h"
#include "vault/record.h"

static void encode_again(const struct record *record, const struct buf *first)
{
    AUTO(record_end) struct record again = {0};
    AUTO(buf_free) struct buf second = {0};
    if (!record_decode(&again, first->data, first->len))
        abort();
    record_encode(&again, &second);
    if (second.failed || second.len != first->len || memcmp(second.data, first->data, first->len) != 0)
        abort();
    uint8_t group[UUID_LEN] = {1}, one[32], two[32];
    if (record_digest(record, group, one) != 0 || record_digest(&again, group, two) != 0)
        abort();
    if (memcmp(one, two, sizeof(one)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(record_end) struct record record = {0};
    AUTO(record_end) struct record copy = {0};
    AUTO(buf_free) struct buf encoded = {0};
    if (!record_decode(&record, data, size))
        return 0;
    record_encode(&record, &encoded);
    if (encoded.failed)
        abort();
    encode_again(&record, &encoded);
    if (record_copy(&copy, &record) != 0)
        abort();
    encode_again(&copy, &encoded);
    return 0;
}

/* Random numbers, from whichever member. */
#include <string.h>

#include "base/clock.h"
#include "entry/enter.h"
#include "router/route.h"

#define CHUNK ((CK_ULONG)64 << 10)

static CK_RV run(struct token *token, struct frame **frame)
{
    struct route route;
    route_init(&route, *frame, WORK_RANDOM, clock_after(token->config->call_timeout));
    CK_RV rv = route_run(token->group, &route);
    *frame = route.frame;
    return rv;
}

static CK_RV generate(struct token *token, CK_BYTE *into, CK_ULONG len)
{
    while (len > 0) {
        CK_ULONG part = len < CHUNK ? len : CHUNK;
        AUTO(frame_unref) struct frame *frame = frame_new(VERB_RANDOM, 0, part);
        if (!frame)
            return CKR_HOST_MEMORY;
        CK_RV rv = run(token, &frame);
        if (rv != CKR_OK)
            return rv;
        memcpy(into, frame->out, part);
        into += part;
        len -= part;
    }
    return CKR_OK;
}

static CK_RV seed(struct token *token, const CK_BYTE *data, CK_ULONG len)
{
    AUTO(frame_unref) struct frame *frame = frame_new(VERB_SEED_RANDOM, frame_room(len), 0);
    if (!frame)
        return CKR_HOST_MEMORY;
    frame_set_in(frame, 0, data, len);
    return run(token, &frame);
}

CK_RV entry_C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_GenerateRandom, session);
    entry.trace.out = len;
    if (rv == CKR_OK && !data && len)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK)
        rv = generate(entry.session->token, data, len);
    return entry_end(&entry, rv);
}

CK_RV entry_C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len)
{
    struct entry entry;
    CK_RV rv = entry_take(&entry, CALL_SeedRandom, session);
    entry.trace.in = len;
    if (rv == CKR_OK && !data && len)
        rv = CKR_ARGUMENTS_BAD;
    if (rv == CKR_OK && len)
        rv = seed(entry.session->token, data, len);
    return entry_end(&entry, rv);
}

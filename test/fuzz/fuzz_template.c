/* Attribute templates, from the application to a member and into the vault. */
#include "base/mem.h"
#include "call/frame.h"
#include "replica/template.h"
#include "test/fuzz/make.h"

static void to_vault_and_back(const struct attrs *attrs)
{
    AUTO(buf_free) struct buf encoded = {0};
    AUTO(attrs_free) struct attrs again = {0};
    attrs_encode(attrs, &encoded);
    if (encoded.failed || !attrs_decode(&again, encoded.data, encoded.len) || !attrs_equal(attrs, &again))
        abort();
}

static void clone(struct frame *frame)
{
    AUTO(frame_unref) struct frame *again = frame_clone(frame, 0);
    if (again && again->templ_count[0] != frame->templ_count[0])
        abort();
    frame_unref(frame);
}

/* As the application gives it; as it is kept. */
static void to_member(const CK_ATTRIBUTE *templ, CK_ULONG count, const struct attrs *attrs)
{
    struct frame *frame = frame_new(VERB_CREATE, frame_room_templ(templ, count), 0);
    if (frame) {
        frame_set_templ(frame, 0, templ, count);
        clone(frame);
    }
    frame = frame_new(VERB_CREATE, frame_room_attrs(attrs), 0);
    if (frame) {
        frame_set_attrs(frame, 0, attrs);
        clone(frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {.data = data, .len = size};
    CK_ULONG count = 0, others = 0;
    CK_ATTRIBUTE *templ = make_template(&in, &count), *other = make_template(&in, &others);
    AUTO(attrs_free) struct attrs attrs = {0};
    AUTO(attrs_free) struct attrs asked = {0};
    if (attrs_merge(&attrs, templ, count) == CKR_OK) {
        if (!attrs_match(&attrs, templ, count))
            abort();
        struct template out;
        to_vault_and_back(&attrs);
        to_member(templ, count, &attrs);
        template_session(&attrs, true, false, &out);
        template_session(&attrs, false, true, &out);
        template_publish(&attrs, &out);
        if (template_logical(templ, count, true, true, &attrs) == CKR_OK)
            to_vault_and_back(&attrs);
        if (attrs_merge(&asked, other, others) == CKR_OK)
            template_changes(&attrs, &asked, &out);
        (void)attrs_match(&attrs, other, others);
    }
    attrs_free(&asked);
    if (template_tryout(other, others, true, &asked) == CKR_OK)
        to_member(other, others, &asked);
    bytes_release(&in);
    return 0;
}

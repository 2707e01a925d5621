#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "call/frame.h"

static const CK_MECHANISM_TYPE known[] = {
#define MECH(name, shape, flags)               CKM_##name,
#define SPLIT(name, shape, digest, raw, flags) CKM_##name,
#define OTHER(value, name, shape, flags)       value,
#include "call/mechs.def"
};

static uint32_t seed = 1;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % sides;
}

/* What a random call points to: blocks of their exact size, so that a read beyond them is seen by ASan. */
static void *blocks[4096];
static size_t block_count;

static void *block(size_t len)
{
    assert_true(block_count < ARRAY_LEN(blocks));
    uint8_t *p = mem_new(len ? len : 1, 1);
    assert_non_null(p);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)dice(256);
    blocks[block_count++] = p;
    return p;
}

static void blocks_free(void)
{
    while (block_count > 0)
        mem_free(blocks[--block_count]);
}

static void put_pointer(uint8_t *at, const void *value)
{
    memcpy(at, &value, sizeof(value));
}

static const void *get_pointer(const void *param, size_t offset)
{
    const void *value;
    memcpy(&value, (const uint8_t *)param + offset, sizeof(value));
    return value;
}

static void put_ulong(uint8_t *at, CK_ULONG value)
{
    memcpy(at, &value, sizeof(value));
}

static CK_MECHANISM random_mech(CK_MECHANISM_TYPE type, const struct param_shape *shape, unsigned depth);
static CK_ATTRIBUTE *random_templ(CK_ULONG *ret_count, unsigned depth);

/* A structure of that shape with random lengths; pointers are sometimes NULL. */
static uint8_t *random_param(const struct param_shape *shape, uint8_t *outer, unsigned depth)
{
    uint8_t *param = block(shape->size);
    CK_ULONG length[64];
    for (size_t i = 0; i < ARRAY_LEN(length); i++)
        length[i] = dice(70);
    for (size_t i = 0; i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        CK_ULONG n = length[field->len_offset / 8 % 64];
        if (!mech_field_points(field))
            continue;
        const void *target = NULL;
        if (field->kind == PARAM_MECHANISM) {
            CK_MECHANISM *inner = block(sizeof(*inner));
            *inner = dice(2)
                         ? random_mech(CKM_RSA_PKCS_OAEP, mech_lookup(CKM_RSA_PKCS_OAEP)->shape, depth + 1)
                         : (CK_MECHANISM){CKM_SHA256, NULL, 0};
            target = inner;
        } else if (field->kind == PARAM_STRUCT) {
            target = random_param(field->inner, param, depth + 1);
        } else if (field->kind == PARAM_ARRAY) {
            CK_ULONG count = dice(4);
            uint8_t *array = block(count * field->inner->size);
            for (CK_ULONG k = 0; k < count; k++)
                memcpy(array + k * field->inner->size, random_param(field->inner, param, depth + 1),
                       field->inner->size);
            put_ulong(param + field->len_offset, count);
            target = array;
        } else if (field->kind == PARAM_TEMPLATE) {
            CK_ULONG count;
            target = random_templ(&count, 0);
            put_ulong(param + field->len_offset, count);
        } else if (field->kind == PARAM_FIXED || field->kind == PARAM_OUT_FIXED) {
            target = block(field->unit);
        } else if (field->length == PARAM_COUNT) {
            put_ulong(param + field->len_offset, n);
            target = block(n * field->unit);
        } else if (field->length == PARAM_BITS || field->length == PARAM_OUTER_BITS) {
            put_ulong((field->length == PARAM_BITS ? param : outer) + field->len_offset, n);
            target = block((n + 7) / 8);
        } else if (field->length == PARAM_COUNT_AT) {
            uint8_t *counter = (uint8_t *)(uintptr_t)get_pointer(param, field->len_offset);
            if (counter) {
                put_ulong(counter, n);
                target = block(n);
            }
        } else {
            char *text = block(n + 1);
            for (CK_ULONG k = 0; k < n; k++)
                text[k] = 'x';
            text[n] = 0;
            target = text;
        }
        put_pointer(param + field->offset, dice(5) == 0 && field->kind != PARAM_OUT_FIXED ? NULL : target);
    }
    return param;
}

static CK_MECHANISM random_mech(CK_MECHANISM_TYPE type, const struct param_shape *shape, unsigned depth)
{
    if (!shape || !shape->fields)
        return (CK_MECHANISM){type, block(33), 33};
    return (CK_MECHANISM){type, random_param(shape, NULL, depth), shape->size};
}

static void assert_inside(const struct frame *frame, const void *p, size_t len)
{
    const uint8_t *at = p;
    assert_true(at >= frame->arena && at + len <= frame->arena + frame->used);
}

static void same_mech(const struct frame *frame, const CK_MECHANISM *copy, const CK_MECHANISM *mech);
static void same_templ(const struct frame *frame, const CK_ATTRIBUTE *copy, const CK_ATTRIBUTE *templ,
                       CK_ULONG count);

/* The frame's copy tells the same as the original, and points nowhere else than into the frame. */
static void same_param(const struct frame *frame, const struct param_shape *shape, const uint8_t *copy,
                       const uint8_t *param, const uint8_t *outer)
{
    bool pointer[512] = {false};
    for (size_t i = 0; i < shape->fields; i++) {
        const struct param_field *field = &shape->field[i];
        if (field->kind == PARAM_HANDLE_AT ||
            (field->kind == PARAM_HANDLE && mech_handle_counts(field, param)))
            continue;
        if (field->kind == PARAM_HANDLE || field->kind == PARAM_HANDLE_OUT) {
            assert_null(get_pointer(copy, field->offset));
            memset(&pointer[field->offset], true, sizeof(CK_OBJECT_HANDLE));
            continue;
        }
        for (size_t k = 0; k < sizeof(void *); k++)
            pointer[field->offset + k] = true;
        const uint8_t *a = get_pointer(copy, field->offset), *b = get_pointer(param, field->offset);
        size_t len = 0;
        if (!b) {
            assert_null(a);
            continue;
        }
        if (field->kind == PARAM_MECHANISM) {
            same_mech(frame, (const CK_MECHANISM *)(const void *)a, (const CK_MECHANISM *)(const void *)b);
        } else if (field->inner) {
            assert_true(mech_field_count(field, param, &len));
            assert_inside(frame, a, len * field->inner->size);
            for (size_t k = 0; k < len; k++)
                same_param(frame, field->inner, a + k * field->inner->size, b + k * field->inner->size,
                           param);
        } else if (field->kind == PARAM_TEMPLATE) {
            assert_true(mech_field_count(field, param, &len));
            same_templ(frame, (const CK_ATTRIBUTE *)(const void *)a, (const CK_ATTRIBUTE *)(const void *)b,
                       len);
        } else {
            assert_true(mech_field_len(field, param, outer, &len));
            assert_inside(frame, a, len);
            assert_memory_equal(a, b, len);
        }
    }
    for (size_t i = 0; i < shape->size; i++)
        if (!pointer[i])
            assert_int_equal(copy[i], param[i]);
}

static void same_mech(const struct frame *frame, const CK_MECHANISM *copy, const CK_MECHANISM *mech)
{
    assert_int_equal(copy->mechanism, mech->mechanism);
    assert_int_equal(copy->ulParameterLen, mech->ulParameterLen);
    if (!mech->pParameter) {
        assert_null(copy->pParameter);
        return;
    }
    assert_inside(frame, copy->pParameter, mech->ulParameterLen);
    const struct param_shape *shape = mech_shape(mech_lookup(mech->mechanism), mech->ulParameterLen);
    if (shape)
        same_param(frame, shape, copy->pParameter, mech->pParameter, NULL);
    else
        assert_memory_equal(copy->pParameter, mech->pParameter, mech->ulParameterLen);
}

static CK_ATTRIBUTE *random_templ(CK_ULONG *ret_count, unsigned depth)
{
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_ID,       CKA_VALUE,
                                              CKA_TOKEN, 0x87654321UL, CKA_MODULUS};
    static const CK_ATTRIBUTE_TYPE nested[] = {CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE};
    CK_ULONG count = dice(depth ? 4 : 9);
    CK_ATTRIBUTE *templ = block(count * sizeof(*templ));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_ULONG len = dice(3) ? dice(50) : dice(2);
        templ[i] = (CK_ATTRIBUTE){types[dice(ARRAY_LEN(types))], block(len), len};
        switch (dice(8)) {
        case 0:
            templ[i].pValue = NULL;
            break;
        case 1:
            templ[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
            break;
        case 2:
            if (depth < 3) {
                CK_ULONG inner = 0;
                templ[i].type = nested[dice(3)];
                templ[i].pValue = random_templ(&inner, depth + 1);
                templ[i].ulValueLen = inner * sizeof(CK_ATTRIBUTE);
            }
            break;
        default:
            break;
        }
    }
    *ret_count = count;
    return templ;
}

static bool is_template(const CK_ATTRIBUTE *attr)
{
    return attr->type == CKA_WRAP_TEMPLATE || attr->type == CKA_UNWRAP_TEMPLATE ||
           attr->type == CKA_DERIVE_TEMPLATE;
}

static void same_templ(const struct frame *frame, const CK_ATTRIBUTE *copy, const CK_ATTRIBUTE *templ,
                       CK_ULONG count)
{
    assert_inside(frame, copy, count * sizeof(*copy));
    for (CK_ULONG i = 0; i < count; i++) {
        CK_ULONG len = templ[i].ulValueLen;
        assert_int_equal(copy[i].type, templ[i].type);
        assert_int_equal(copy[i].ulValueLen, len);
        if (len == CK_UNAVAILABLE_INFORMATION) {
            assert_null(copy[i].pValue);
            continue;
        }
        assert_inside(frame, copy[i].pValue, len);
        if (is_template(&templ[i]) && templ[i].pValue)
            same_templ(frame, copy[i].pValue, templ[i].pValue, len / sizeof(*templ));
        for (CK_ULONG k = 0; k < len && !is_template(&templ[i]); k++)
            assert_int_equal(((uint8_t *)copy[i].pValue)[k],
                             templ[i].pValue ? ((uint8_t *)templ[i].pValue)[k] : 0);
    }
}

struct call {
    CK_MECHANISM mech;
    CK_ATTRIBUTE *templ[2];
    CK_ULONG count[2];
    uint8_t *in[3];
    size_t in_len[3];
};

static struct frame *frame_of(const struct call *call, size_t out_room)
{
    size_t room = frame_room_mech(&call->mech);
    for (unsigned i = 0; i < 2; i++)
        room += frame_room_templ(call->templ[i], call->count[i]);
    for (unsigned i = 0; i < 3; i++)
        room += frame_room(call->in_len[i]);
    struct frame *frame = frame_new(VERB_GENERATE_PAIR, room, out_room);
    assert_non_null(frame);
    frame_set_mech(frame, &call->mech);
    for (unsigned i = 0; i < 2; i++)
        frame_set_templ(frame, i, call->templ[i], call->count[i]);
    for (unsigned i = 0; i < 3; i++)
        frame_set_in(frame, i, call->in[i], call->in_len[i]);
    /* The room was enough. */
    assert_true(frame->used <= room);
    assert_true(frame->arena + frame->used <= frame->out);
    assert_true(frame->out + frame->out_cap <= frame->fixup_at);
    return frame;
}

static void same_call(const struct frame *frame, const struct call *call)
{
    same_mech(frame, &frame->mech, &call->mech);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(frame->templ_count[i], call->count[i]);
        same_templ(frame, frame->templ[i], call->templ[i], call->count[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(frame->in[i].len, call->in_len[i]);
        assert_inside(frame, frame->in[i].data, call->in_len[i]);
        assert_memory_equal(frame->in[i].data, call->in[i], call->in_len[i]);
    }
}

static void round_trip(const struct call *call)
{
    struct frame *frame = frame_of(call, dice(300));
    same_call(frame, call);
    struct frame *clone = frame_clone(frame, dice(2) ? 0 : 999);
    assert_non_null(clone);
    assert_true(clone->out_cap == frame->out_cap || clone->out_cap == 999);
    /* The original goes, wiped: the clone stands alone. */
    frame_unref(frame);
    same_call(clone, call);
    memset(clone->out, 0xee, clone->out_cap);
    same_call(clone, call);
    struct frame *again = frame_clone(clone, 0);
    assert_non_null(again);
    frame_unref(clone);
    same_call(again, call);
    frame_unref(again);
}

static struct call random_call(const CK_MECHANISM *mech)
{
    struct call call = {.mech = *mech};
    for (unsigned i = 0; i < 2; i++)
        call.templ[i] = random_templ(&call.count[i], 0);
    for (unsigned i = 0; i < 3; i++) {
        call.in_len[i] = dice(200);
        call.in[i] = block(call.in_len[i]);
    }
    return call;
}

static bool is_opaque(const struct param_shape *shape)
{
    return shape && shape->fields == 1 && shape->field[0].kind == PARAM_OPAQUE;
}

static void every_shape(void **state)
{
    (void)state;
    size_t before = secret_in_use();
    unsigned shapes = 0;
    for (int round = 0; round < 20; round++)
        for (size_t i = 0; i < ARRAY_LEN(known); i++) {
            const struct mech_info *info = mech_lookup(known[i]);
            assert_non_null(info);
            for (const struct param_shape *shape = info->shape; shape; shape = shape->also) {
                if (is_opaque(shape))
                    continue;
                CK_MECHANISM mech = random_mech(known[i], shape, 0);
                assert_int_equal(frame_check_mech(&mech), CKR_OK);
                struct call call = random_call(&mech);
                round_trip(&call);
                blocks_free();
                shapes += shape->fields > 0;
            }
        }
    assert_true(shapes > 100);
    assert_int_equal(secret_in_use(), before);
}

static void random_templates(void **state)
{
    (void)state;
    CK_MECHANISM none = {CKM_RSA_PKCS, NULL, 0};
    for (int i = 0; i < 5000; i++) {
        seed = (uint32_t)i * 2654435761u + 1;
        struct call call = random_call(&none);
        round_trip(&call);
        blocks_free();
    }
}

static void mechanisms_in_mechanisms(void **state)
{
    (void)state;
    CK_CMS_SIG_PARAMS cms[8] = {0};
    CK_MECHANISM mech[9] = {{CKM_SHA256_RSA_PKCS, NULL, 0}};
    for (int i = 0; i < 8; i++) {
        cms[i].pSigningMechanism = &mech[i];
        mech[i + 1] = (CK_MECHANISM){CKM_CMS_SIG, &cms[i], sizeof(cms[i])};
        assert_int_equal(frame_check_mech(&mech[i + 1]), i < 4 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
    }
    /* One that contains itself ends too. */
    cms[0].pSigningMechanism = &mech[1];
    assert_int_equal(frame_check_mech(&mech[1]), CKR_MECHANISM_PARAM_INVALID);
    cms[0].pSigningMechanism = &mech[0];
    struct call call = random_call(&mech[4]);
    round_trip(&call);
    blocks_free();
}

static void impossible_lengths(void **state)
{
    (void)state;
    static const size_t len[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX / 2 + 1, SIZE_MAX / 16};
    for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
        assert_null(frame_new(VERB_LOGIN, frame_room(len[i]), 0));
        assert_null(frame_new(VERB_CRYPT, frame_room(len[i]) + frame_room(len[i]), 0));
        assert_null(frame_new(VERB_CRYPT, 0, len[i]));
    }
}

static void impossible_templates(void **state)
{
    (void)state;
    CK_BYTE byte = 0;
    const CK_ULONG lengths[] = {CK_UNAVAILABLE_INFORMATION - 1, CK_UNAVAILABLE_INFORMATION - 17, SIZE_MAX / 2,
                                SIZE_MAX / 16};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        CK_ATTRIBUTE templ[] = {{CKA_LABEL, &byte, lengths[i]}, {CKA_ID, &byte, lengths[i]}};
        assert_null(frame_new(VERB_FIND, frame_room_templ(templ, 2) * 2 + 1000, 0));
        assert_null(frame_new(VERB_FIND, 0, frame_room_templ(templ, 2)));
    }
    CK_ATTRIBUTE one = {CKA_LABEL, &byte, 1};
    assert_null(frame_new(VERB_FIND, frame_room_templ(&one, CK_UNAVAILABLE_INFORMATION), 0));
    CK_ATTRIBUTE self = {CKA_WRAP_TEMPLATE, &self, sizeof(self)};
    assert_null(frame_new(VERB_FIND, frame_room_templ(&self, 1), 0));
    /* A length of nested templates that is no whole number of attributes: bytes. */
    CK_ATTRIBUTE odd = {CKA_WRAP_TEMPLATE, block(25), 25};
    struct frame *frame = frame_new(VERB_CREATE, frame_room_templ(&odd, 1), 0);
    frame_set_templ(frame, 0, &odd, 1);
    assert_memory_equal(frame->templ[0][0].pValue, odd.pValue, 25);
    frame_unref(frame);
    blocks_free();
}

/* More pointers than are kept track of: no clone is better than one that points into the original. */
static void too_many_pointers(void **state)
{
    (void)state;
    enum { MANY = 400 };
    CK_ATTRIBUTE templ[MANY];
    for (CK_ULONG i = 0; i < MANY; i++)
        templ[i] = (CK_ATTRIBUTE){CKA_VENDOR_DEFINED + i, block(8), 8};
    struct frame *frame = frame_new(VERB_CREATE, frame_room_templ(templ, MANY), 10);
    assert_non_null(frame);
    frame_set_templ(frame, 0, templ, MANY);
    same_templ(frame, frame->templ[0], templ, MANY);
    assert_null(frame_clone(frame, 0));
    frame_unref(frame);
    frame = frame_new(VERB_CREATE, frame_room_templ(templ, 200), 10);
    frame_set_templ(frame, 0, templ, 200);
    struct frame *clone = frame_clone(frame, 0);
    frame_unref(frame);
    same_templ(clone, clone->templ[0], templ, 200);
    frame_unref(clone);
    blocks_free();
}

static void clone_has_a_blank_answer(void **state)
{
    (void)state;
    struct frame *frame = frame_new(VERB_CRYPT, frame_room(3), 16);
    frame_set_in(frame, 0, "abc", 3);
    frame->kind = OP_DECRYPT;
    frame->steps = STEP_INIT | STEP_SINGLE;
    frame->number_in = 9;
    frame->key[0] = 5;
    frame->session = 7;
    frame->rv = CKR_DEVICE_ERROR;
    frame->out_len = 16;
    frame->made[0] = 8;
    frame->number = 4;
    struct frame *clone = frame_clone(frame, 0);
    assert_int_equal(clone->verb, VERB_CRYPT);
    assert_int_equal(clone->kind, OP_DECRYPT);
    assert_int_equal(clone->steps, STEP_INIT | STEP_SINGLE);
    assert_int_equal(clone->number_in, 9);
    assert_int_equal(clone->refs, 1);
    assert_int_equal(clone->state, 0);
    /* Handles and sessions are the first member's. */
    assert_int_equal(clone->key[0], 0);
    assert_int_equal(clone->session, 0);
    assert_int_equal(clone->rv, 0);
    assert_int_equal(clone->out_len, 0);
    assert_int_equal(clone->made[0], 0);
    assert_int_equal(clone->number, 0);
    frame_unref(clone);
    frame_unref(frame);
}

/* What a message brings with it is copied in, cloned, and what the member wrote goes back to the application.
 */
static void message_parameters(void **state)
{
    (void)state;
    CK_BYTE iv[12] = "nonce nonce", tag[16] = {0};
    CK_GCM_MESSAGE_PARAMS with = {iv, sizeof(iv), 0, CKG_GENERATE_RANDOM, tag, 128};
    const struct param_shape *shape = mech_message_shape(CKM_AES_GCM, sizeof(with));
    assert_non_null(shape);
    assert_null(mech_message_shape(CKM_AES_GCM, sizeof(with) - 1));
    assert_null(mech_message_shape(CKM_AES_CBC, sizeof(with)));
    size_t room = frame_room_param(shape, &with, sizeof(with));
    struct frame *frame = frame_new(VERB_MESSAGE, room, 8);
    frame_set_param(frame, shape, &with, sizeof(with));
    assert_true(frame->used <= room);
    struct frame *clone = frame_clone(frame, 0);
    frame_unref(frame);
    assert_inside(clone, clone->param, sizeof(with));
    CK_GCM_MESSAGE_PARAMS *copy = (void *)clone->param;
    assert_inside(clone, copy->pIv, sizeof(iv));
    assert_inside(clone, copy->pTag, sizeof(tag));
    assert_memory_equal(copy->pIv, iv, sizeof(iv));
    memset(copy->pIv, 1, sizeof(iv));
    memset(copy->pTag, 2, sizeof(tag));
    copy->ulIvLen = copy->ulTagBits = 1 << 20;
    frame_give_param(clone, shape, &with);
    for (size_t i = 0; i < sizeof(iv); i++)
        assert_int_equal(iv[i], 1);
    for (size_t i = 0; i < sizeof(tag); i++)
        assert_int_equal(tag[i], 2);
    assert_int_equal(with.ulTagBits, 128);
    /* By now the application says that it has more room than the member was told of. */
    CK_BYTE more[32] = {0};
    copy->ulTagBits = 128;
    with.pTag = more;
    with.ulTagBits = 256;
    frame_give_param(clone, shape, &with);
    for (size_t i = 0; i < sizeof(more); i++)
        assert_int_equal(more[i], i < sizeof(tag) ? 2 : 0);
    frame_unref(clone);
    /* Lengths that cannot be: nothing is copied. */
    with.ulIvLen = ~0UL;
    assert_int_equal(frame_room_param(shape, &with, sizeof(with)), 0);
    assert_int_equal(frame_room_param(NULL, NULL, 0), 0);
}

static void references(void **state)
{
    (void)state;
    size_t before = secret_in_use();
    struct frame *frame = frame_new(VERB_RANDOM, 0, 32);
    assert_int_equal(((uintptr_t)frame->arena) % 16, 0);
    assert_int_equal(((uintptr_t)frame->out) % 16, 0);
    assert_ptr_equal(frame_ref(frame), frame);
    frame_unref(frame);
    frame->out[31] = 1;
    frame_unref(frame);
    frame_unref(NULL);
    assert_int_equal(secret_in_use(), before);
}

static void without_memory(void **state)
{
    (void)state;
    struct frame *frame = frame_new(VERB_RANDOM, 100, 32);
    mem_fail_after(1, false);
    assert_null(frame_new(VERB_RANDOM, 100, 32));
    mem_fail_after(1, false);
    assert_null(frame_clone(frame, 0));
    mem_fail_after(0, false);
    frame_unref(frame);
}

static void names_and_nothing(void **state)
{
    (void)state;
    assert_int_equal(frame_room_mech(NULL), 0);
    struct frame *frame = frame_new(VERB_CRYPT, 0, 0);
    frame_set_mech(frame, NULL);
    assert_null(frame->mech.pParameter);
    assert_int_equal(frame->used, 0);
    frame_unref(frame);
    for (unsigned verb = 0; verb < VERBS; verb++)
        for (unsigned kind = 0; kind < OP_KINDS; kind++)
            assert_memory_equal(verb_name(verb, kind), verb == VERB_CRYPT ? "C_" : verb_name(verb, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape),
        cmocka_unit_test(random_templates),
        cmocka_unit_test(mechanisms_in_mechanisms),
        cmocka_unit_test(impossible_templates),
        cmocka_unit_test(impossible_lengths),
        cmocka_unit_test(too_many_pointers),
        cmocka_unit_test(clone_has_a_blank_answer),
        cmocka_unit_test(message_parameters),
        cmocka_unit_test(references),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(names_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

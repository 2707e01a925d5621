/*
 * A frame: one call to a member (or a fixed sequence of calls on one real session) as one flat, owned,
 * relocatable block of secret memory. Nothing in it points outside. So a caller can leave at its deadline
 * while the vendor's code still holds the frame, and frame_clone can send the same call elsewhere. Life: made
 * by a caller, run by a runner (member/), counted by `refs` while a lane holds it too.
 */
#ifndef CALL_FRAME_H
#define CALL_FRAME_H

#include <stdatomic.h>

#include "call/attrs.h"
#include "call/mechs.h"
#include "pkcs11-headers/pkcs11.h"

enum verb {
    VERB_CRYPT,          /* the steps of `steps` of an operation of `kind` */
    VERB_MESSAGE,        /* the steps of a message-based operation of `kind` (enum message_steps) */
    VERB_FIND,           /* all handles that match templ[0] into out, as CK_OBJECT_HANDLEs */
    VERB_GET_ATTRIBUTES, /* templ[0] filled in place; its values have room */
    VERB_SET_ATTRIBUTES,
    VERB_CREATE,
    VERB_COPY,
    VERB_DESTROY,
    VERB_OBJECT_SIZE, /* into number */
    VERB_GENERATE_KEY,
    VERB_GENERATE_PAIR, /* templ[0] public, templ[1] private; made[0] public, made[1] private */
    VERB_WRAP,          /* key[0] wraps key[1] into out */
    VERB_UNWRAP,        /* key[0] unwraps in[0] by templ[0] */
    VERB_WRAP_AUTH,     /* the same two with associated data in in[1] (3.2) */
    VERB_UNWRAP_AUTH,
    VERB_ENCAPSULATE, /* made[0] by templ[0], for key[0] into out (3.2); no room: the length alone */
    VERB_DECAPSULATE, /* key[0] opens in[0] by templ[0] (3.2) */
    VERB_DERIVE,      /* from key[0] by templ[0]; further handles made: frame_made_inside */
    VERB_RANDOM,      /* out */
    VERB_SEED_RANDOM,
    VERB_OPEN_SESSION, /* number = flags; session is the answer */
    VERB_CLOSE_SESSION,
    VERB_LOGIN, /* number = user type, in[0] = PIN, in[1] = user name if it has one */
    VERB_LOGOUT,
    VERB_SET_PIN,    /* in[0] = old, in[1] = new */
    VERB_INIT_PIN,   /* in[0] */
    VERB_INIT_TOKEN, /* in[0] = the SO's PIN, in[1] = label of 32 bytes; ends all sessions there */
    VERB_TOKEN_INFO, /* out = CK_TOKEN_INFO */
    VERB_MECHANISMS, /* out = struct frame_mechanism[] */
    VERB_CONNECT,    /* instance initialised (epoch in number) and token found: slot is the answer */
    VERBS
};
const char *verb_name(enum verb verb, enum op_kind kind);

/* Steps of VERB_CRYPT, done in this order. */
enum frame_steps {
    STEP_INIT = 1,
    STEP_LOGIN = 2,  /* C_Login(CKU_CONTEXT_SPECIFIC) with in[2]; number: the PIN was not looked at */
    STEP_UPDATE = 4, /* in[0] */
    STEP_KEY = 8,    /* C_DigestKey with key[0] */
    STEP_FINAL = 16, /* out appended; a verification's signature is in[1] */
    STEP_SINGLE = 32 /* in[0], in[1] */
};

/* Steps of VERB_MESSAGE, done in this order; with MESSAGE_END the session is clean, whatever the one before
 * gave. The first two are those of VERB_CRYPT. */
enum message_steps {
    MESSAGE_INIT = STEP_INIT,
    MESSAGE_LOGIN = STEP_LOGIN,
    MESSAGE_ONCE = 4,  /* in[0], and in[1]: additional data, or the signature to be verified */
    MESSAGE_BEGIN = 8, /* in[1]: additional data */
    MESSAGE_NEXT = 16, /* in[0]; number_in: the flags; in[1]: the signature, when it ends a verification */
    MESSAGE_END = 32   /* C_Message...Final */
};

#define FRAME_INNER 4                 /* handles inside a mechanism's parameter */
#define FRAME_KEYS  (2 + FRAME_INNER) /* that a call needs: its own two, then those inside the parameter */
#define FRAME_MADE  16                /* handles that a member writes into it */

struct span {
    uint8_t *data;
    CK_ULONG len;
};

struct frame_mechanism {
    CK_MECHANISM_TYPE type;
    CK_MECHANISM_INFO info;
};

struct frame {
    /* Hand-over: member/lane.c. */
    _Atomic uint32_t state;
    _Atomic uint32_t refs;

    /* The call: written by its maker only. */
    enum verb verb;
    enum op_kind kind;
    unsigned steps;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key[2]; /* real handles, the router fills them in for each member */
    uint32_t epoch;          /* the member's, that they are of: it runs in no other; 0 = any */
    CK_MECHANISM mech;
    CK_ATTRIBUTE *templ[2];
    CK_ULONG templ_count[2];
    struct span in[3];
    uint8_t *param; /* of a message: read and written by the member */
    size_t param_len;
    uint8_t *out;
    CK_ULONG out_cap;
    CK_ULONG number_in;

    /* The answer: written by who runs it. */
    CK_RV rv;
    bool sent;               /* it may have reached the member */
    uint32_t instance_epoch; /* before: that the session or slot is of, 0 = any; then that it ran in */
    unsigned step_reached;   /* the step that gave rv */
    CK_ULONG out_len;
    CK_OBJECT_HANDLE made[2];
    CK_ULONG number;

    /* Where the parameter has handles (offsets from the frame), and whether members write into it. */
    uint32_t inner_at[FRAME_INNER], made_at[FRAME_MADE];
    uint16_t inners, mades;
    bool writes;

    /* The block. Inputs lie in [0, used), the room for the output behind them. */
    size_t cap, used;
    uint8_t *fixup_at; /* inner pointers, as offsets from the frame, at the block's end */
    uint32_t fixups;
    _Alignas(16) uint8_t arena[];
};

/* Bytes of arena that each part needs; for a length that nobody can mean one that frame_new refuses. */
size_t frame_room(size_t len);
/* One that cannot be copied has more room than frame_new gives. */
size_t frame_room_mech(const CK_MECHANISM *mech);
/* CKR_MECHANISM_PARAM_INVALID for a parameter that cannot be copied: ask before anything else is done with an
 * application's mechanism. */
MUST_USE CK_RV frame_check_mech(const CK_MECHANISM *mech);
/* A template that can be no template has more room than frame_new gives. */
size_t frame_room_templ(const CK_ATTRIBUTE *templ, CK_ULONG count);
/* Of an attribute set, in which nested templates are folded up (attrs.h). */
size_t frame_room_attrs(const struct attrs *attrs);
/* A frame with that much room for inputs and `out_room` for the output; NULL without memory. One reference.
 */
MUST_USE struct frame *frame_new(enum verb verb, size_t room, size_t out_room);
struct frame *frame_ref(struct frame *frame);
/* The last one wipes and releases it. */
void frame_unref(struct frame *frame);
AUTO_DEFINE(frame_unref, struct frame)

/* Fill in; the room was asked for in frame_new. The copies are the frame's. */
void frame_set_in(struct frame *frame, unsigned which, const void *data, size_t len);
/* Deep copy by the table of mechs.h. NULL or a mechanism without parameter is fine. */
void frame_set_mech(struct frame *frame, const CK_MECHANISM *mech);
/* What a message brings with it, by its shape (NULL: flat); frame_room_param is 0 if it cannot be copied. */
size_t frame_room_param(const struct param_shape *shape, const void *param, size_t len);
void frame_set_param(struct frame *frame, const struct param_shape *shape, const void *param, size_t len);
/* What the member wrote there goes to where the application's own points. */
void frame_give_param(const struct frame *frame, const struct param_shape *shape, const void *param);
/* With values copied; for GET_ATTRIBUTES lengths are room, and values start zeroed. Nested templates are
 * deep-copied. */
void frame_set_templ(struct frame *frame, unsigned which, const CK_ATTRIBUTE *templ, CK_ULONG count);
/* From an attribute set; nested templates are unfolded. */
void frame_set_attrs(struct frame *frame, unsigned which, const struct attrs *attrs);
/*
 * The same call once more, in a block of its own: inputs are copied, the answer is blank. Safe while a lane
 * still runs the original. `out_room` 0: as before. NULL without memory, or with more inner pointers (256)
 * than are kept track of.
 */
MUST_USE struct frame *frame_clone(const struct frame *frame, size_t out_room);
/* Can there be handles inside the parameter, at whatever depth? */
bool frame_mech_handles(const CK_MECHANISM *mech);
/* Does the member write handles into it; are some of them asked for on the token? */
bool frame_mech_makes(const CK_MECHANISM *mech);
bool frame_mech_makes_token(const CK_MECHANISM *mech);

/*
 * The handles inside the parameter, which < frame->inners: as the application gave them, until a member's
 * own are set for each attempt. Those that are CK_INVALID_HANDLE or do not count are not among them. A frame
 * with more of them than FRAME_INNER has inners > FRAME_INNER and must not be run.
 */
CK_OBJECT_HANDLE frame_inner(const struct frame *frame, unsigned which);
void frame_set_inner(struct frame *frame, unsigned which, CK_OBJECT_HANDLE real);
/* What the member wrote into the parameter, which < frame->mades (at most FRAME_MADE count). */
CK_OBJECT_HANDLE frame_made_inside(const struct frame *frame, unsigned which);
/*
 * The parameter's outputs of a call that succeeded, into the application's own parameter; for the handles
 * that the member made, in their order, `made`.
 */
void frame_give_back(const struct frame *frame, const CK_MECHANISM *mech, const CK_OBJECT_HANDLE *made);
/* The output of a call that ended with rv, into room for *out_len bytes: as much as the frame had. After
 * CKR_BUFFER_TOO_SMALL only the length. */
void frame_give_out(const struct frame *frame, CK_RV rv, uint8_t *out, CK_ULONG *out_len);

#endif

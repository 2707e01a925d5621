/*
 * The keeper: a member's own thread. It connects, probes, signs on, proves, catches up, closes idle sessions,
 * watches inline calls, and runs the jobs that are posted. It enters vendor code only through frames with
 * deadlines.
 */
#ifndef MEMBER_KEEPER_H
#define MEMBER_KEEPER_H

#include "member/member.h"

struct member_keeper;
MUST_USE CK_RV keeper_start(struct member *member);
/* Asks it to end and waits for that until the deadline; false: it is busy. */
bool keeper_stop(struct member *member, uint64_t deadline);
void keeper_free(struct member_keeper *keeper);
/* Something is to be done: state, sign-on or jobs have changed. */
void keeper_wake(struct member *member);

/* The steps it takes, each on its thread (connect.c). */
MUST_USE CK_RV connect_member(struct member *member, uint64_t deadline);
MUST_USE CK_RV connect_probe(struct member *member, uint64_t deadline);
/* Logged in, if the application is, and the group's keys there: RV_MISFIT if they are not. */
MUST_USE CK_RV connect_prove(struct member *member, uint64_t deadline);

#endif

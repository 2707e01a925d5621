/*
 * The runners. Lanes: threads that may enter the vendor's code, pinned to a CPU; a caller hands its frame to
 * an idle one of the CPU that it runs on, and leaves at its deadline: the frame stays with the stuck lane.
 * The runner `inline` runs the frame on the caller's thread. A runner that works in another process would be
 * a third function beside these two.
 */
#ifndef MEMBER_LANE_H
#define MEMBER_LANE_H

#include "member/member.h"

#define LANES_STUCK_MAX 8

MUST_USE struct member_lanes *lanes_new(struct member *member);
/* Ends idle lanes; waits for busy ones until the deadline. False: some are stuck (then nothing may be freed).
 */
bool lanes_stop(struct member_lanes *lanes, uint64_t deadline);
void lanes_free(struct member_lanes *lanes);
unsigned lanes_stuck(const struct member_lanes *lanes);

MUST_USE CK_RV lane_run(struct member *member, struct frame *frame, struct real_session *session,
                        uint64_t deadline);
MUST_USE CK_RV inline_run(struct member *member, struct frame *frame, struct real_session *session);

#endif

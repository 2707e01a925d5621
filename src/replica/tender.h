/*
 * The tender: a managed group's own thread. Every second, while logged in: follows what other processes
 * wrote, has members that lag caught up (on their keepers' threads), and purges what was destroyed longer ago
 * than `soft-delete`.
 */
#ifndef REPLICA_TENDER_H
#define REPLICA_TENDER_H

#include "replica/managed.h"

MUST_USE CK_RV tender_start(struct managed *managed);
bool tender_stop(struct managed *managed, uint64_t deadline);
void tender_free(struct managed *managed);

#endif

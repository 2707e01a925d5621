/* The parts of `p11ha check`: what it shows of each group. */
#ifndef TOOL_CHECK_H
#define TOOL_CHECK_H

#include "tool/findings.h"
#include "tool/listing.h"
#include "tool/site.h"

/* The group's members: a table to `out` (NULL: not printed), its rows as JSON. NULL without memory. */
MUST_USE json_t *check_members(const struct site_group *group, struct findings *findings, FILE *out);
/* Key type x member, tried on every usable member at once. As above. */
MUST_USE json_t *check_matrix(const struct site_group *group, struct findings *findings, FILE *out);

#endif

#include "router/budget.h"

#define NS 1000000000.0

void budget_earn(struct budget *budget)
{
    /* The common case writes nothing: no cache line goes from CPU to CPU. */
    if (atomic_load_explicit(&budget->spent, memory_order_relaxed) > 0)
        atomic_fetch_sub_explicit(&budget->spent, 1, memory_order_relaxed);
}

/* Repeats earned by the time that has passed; the stamp moves on only with what was counted. */
static int64_t earned_since(struct budget *budget, uint64_t now)
{
    uint64_t then = atomic_load_explicit(&budget->stamp, memory_order_relaxed);
    int64_t earned = then && now > then ? (int64_t)((double)(now - then) / NS * BUDGET_RATE) : 0;
    if (then != 0 && earned == 0)
        return 0;
    return atomic_compare_exchange_strong(&budget->stamp, &then, now) ? earned : 0;
}

bool budget_spend(struct budget *budget, uint64_t now)
{
    int64_t earned = earned_since(budget, now);
    int64_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed);
    for (;;) {
        int64_t base = spent > earned ? spent - earned : 0;
        bool enough = base + BUDGET_REPEAT <= BUDGET_RESERVE;
        int64_t after = enough ? base + BUDGET_REPEAT : base;
        if (atomic_compare_exchange_weak(&budget->spent, &spent, after))
            return enough;
    }
}

void budget_refund(struct budget *budget, unsigned repeats)
{
    int64_t spent = atomic_load_explicit(&budget->spent, memory_order_relaxed), after;
    do {
        after = spent - (int64_t)repeats * BUDGET_REPEAT;
    } while (!atomic_compare_exchange_weak(&budget->spent, &spent, after > 0 ? after : 0));
}

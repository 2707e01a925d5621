#include "config/suggest.h"

#include <string.h>

#define WORD_MAX 63

static char letter_fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    size_t row[3][WORD_MAX + 1];
    size_t *above2 = row[0], *above = row[1], *here = row[2];

    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        char ai = letter_fold(a[i - 1]);

        here[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char bj = letter_fold(b[j - 1]);
            size_t best = size_min(size_min(above[j], here[j - 1]) + 1, above[j - 1] + (ai != bj));

            if (i > 1 && j > 1 && ai == letter_fold(b[j - 2]) && bj == letter_fold(a[i - 2]))
                best = size_min(best, above2[j - 2] + 1);
            here[j] = best;
        }
        size_t *oldest = above2;
        above2 = above;
        above = here;
        here = oldest;
    }
    return above[b_len];
}

struct suggest suggest_begin(const char *word)
{
    return (struct suggest){.word = word, .distance = SIZE_MAX};
}

void suggest_offer(struct suggest *suggest, const char *known)
{
    size_t distance = suggest_distance(suggest->word, known);
    size_t word_len = strlen(suggest->word), known_len = strlen(known);
    size_t limit = (word_len > known_len ? word_len : known_len) / 3;

    if (distance > limit || distance >= suggest->distance)
        return;
    suggest->best = known;
    suggest->distance = distance;
}

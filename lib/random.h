/* Random numbers. */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <stdint.h>

/* random_between returns a number from low to high, both included, each as
 * likely as any other for the ranges used here (far below 2^32); low where high
 * is below it, as the two ends of a range may be for a moment when a reload sets
 * one after the other. Any thread. */
int64_t random_between(int64_t low, int64_t high);

#endif

/* Failures: why a commit came to nothing, as it is counted. Plain values and functions:
 * any thread. */
#ifndef APP_STORE_FAILURE_H
#define APP_STORE_FAILURE_H

#include <stdint.h>

enum failure {
	FAILURE_BUSY,
	FAILURE_FULL,
	FAILURE_REPLACED,
	FAILURE_REFUSED,    /* the messages themselves: by the table, or by the log that is shared */
	FAILURE_ERROR,      /* anything else; the log says what */
	FAILURES,
};

/* How often each has happened. Adding is for one thread, reading for any. */
struct failures {
	_Atomic uint64_t n[FAILURES];
};

/* failure_of says which it is by what a call of store.h has returned, which is not 0. */
enum failure failure_of(int outcome);

void failures_add(struct failures *failures, enum failure failure);

/* failures_read adds them to n. */
void failures_read(const struct failures *failures, uint64_t n[FAILURES]);

#endif

/* What a probe has found, printed as it is found: a line each, and below a fault what to
 * change, in the words of the web server that it is likely to be. */
#ifndef APP_PROBE_REPORT_H
#define APP_PROBE_REPORT_H

#include <stddef.h>

/* What can be changed about a fault. */
enum cure {
	CURE_HELD,       /* events are held back */
	CURE_PACKED,     /* they are compressed */
	CURE_CUT,        /* silent streams are cut */
	CURE_DEPARTED,   /* who has gone is not noticed */
	CURE_CACHED,     /* the head is not as rowcast sent it */
	CURE_CREDENTIALS,/* the token is taken off */
	CURE_HTTP_2,     /* it is not spoken */
	CURE_FEW,        /* few streams fit on a connection */
	CURE_N,
};

struct report {
	const char *server;   /* lent: the Server field of the answers; NULL: it says none */
	size_t n_faults;
};

/* Each prints one finding. A fault makes the program's exit status 1. */
void report_good(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_note(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_fault(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* report_cure prints, below a finding, what to change in the server that stands in front;
 * in each of those that are known, where it does not say which it is. */
void report_cure(struct report *report, enum cure cure);

/* report_more prints one more line below a finding. */
void report_more(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

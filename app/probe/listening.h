/* A stream that is listened to: which of our own messages have come over it and when,
 * and how it is kept alive. */
#ifndef APP_PROBE_LISTENING_H
#define APP_PROBE_LISTENING_H

#include <stdbool.h>
#include <stddef.h>

#include "app/probe/fetch.h"
#include "lib/clock.h"

struct listening {
	struct fetch *fetch;      /* owned; NULL: stopped */
	const char *nonce;        /* lent: what our own messages begin with, see listening_mark */
	bool has_begun;           /* its first block has come */
	bool is_busy, is_expired; /* what rowcast itself says before it ends a stream */
	int newest;               /* number of the newest message that has come whole; 0: none */
	mono_us newest_at;
	size_t n_bytes;           /* that have come */
	size_t n_beats;           /* times that something came after a tenth of a second of silence, or more */
	mono_us longest_us;       /* the longest silence that something came after */

	char line[128];           /* private: the beginning of the line that is being read */
	size_t line_len;
	int number;               /* private: of the message that is being read; 0: not ours */
	mono_us heard_at;         /* private */
};

/* listening_mark words a message: what listening_start with this nonce knows it by, and
 * padding that does not pack well, n bytes in all. The caller frees it. */
char *listening_mark(const char *nonce, int number, size_t n);

/* listening_start asks for the stream at url. nonce is lent until listening_stop. */
void listening_start(struct listening *listening, struct fetcher *fetcher, const char *url,
    const char *nonce, const struct fetch_how *how);

/* listening_stop hangs up; nothing, where that was done. */
void listening_stop(struct listening *listening);

#endif

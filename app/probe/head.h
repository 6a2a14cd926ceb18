/* The head of an answer: its status, and the fields that tell what stands on the way. */
#ifndef APP_PROBE_HEAD_H
#define APP_PROBE_HEAD_H

#include <stddef.h>

enum head_field {
	HEAD_AGE, HEAD_CACHE_CONTROL, HEAD_CONTENT_ENCODING, HEAD_CONTENT_LENGTH,
	HEAD_CONTENT_TYPE, HEAD_ETAG, HEAD_EXPIRES, HEAD_LOCATION, HEAD_SERVER, HEAD_VIA,
	HEAD_X_CACHE, HEAD_N_FIELDS,
};

struct head {
	int status;       /* 0: none has come */
	int version;      /* 10, 11, 20, 30 */
	char *fields[HEAD_N_FIELDS];  /* owned; NULL: not there. Several of a name: joined by ", " */
};

/* head_take takes one line, as it came: a status line begins anew (RFC 9110 15.2: others
 * may come before the final one). Values are cut to 200 bytes, and what is not printable
 * becomes a '?', so they can be shown. */
void head_take(struct head *head, const char *line, size_t n);

void head_free(struct head *head);

#endif

/* A publication: what one request to /msg asks to publish, whatever form it
 * came in, and whether its token may. A plain value, of the thread that serves the
 * request, until submission_give takes it. */
#ifndef APP_PUBLISH_PUBLICATION_H
#define APP_PUBLISH_PUBLICATION_H

#include <stdbool.h>
#include <stddef.h>

#include "app/access/identity.h"
#include "app/publish/field.h"

/* Messages in one request (lines of NDJSON); beyond: 413. Picked, not tuned. */
enum { PUBLICATION_MAX_MESSAGES = 10000 };

struct publication {
	struct draft *drafts;  /* owned, n of them, at least one after a parse */
	size_t n;
	bool many;             /* NDJSON: the answer is {"ids":[...]} */
	char error[FIELD_ERROR_BYTES];  /* one sentence, after a refusal */
};

/* publication_parse reads the fields of the query string and of the body.
 *   application/x-www-form-urlencoded   fields
 *   application/json                    one object of fields
 *   text/plain                          the message itself; other fields in the query
 *   application/x-ndjson                one object a line, all or nothing; no query fields
 * content_type NULL or empty: there is no body (GET). body need not end in NUL.
 * Fields: msg or data, user, topic, event, all, key, ttl. An unknown field, a
 * field given twice, a wrong type, U+0000 or invalid UTF-8 is refused.
 * 0: publication_free is due. Otherwise the HTTP status to answer with (400,
 * 413, 415), p->error says why in one sentence, and nothing is left to free. */
int publication_parse(struct publication *p, const char *query, const char *content_type,
    const char *body, size_t body_len, size_t max_message_bytes);

/* publication_line_is_blank: is this line of NDJSON no message? */
bool publication_line_is_blank(const char *line, size_t len);

/* publication_read_line reads one that is none into the draft, whose message is to be freed
 * in any case. 0; or the status to answer with, and reader->error. */
int publication_read_line(struct field_reader *reader, struct draft *draft, const char *line,
    size_t len);

/* publication_type returns the name's index among the n types if the Content-Type is one of
 * them, in UTF-8; n where it is none; -1 where its charset is another, which
 * PUBLICATION_CHARSET says. NULL: none is given; a type that is NULL is none. */
#define PUBLICATION_CHARSET "the charset must be UTF-8"
int publication_type(const char *content_type, const char *const types[], size_t n);

/* publication_authorize fills in the token's own user where a message names
 * nobody, and refuses what the token may not do: `user` of another, `topic`
 * and `all` need scope rowcast:publish; a reserved topic (message.h), whoever the user
 * is, needs rowcast:admin and nothing else. 0, or 403 and p->error. */
int publication_authorize(struct publication *p, const struct identity *id);

void publication_free(struct publication *p);

#endif

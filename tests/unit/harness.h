/* What the tests of the server share: a folder for a store in it, the web
 * server's end of a FastCGI connection, and a rowcast around it all. Every
 * verb waits for what it expects, for PATIENCE_MS at most, and fails the test
 * where something else comes; only the thread of the test may use them. */
#ifndef TESTS_UNIT_HARNESS_H
#define TESTS_UNIT_HARNESS_H

#include "tests/unit/check.h"

#include <stdbool.h>

#include "app/setting/conf.h"
#include "app/fastcgi/intake.h"
#include "app/fastcgi/listener.h"
#include "app/serve/service.h"
#include "app/store/store.h"
#include "app/hub/tail.h"
#include "app/serve/workers.h"
#include "lib/buf.h"
#include "lib/clock.h"

enum { PATIENCE_MS = 30000 };  /* a machine that is busy with other things, under TSan */

/* WAIT_FOR looks until that is so: the one place for what no descriptor tells. */
#define WAIT_FOR(condition) \
	for (int64_t until = look_until(); !(condition); ) \
		look_again(until, #condition)

/* look_again returns a moment later, and ends the test when it is later than until, which
 * is what look_until returned; both by the system's clock, which no test stops. */
int64_t look_until(void);
void look_again(int64_t until, const char *condition);

/* ---- the surroundings ---- */

/* path_in_folder returns the path of that name in a folder of this program's
 * own, which is removed when the program ends. The caller frees it. */
char *path_in_folder(const char *name);

/* conf_of fills conf as from a file with these lines; the store, the socket
 * and an HS256 key file lie in the folder. conf_free is due. */
void conf_of(struct conf *conf, const char *const lines[]);

/* The secret in that file. */
#define HARNESS_SECRET "a secret of thirty-two bytes or more, for tests"

/* auth_of_conf opens that key; auth_close is due. */
struct auth *auth_of_conf(void);

/* count_descriptors returns how many this process has open. */
size_t count_descriptors(void);

/* ---- the table ---- */

/* A store, new and empty, with a publisher's handle to it. */
struct table {
	char *name;           /* as the setting `store` has it */
	struct store *store;
};
void table_open(struct table *table);
void table_close(struct table *table);

/* commit appends one message and returns its id; NULL is for everyone, on any
 * stream. */
int64_t commit(struct table *table, const char *user, const char *topic, const char *data);

/* Another program that has the file open, and what it says in SQL. */
struct sqlite3;
struct sqlite3 *foreign_open(const struct table *table);
void foreign_close(struct sqlite3 *foreign);
void foreign_run(struct sqlite3 *foreign, const char *sql);

/* table_run is a whole such program. */
void table_run(const struct table *table, const char *sql);

/* ---- the bytes of a request ---- */

/* Each adds to out. Lengths over 65535 become several records. */
void add_begin(struct buf *out, uint16_t id, bool keep);
void add_record(struct buf *out, unsigned type, uint16_t id, const void *content, size_t len);
void add_params(struct buf *out, uint16_t id, const char *const params[]);  /* and their end */
void add_body(struct buf *out, uint16_t id, const void *body, size_t len);  /* without its end */
void add_body_end(struct buf *out, uint16_t id);

/* request_of returns a whole request; the caller frees it. */
struct buf request_of(bool keep, const char *const params[], const char *body);

enum { RECORD_BEGIN = 1, RECORD_ABORT = 2, RECORD_END = 3, RECORD_PARAMS = 4, RECORD_STDIN = 5,
	RECORD_STDOUT = 6 };

/* ---- the web server ---- */

/* The web server's end of one connection. */
struct peer {
	int fd;
	struct buf content;   /* what came in FCGI_STDOUT */
	size_t at;            /* of it, what was looked at */
	bool ended;           /* END_REQUEST has come */
};

/* peer_pair begins a connection and returns rowcast's end of it. */
int peer_pair(struct peer *peer);
void peer_connect(struct peer *peer, const char *path);

/* hang_up closes the connection, where it is open, and frees what came. */
void hang_up(struct peer *peer);

void say(struct peer *peer, const void *bytes, size_t n);
void say_request(struct peer *peer, bool keep, const char *const params[], const char *body);

/* take_record reads one record of the request and returns its type, or 0 where
 * the connection was closed; the length of its content is in *len. */
unsigned take_record(struct peer *peer, size_t *len);

/* expect_record is for FCGI_STDOUT, and returns the length. */
size_t expect_record(struct peer *peer);

/* expect_reply reads a whole response and compares its status; the text
 * returned, header and body, is good until the next expect_. */
const char *expect_reply(struct peer *peer, int status);

/* expect_head reads the header of an event stream. */
void expect_head(struct peer *peer);

/* next_block reads the next block of an event stream, or the next comment, and
 * returns it without the line break at its end; good until the next expect_.
 * NULL: the response has ended, or the connection was closed. */
const char *next_block(struct peer *peer);

void expect_event(struct peer *peer, const char *block);

/* expect_start: the first block tells this cursor. */
void expect_start(struct peer *peer, int64_t cursor);

/* expect_message: a message without an event name, of one line. */
void expect_message(struct peer *peer, int64_t id, const char *data);

/* expect_end: no more content, END_REQUEST, and the connection closed.
 * expect_closed: closed, without END_REQUEST or after a whole reply. */
void expect_end(struct peer *peer);
void expect_closed(struct peer *peer);

/* expect_nothing: there is nothing to read at this moment. Only for after an
 * event that would have come later. */
void expect_nothing(struct peer *peer);

/* expect_text fails, and shows both, where text does not contain part. */
void expect_text(const char *text, const char *part);

/* conn_of returns a connection as intake would give it, of that descriptor. */
struct conn *conn_of(int fd);

/* ---- all of rowcast ---- */

struct rowcast {
	struct conf conf;
	struct service service;
	struct listener listener;
	struct intake *intake;
	struct workers *workers;
};

/* rowcast_start starts what `rowcast serve` does, with these lines in its
 * configuration, on a unix socket in the folder. */
void rowcast_start(struct rowcast *rowcast, const char *const lines[]);

/* rowcast_start_following is the same with other bounds on bodies that are followed. */
void rowcast_start_following(struct rowcast *rowcast, const char *const lines[],
    const struct following_bounds *of_bodies);
void rowcast_stop(struct rowcast *rowcast);

/* call connects a web server to it. */
void call(struct rowcast *rowcast, struct peer *peer);

/* fetch sends a whole request on a connection of its own and returns the reply,
 * which has to have that status; good until the next fetch. */
const char *fetch(struct rowcast *rowcast, int status, const char *const params[], const char *body);

/* token_of returns a token of its key, and bearer_of what Authorization says
 * with one; the caller frees it. scope may be NULL. */
char *token_of(struct rowcast *rowcast, const char *user, const char *scope);
char *bearer_of(struct rowcast *rowcast, const char *user, const char *scope);

#endif

/* What the load client is told on its command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "tests/bench/usage.h"

struct way;

enum { MAX_ADDRESSES = 16 };

/* One side of the server: where it listens and what a request to it looks
 * like; where it is several machines, streams and publishers take turns. In templates {i} is the number of the stream or of the user meant,
 * {token} that user's line of the token file, {a} the answer that the stream reads, {msg} the message. */
struct side {
	struct sockaddr_in addresses[MAX_ADDRESSES];
	uint32_t n_addresses;
	const char *host;     /* for the Host field: the first as given */
	const char *path;     /* template */
	struct buf headers;   /* template; each field ends in CRLF */
};

/* The log that several machines share. */
struct log_side {
	struct sockaddr_in address;
	const char *login;    /* USER:PASSWORD, or NULL */
	const char *key;      /* of the stream */
	const char *user;     /* whom entries are for, or NULL: everyone */
};

struct options {
	const char *mode;
	struct side get, post;
	struct side back;     /* storm: where the streams come back to; no address: where they were */
	struct log_side log;  /* xadd */
	const char *body;     /* template of what is posted, once a message */
	bool to_users;        /* each message is for one random user, not for all */
	char **tokens;        /* one a user */
	uint32_t n_tokens;
	uint32_t n_streams;
	uint32_t n_publishers;
	uint32_t unfinished;  /* messages at most on their way; 0: no bound but memory's */
	uint32_t lines;       /* messages in one POST */
	uint32_t opening;     /* streams being opened at a time */
	uint32_t rows;        /* rows a stream is behind, or replays, or the table gets */
	uint32_t first;       /* number of the first message; those below are another client's */
	uint32_t users;       /* fill: users that get rows; amid: those of the single messages */
	uint32_t user_base;   /* number of the user that stream 0 is */
	uint32_t count;       /* foreign, xadd: inserts; traffic: messages, 0: for `seconds`; replay: times;
	                         fill: rows a user gets */
	uint32_t answers;     /* answers: how many are written at a time; 0 elsewhere */
	double rate;          /* answers: tokens a second of each; 0: as fast as they are taken; amid: broadcasts a second */
	double single_rate;   /* amid: messages for one user a second */
	const char *single_body; /* amid: template of those */
	uint32_t length;      /* answers: bytes announced of a body that is followed, at most */
	const struct way *way; /* answers: how they are written */
	bool spread;          /* fill: the users' rows lie among others', else they are the newest */
	int64_t after;        /* replay: the id to replay after */
	size_t size;          /* bytes of a message */
	double seconds, warmup;
	double limit;         /* seconds after which the program ends, come what may */
	const char *db;       /* table to insert into by an own connection */
	struct usage_of processes[USAGE_PIDS];
	int n_processes;
};

/* options_read reads the command line; what is wrong with it ends the program. */
void options_read(struct options *o, int argc, char **argv);

/* template_add adds the template to out with its slots filled; msg may be NULL. */
void template_add(struct buf *out, const struct options *o, const char *text, uint32_t user, const char *msg,
    size_t msg_len);

#endif

/* Inputs for worst.c: for each parser and encoder a plain one, which comes first,
 * and those of about the same size that it has most trouble with, as far as can
 * be thought of. */
#ifndef BENCH_INPUTS_H
#define BENCH_INPUTS_H

#include <stddef.h>

#include "lib/buf.h"

enum { INPUTS_MAX = 40 };

struct input {
	const char *name;
	struct buf bytes;     /* owned */
	double us;            /* what it took; worst.c's */
};

struct inputs {
	struct input list[INPUTS_MAX];
	size_t n;
};

void inputs_free(struct inputs *inputs);

/* What the tokens are signed with; at most 64 bytes. */
extern const char inputs_key[];

/* The data of a message: what is UTF-8, and, beside a plain one, what only a
 * program that writes to the table can make. */
void inputs_texts(struct inputs *inputs, size_t size);
void inputs_ill_formed(struct inputs *inputs, size_t size);

/* inputs_tokens: tokens, most with good signatures. */
void inputs_tokens(struct inputs *inputs, size_t size);

/* Whole FastCGI requests. None opens a stream or stores anything: the heads end
 * with a topic that has no name, the bodies with what their token may not do. */
void inputs_heads(struct inputs *inputs, size_t size);     /* GET /events */
void inputs_grants(struct inputs *inputs, size_t size);    /* the same, by tokens with topics */
void inputs_forms(struct inputs *inputs, size_t size);     /* POST /msg, a form */
void inputs_objects(struct inputs *inputs, size_t size);   /* JSON */
void inputs_lines(struct inputs *inputs, size_t size);     /* NDJSON */
void inputs_bodies(struct inputs *inputs, size_t size);    /* text/plain */

#endif

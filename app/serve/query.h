/* A query: the parameters of a GET request, each known by name. Plain functions: any
 * thread. */
#ifndef APP_SERVE_QUERY_H
#define APP_SERVE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/form.h"

enum { QUERY_FAULT_BYTES = 160, QUERY_MAX_PARAMETERS = 16 };

/* Reads one value into what query_read was given. 0; or -1, after query_refuse. */
typedef int query_value(void *into, char fault[QUERY_FAULT_BYTES], const struct form *form);

struct query_parameter {
	const char *name;
	query_value *read;     /* NULL: somebody else's, such as the token */
	bool repeats;          /* may be given several times */
	bool absent_if_empty;  /* as an EventSource has no id yet, and a page no token */
};

/* query_read reads the query of a path that has n parameters. 0; or -1, and fault is a
 * sentence for the client: a parameter that is not known, for it is easily misspelt; a
 * value that is not known; or one given twice that can be given once. Names that begin
 * with '_' are let pass: caches are kept off with them. */
int query_read(const char *query, const char *path, const struct query_parameter *parameters,
    size_t n, void *into, char fault[QUERY_FAULT_BYTES]);

/* query_refuse writes the fault, and returns -1 for its caller to return. */
int query_refuse(char fault[QUERY_FAULT_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

/* Reads a query by a table of its parameters. The work is linear in the query: reading
 * ends with the first fault, and only that is compared with the names in the table. */

#include "app/serve/query.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/nearest.h"

int
query_refuse(char fault[QUERY_FAULT_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(fault, QUERY_FAULT_BYTES, format, ap);
	va_end(ap);
	return -1;
}

/* What is being read. */
struct reading {
	const char *path;
	const struct query_parameter *parameters;
	size_t n;
	void *into;
	char *fault;
	unsigned seen;   /* a bit for each parameter that was there */
};

/* is_harmless: may the name stand in a sentence that somebody reads, in a log or a
 * page perhaps? */
static bool
is_harmless(const struct form *form)
{
	size_t len = strspn(form->name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return len > 0 && len == form->name_len && len <= NEAREST_MAX_BYTES;
}

static int
refuse_unknown(struct reading *reading, const struct form *form)
{
	const char *name = is_harmless(form) ? form->name : "of that name";
	const char *names[QUERY_MAX_PARAMETERS];
	struct buf all = BUF_EMPTY;
	size_t near = reading->n;
	char *text;

	assert(reading->n <= QUERY_MAX_PARAMETERS);
	for (size_t i = 0; i < reading->n; i++) {
		names[i] = reading->parameters[i].name;
		buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == reading->n ? " and " : ", ", names[i]);
	}
	if (form->name_len == strlen(form->name))
		near = nearest_of(form->name, names, reading->n);
	text = buf_take(&all);
	if (near < reading->n)
		query_refuse(reading->fault, "%s has no parameter %s: did you mean %s?", reading->path,
		    name, names[near]);
	else
		query_refuse(reading->fault, "%s has no parameter %s, only %s", reading->path, name, text);
	free(text);
	return -1;
}

static int
read_pair(struct reading *reading, const struct form *form)
{
	const struct query_parameter *parameter = NULL;
	unsigned bit = 1;

	if (form->name[0] == '_')
		return 0;
	for (size_t i = 0; i < reading->n && parameter == NULL; i++)
		if (strcmp(reading->parameters[i].name, form->name) == 0
		    && strlen(form->name) == form->name_len) {
			parameter = &reading->parameters[i];
			bit = 1u << i;
		}
	if (parameter == NULL)
		return refuse_unknown(reading, form);
	if (form->value_len == 0 && parameter->absent_if_empty)
		return 0;
	if (reading->seen & bit && !parameter->repeats)
		return query_refuse(reading->fault, "%s can be given only once", parameter->name);
	reading->seen |= bit;
	return parameter->read != NULL ? parameter->read(reading->into, reading->fault, form) : 0;
}

int
query_read(const char *query, const char *path, const struct query_parameter *parameters,
    size_t n, void *into, char fault[QUERY_FAULT_BYTES])
{
	struct reading reading = { path, parameters, n, into, fault, 0 };
	struct form form;
	int outcome, result = 0;

	form_init(&form, query, strlen(query));
	while (result == 0 && (outcome = form_next(&form)) != 0) {
		if (outcome == FORM_MALFORMED)
			result = query_refuse(fault, "the query has a %% without two hex digits");
		else if (outcome == FORM_TOO_MANY)
			result = query_refuse(fault, "the query has too many parameters");
		else
			result = read_pair(&reading, &form);
	}
	form_free(&form);
	return result;
}

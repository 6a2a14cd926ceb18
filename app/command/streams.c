/* Prints who is connected, for people or as JSON. What is asked is /presence; one page of
 * users is in memory at a time. */

#include "app/command/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "app/command/inquiry.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/terminal.h"

enum { NAME_COLUMNS = 32 };

/* get asks for an object. NULL: logged. */
static json_t *
get(const struct conf *conf, const char *query)
{
	struct buf body = BUF_EMPTY;
	json_t *answer = NULL;

	if (inquiry_get(conf, "/presence", query, &body) == 0) {
		answer = json_loadb(body.bytes, body.len, JSON_REJECT_DUPLICATES, NULL);
		if (answer == NULL)
			inquiry_is_foreign(conf);
	}
	buf_free(&body);
	return answer;
}

/* print_name prints a name in its column. */
static void
print_name(const char *name)
{
	int columns = terminal_print(name);

	printf("%*s", columns < NAME_COLUMNS ? NAME_COLUMNS - columns : 0, "");
}

static long long
number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void
print_nodes(const json_t *total)
{
	const json_t *nodes = json_object_get(total, "nodes"), *node;
	size_t i;

	printf("%-*s%10s%10s%10s\n", NAME_COLUMNS, "NODE", "USERS", "STREAMS", "SEEN");
	json_array_foreach(nodes, i, node) {
		long long ago = (long long)time(NULL) - number(node, "seen");

		print_name(json_string_value(json_object_get(node, "node")));
		printf("%10lld%10lld%6lld s ago\n", number(node, "users"), number(node, "streams"),
		    ago > 0 ? ago : 0);
	}
	printf("%-*s%10lld%10lld\n", NAME_COLUMNS, "all", number(total, "users"), number(total, "streams"));
	if (json_is_true(json_object_get(total, "partial")))
		puts("The log is away: this is what this machine knows by itself.");
}

static bool
is_total(const json_t *total)
{
	const json_t *nodes = json_object_get(total, "nodes"), *node;
	size_t i;

	json_array_foreach(nodes, i, node)
		if (!json_is_string(json_object_get(node, "node")))
			return false;
	return json_is_array(nodes) && json_is_integer(json_object_get(total, "users"));
}

/* is_page: does it hold users that all come after that one (NULL: any)? So the pages
 * come to an end. */
static bool
is_page(const json_t *page, const char *after)
{
	const json_t *users = json_object_get(page, "users"), *next = json_object_get(page, "next"), *row;
	size_t i;

	json_array_foreach(users, i, row) {
		const char *user = json_string_value(json_object_get(row, "user"));

		if (user == NULL || (after != NULL && strcmp(user, after) <= 0))
			return false;
		after = user;
	}
	return json_is_array(users) && (json_is_null(next)
	    || (json_is_string(next) && after != NULL && strcmp(json_string_value(next), after) == 0
	    && json_array_size(users) > 0));
}

/* list_query returns what asks for the page after that user; the caller frees it. */
static char *
list_query(const char *after)
{
	struct buf query = BUF_EMPTY;

	buf_add_str(&query, "list=1");
	if (after != NULL)
		buf_add_str(&query, "&after=");
	for (const unsigned char *at = (const unsigned char *)after; after != NULL && *at != '\0'; at++)
		buf_printf(&query, "%%%02x", *at);
	return buf_take(&query);
}

/* How a row of a page is printed. */
typedef void print_fn(const json_t *row, bool is_first);

static void
print_row(const json_t *row, bool is_first __attribute__((unused)))
{
	print_name(json_string_value(json_object_get(row, "user")));
	printf("%20lld\n", number(row, "streams"));
}

static void
print_json(const json_t *row, bool is_first)
{
	if (!is_first)
		putchar(',');
	json_dumpf(row, stdout, JSON_COMPACT);
}

/* print_page prints the users after that one (NULL: from the first), and makes *after the
 * last of them, or NULL where there are no more. */
static int
print_page(const struct conf *conf, char **after, print_fn *print)
{
	char *query = list_query(*after);
	json_t *page = get(conf, query), *row;
	int rc = -1;
	size_t i;

	free(query);
	if (page != NULL && !is_page(page, *after)) {
		inquiry_is_foreign(conf);
	} else if (page != NULL) {
		const char *next = json_string_value(json_object_get(page, "next"));

		json_array_foreach(json_object_get(page, "users"), i, row)
			print(row, i == 0 && *after == NULL);
		free(*after);
		*after = next != NULL ? mem_strdup(next) : NULL;
		rc = 0;
	}
	json_decref(page);
	return rc;
}

/* get_total asks for the sums and the machines. NULL: logged. */
static json_t *
get_total(const struct conf *conf)
{
	json_t *total = get(conf, "");

	if (total == NULL || is_total(total))
		return total;
	inquiry_is_foreign(conf);
	json_decref(total);
	return NULL;
}

static int
print_pages(const struct conf *conf, print_fn *print)
{
	char *after = NULL;
	int rc;

	do
		rc = print_page(conf, &after, print);
	while (rc == 0 && after != NULL);
	free(after);
	return rc;
}

int
streams_print(const struct conf *conf)
{
	json_t *total = get_total(conf);

	if (total == NULL)
		return -1;
	print_nodes(total);
	json_decref(total);
	printf("\n%-*s%20s\n", NAME_COLUMNS, "USER", "STREAMS");
	return print_pages(conf, print_row);
}

int
streams_print_json(const struct conf *conf)
{
	json_t *total = get_total(conf);
	char *text;
	int rc;

	if (total == NULL)
		return -1;
	text = json_dumps(total, JSON_COMPACT);
	json_decref(total);
	printf("%.*s,\"list\":[", (int)strlen(text) - 1, text);
	free(text);
	rc = print_pages(conf, print_json);
	puts("]}");
	return rc;
}

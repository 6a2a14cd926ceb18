/* Prints who is connected, for people. What is asked is /presence; one page of users is
 * in memory at a time. */

#include "app/command/streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "app/command/inquiry.h"
#include "lib/buf.h"
#include "lib/mem.h"

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

/* print_name prints a name in its column. It may hold any character: none that would
 * move the cursor, or worse, comes to a terminal. */
static void
print_name(const char *name)
{
	int columns = 0;

	for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; at++) {
		bool is_control = *at < ' ' || *at == 0x7f;

		/* U+0080 to U+009F are control characters too. */
		if (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
			is_control = true;
			at++;
		}
		putchar(is_control ? '?' : *at);
		columns += (*at & 0xc0) != 0x80 || is_control;
	}
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

/* print_page prints the users after that one (NULL: from the first), and makes *after the
 * last of them, or NULL where there are no more. */
static int
print_page(const struct conf *conf, char **after)
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

		json_array_foreach(json_object_get(page, "users"), i, row) {
			print_name(json_string_value(json_object_get(row, "user")));
			printf("%20lld\n", number(row, "streams"));
		}
		free(*after);
		*after = next != NULL ? mem_strdup(next) : NULL;
		rc = 0;
	}
	json_decref(page);
	return rc;
}

static int
print_total(const struct conf *conf)
{
	json_t *total = get(conf, "");
	int rc = -1;

	if (total != NULL && !is_total(total)) {
		inquiry_is_foreign(conf);
	} else if (total != NULL) {
		print_nodes(total);
		rc = 0;
	}
	json_decref(total);
	return rc;
}

int
streams_print(const struct conf *conf)
{
	char *after = NULL;
	int rc = print_total(conf);

	if (rc == 0)
		printf("\n%-*s%20s\n", NAME_COLUMNS, "USER", "STREAMS");
	do
		rc = rc == 0 ? print_page(conf, &after) : rc;
	while (rc == 0 && after != NULL);
	free(after);
	return rc;
}

/* rowcast status: asks the rowcast that listens on `listen` for /status, or for who is
 * connected, and prints the answer. One thread; it opens the socket and no store. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "app/command/command.h"
#include "app/command/inquiry.h"
#include "app/command/manual.h"
#include "app/command/streams.h"
#include "lib/buf.h"

struct arguments {
	struct command_conf conf;
	bool streams, json;
};

static const struct manual_option options[] = {
	{ "streams", NULL, "who is connected, on all machines together: the machines, and every user"
	    " with the number of open streams", offsetof(struct arguments, streams), false },
	{ "json", NULL, "as one JSON object in a line: what GET /status answers; with --streams what"
	    " GET /presence answers, and every user in \"list\"", offsetof(struct arguments, json), false },
	{ 0 },
};

/* print_lines prints the object, a member a line: it has none but numbers and names,
 * and these are printable. */
static void
print_lines(const struct buf *body)
{
	bool in_name = false;

	for (size_t i = 1; i < body->len - 1; i++) {
		if (body->bytes[i] == '"')
			in_name = !in_name;
		else if (body->bytes[i] == '\\')
			putchar(body->bytes[++i]);
		else if (body->bytes[i] == ',' && !in_name)
			putchar('\n');
		else if (body->bytes[i] == ':' && !in_name)
			fputs(": ", stdout);
		else
			putchar(body->bytes[i]);
	}
	putchar('\n');
}

static bool
is_object(const struct buf *body)
{
	json_t *object = json_loadb(body->bytes, body->len, 0, NULL);
	bool is = json_is_object(object) && body->bytes[0] == '{' && body->bytes[body->len - 1] == '}';

	json_decref(object);
	return is;
}

static int
print_status(const struct conf *conf, bool json)
{
	struct buf body = BUF_EMPTY;
	int rc = inquiry_get(conf, "/status", "", &body);

	if (rc == 0 && !is_object(&body))
		rc = inquiry_is_foreign(conf);
	if (rc == 0 && json)
		puts(body.bytes);
	else if (rc == 0)
		print_lines(&body);
	buf_free(&body);
	return rc;
}

static int
print(const struct conf *conf, const struct arguments *asked)
{
	if (!asked->streams)
		return print_status(conf, asked->json);
	return asked->json ? streams_print_json(conf) : streams_print(conf);
}

static int
run(int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	struct conf conf;
	int status, rc = -1;

	if (!manual_read(&manual_status, argc, argv, &arguments, &status))
		return status;
	if (command_conf_load(&arguments.conf, &conf) == 0) {
		rc = print(&conf, &arguments);
		conf_free(&conf);
	}
	manual_free(&manual_status, &arguments);
	return rc == 0 ? 0 : 1;
}

const struct manual manual_status = {
	.name = "status",
	.run = run,
	.summary = "says what a running rowcast is doing",
	.synopsis = "[--streams] [--json]",
	.description = "Asks the rowcast that listens on `listen` for its numbers, the same as those of GET"
	    " /status, and prints a line for each. Whoever may connect to that socket may ask; no token is"
	    " needed.",
	.options = options,
	.exits = (const struct manual_exit[]){
		{ 0, "it was printed" },
		{ 1, "no rowcast answers there, or it cannot be printed" },
		{ 2, "it was wrongly used" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast status", "all numbers, as `streams: 12`" },
		{ "rowcast status --json | jq .streams", "one of them, for a script" },
		{ "rowcast status --streams", "who is connected" },
		{ 0 },
	},
};

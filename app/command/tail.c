/* rowcast tail: messages as they come, one JSON object a line, read with a handle
 * of the store, whether a rowcast is running or not. One thread; it writes to stdout
 * only. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/command/command.h"
#include "app/command/manual.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/jsontext.h"
#include "lib/mailbox.h"

struct arguments {
	struct command_conf conf;
	const char *after, *user;
	struct command_list topics;
};

static const struct manual_option options[] = {
	{ "after", "ID", "begins behind the message of that id; 0: with the oldest. Without it, with"
	    " what comes from now on", offsetof(struct arguments, after), false },
	{ "user", "U", "only what this user may read: messages to that user, and those to everyone",
	    offsetof(struct arguments, user), false },
	{ "topic", "T", "only messages of this topic; may be repeated, and then those of any of them",
	    offsetof(struct arguments, topics), true },
	{ 0 },
};

static void
add_member(struct buf *line, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(line, ",\"%s\":", name);
	jsontext_add_string(line, value);
}

static bool
has_topic(const struct arguments *asked, const struct message *m)
{
	for (size_t i = 0; i < asked->topics.n && m->topic != NULL; i++)
		if (strcmp(asked->topics.values[i], m->topic) == 0)
			return true;
	return asked->topics.n == 0;
}

/* print_row prints what was asked for. The store's own filter is that of a stream, which
 * also gets what has no topic. */
static bool
print_row(void *context, const struct message *m)
{
	const struct arguments *asked = context;
	struct buf line = BUF_EMPTY;

	if ((asked->user != NULL && m->user != NULL && strcmp(asked->user, m->user) != 0)
	    || !has_topic(asked, m))
		return true;
	buf_printf(&line, "{\"id\":%" PRId64, m->id);
	add_member(&line, "user", m->user);
	add_member(&line, "topic", m->topic);
	add_member(&line, "event", m->event);
	add_member(&line, "data", m->data);
	buf_add_str(&line, "}\n");
	fwrite(line.bytes, 1, line.len, stdout);
	buf_free(&line);
	return !ferror(stdout);
}

/* follow prints what is above `after`, or where that is -1 what comes from now on. It
 * returns when something is wrong, which is logged. */
static void
follow(struct store *store, int64_t after, struct arguments *asked)
{
	struct mailbox nobody;   /* store_wait wants a descriptor that may wake it */
	struct store_bounds bounds;
	int64_t upto;

	if (store_bounds(store, &bounds) < 0)
		return;
	if (after < 0)
		after = bounds.newest;
	mailbox_init(&nobody);
	while (store_read(store, after, NULL, print_row, asked, &bounds, &upto) == 0
	    && command_flush() == 0) {
		after = upto;
		if (upto >= bounds.newest)
			store_wait(store, nobody.wake_fd);
	}
	mailbox_free(&nobody);
}

/* read_id: false where it is none. */
static bool
read_id(const char *text, int64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *id >= 0;
}

static int
run(int argc, char *argv[])
{
	struct arguments arguments = { 0 };
	struct store *store;
	struct conf conf;
	int64_t after = -1;
	int status;

	if (!manual_read(&manual_tail, argc, argv, &arguments, &status))
		return status;
	if (arguments.after != NULL && !read_id(arguments.after, &after)) {
		manual_free(&manual_tail, &arguments);
		return manual_misused(&manual_tail, "--after must be the id of a message, or 0");
	}
	if (command_conf_load(&arguments.conf, &conf) == 0) {
		store = store_open(conf.store, STORE_READER);
		if (store != NULL)
			follow(store, after, &arguments);
		store_close(store);
		conf_free(&conf);
	}
	manual_free(&manual_tail, &arguments);
	return 1;
}

const struct manual manual_tail = {
	.name = "tail",
	.run = run,
	.summary = "prints messages as they come, a JSON object a line",
	.synopsis = "[--after ID] [--user U] [--topic T]...",
	.description = "Prints messages as they are committed, each as a JSON object in a line of its own,"
	    " until it is interrupted. It reads the table by itself: no rowcast has to be running, and"
	    " no token is asked for, but the database has to be ours to open.",
	.options = options,
	.exits = (const struct manual_exit[]){
		{ 1, "the store cannot be read, or nobody takes what is printed; by itself it does not end" },
		{ 2, "it was wrongly used" },
		{ 0 },
	},
	.examples = (const struct manual_example[]){
		{ "rowcast tail", "everything that is published from now on" },
		{ "rowcast tail --after 0 --topic build", "all that is kept of the topic build, and what comes" },
		{ "rowcast tail --user 42 | jq -r .data", "the texts that user 42 may read" },
		{ 0 },
	},
};

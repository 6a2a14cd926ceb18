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
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/jsontext.h"
#include "lib/mailbox.h"

static const char usage[] = "tail [--after ID] [--user U] [-c FILE] [-o KEY=VALUE]...";

static void
add_member(struct buf *line, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(line, ",\"%s\":", name);
	jsontext_add_string(line, value);
}

/* print_row prints what the user may read; NULL: everything. */
static bool
print_row(void *context, const struct message *m)
{
	const char *user = context;
	struct buf line = BUF_EMPTY;

	if (user != NULL && m->user != NULL && strcmp(user, m->user) != 0)
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

/* follow prints what is above `after`, or where that was not given what comes from
 * now on. It returns when something is wrong, which is logged. */
static void
follow(struct store *store, bool after_given, int64_t after, char *user)
{
	struct mailbox nobody;   /* store_wait wants a descriptor that may wake it */
	struct store_bounds bounds;
	int64_t upto;

	if (store_bounds(store, &bounds) < 0)
		return;
	if (!after_given)
		after = bounds.newest;
	mailbox_init(&nobody);
	while (store_read(store, after, NULL, print_row, user, &bounds, &upto) == 0
	    && command_flush() == 0) {
		after = upto;
		if (upto >= bounds.newest)
			store_wait(store, nobody.wake_fd);
	}
	mailbox_free(&nobody);
}

int
command_tail(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "after", required_argument, NULL, 'a' },
		{ "user", required_argument, NULL, 'u' },
		{ 0 },
	};
	struct command_conf cc = { 0 };
	struct store *store;
	struct conf conf;
	int64_t after = 0;
	bool after_given = false;
	char *user = NULL, *end;
	int option;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		switch (option) {
		case 'a':
			errno = 0;
			after = strtoll(optarg, &end, 10);
			if (errno != 0 || end == optarg || *end != '\0' || after < 0)
				goto misused;
			after_given = true;
			break;
		case 'u':
			user = optarg;
			break;
		case '?':
			goto misused;
		default:
			command_conf_option(&cc, option);
		}
	}
	if (optind < argc)
		goto misused;
	if (command_conf_load(&cc, &conf) == 0) {
		store = store_open(conf.store, STORE_READER);
		if (store != NULL)
			follow(store, after_given, after, user);
		store_close(store);
		conf_free(&conf);
	}
	command_conf_free(&cc);
	return 1;
misused:
	command_conf_free(&cc);
	return command_usage(usage);
}

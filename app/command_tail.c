/* rowcast tail: messages as they come, one JSON object a line, read from the
 * store itself, whether a rowcast is running or not. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/command.h"
#include "app/store.h"
#include "lib/buf.h"
#include "lib/jsontext.h"
#include "lib/mailbox.h"

static const char usage[] = "tail [--after ID] [--user U] [-c FILE] [-o KEY=VALUE]...";

struct printer {
	const char *user;   /* only what this user may read; NULL: everything */
	bool broken;        /* nobody reads our output any more */
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
print_row(void *context, const struct message *m)
{
	struct printer *printer = context;
	struct buf line = BUF_EMPTY;

	if (printer->user != NULL && m->user != NULL && strcmp(printer->user, m->user) != 0)
		return true;
	buf_printf(&line, "{\"id\":%" PRId64, m->id);
	add_member(&line, "user", m->user);
	add_member(&line, "topic", m->topic);
	add_member(&line, "event", m->event);
	add_member(&line, "data", m->data);
	buf_add_str(&line, "}\n");
	printer->broken = fwrite(line.bytes, 1, line.len, stdout) < line.len;
	buf_free(&line);
	return !printer->broken;
}

/* follow returns only when something is wrong. */
static int
follow(struct store *store, int64_t after, struct printer *printer)
{
	struct mailbox nobody;   /* store_wait wants a descriptor that may wake it */
	struct store_bounds bounds;
	int64_t upto;
	int rc = 0;

	if (store_bounds(store, &bounds) < 0)
		return -1;
	if (after < 0)
		after = bounds.newest;
	mailbox_init(&nobody);
	while (!printer->broken) {
		rc = store_read(store, after, NULL, print_row, printer, &bounds, &upto);
		if (rc != 0 || fflush(stdout) != 0)
			break;
		after = upto;
		store_wait(store, nobody.wake_fd);
	}
	mailbox_free(&nobody);
	return rc;
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
	struct printer printer = { 0 };
	struct store *store;
	struct conf conf;
	int64_t after = -1;
	char *end;
	int option, rc = -1;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		switch (option) {
		case 'a':
			errno = 0;
			after = strtoll(optarg, &end, 10);
			if (errno != 0 || end == optarg || *end != '\0' || after < 0)
				goto misused;
			break;
		case 'u':
			printer.user = optarg;
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
			rc = follow(store, after, &printer);
		store_close(store);
		conf_free(&conf);
	}
	command_conf_free(&cc);
	return rc == 0 ? 0 : 1;
misused:
	command_conf_free(&cc);
	return command_usage(usage);
}

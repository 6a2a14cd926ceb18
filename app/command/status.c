/* rowcast status: asks the rowcast that listens on `listen` for /status, or for who is
 * connected, and prints the answer. One thread; it opens the socket and no store. */

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "app/command/command.h"
#include "app/command/inquiry.h"
#include "app/command/streams.h"
#include "lib/buf.h"

static const char usage[] = "status [--streams] [-c FILE] [-o KEY=VALUE]...";

/* print_status prints the object, a member a line: it has none but numbers and names,
 * and these are printable. */
static int
print_status(const struct conf *conf)
{
	struct buf body = BUF_EMPTY;
	bool in_name = false;

	if (inquiry_get(conf, "/status", "", &body) < 0) {
		buf_free(&body);
		return -1;
	}
	if (body.len < 2 || body.bytes[0] != '{' || body.bytes[body.len - 1] != '}') {
		buf_free(&body);
		return inquiry_is_foreign(conf);
	}
	for (size_t i = 1; i < body.len - 1; i++) {
		if (body.bytes[i] == '"')
			in_name = !in_name;
		else if (body.bytes[i] == '\\')
			putchar(body.bytes[++i]);
		else if (body.bytes[i] == ',' && !in_name)
			putchar('\n');
		else if (body.bytes[i] == ':' && !in_name)
			fputs(": ", stdout);
		else
			putchar(body.bytes[i]);
	}
	putchar('\n');
	buf_free(&body);
	return 0;
}

int
command_status(int argc, char *argv[])
{
	static const struct option options[] = { { "streams", no_argument, NULL, 's' }, { 0 } };
	struct command_conf cc = { 0 };
	struct conf conf;
	bool streams = false;
	int option, rc = -1;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		if (option == 's') {
			streams = true;
		} else if (option == '?') {
			command_conf_free(&cc);
			return command_usage(usage);
		} else {
			command_conf_option(&cc, option);
		}
	}
	if (optind < argc) {
		command_conf_free(&cc);
		return command_usage(usage);
	}
	if (command_conf_load(&cc, &conf) == 0) {
		rc = streams ? streams_print(&conf) : print_status(&conf);
		conf_free(&conf);
	}
	command_conf_free(&cc);
	return rc == 0 ? 0 : 1;
}

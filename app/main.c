/* The program: finds the command that the first argument names, and runs it in
 * this one thread. Nothing is opened here. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/command/command.h"
#include "app/serve/serve.h"
#include "app/upstream/upstream.h"

static const struct {
	const char *name;
	command *run;
	const char *help;
} commands[] = {
	{ "serve", command_serve, "the FastCGI responder, in the foreground, log on stderr" },
	{ "check", command_check, "says whether serve would work: configuration, keys, store, socket" },
	{ "token", command_token, "prints a token signed with the configured key" },
	{ "publish", command_publish, "stores DATA, or each line of stdin, and prints the ids" },
	{ "tail", command_tail, "prints messages as they come, a JSON object a line" },
	{ "status", command_status, "says what a running rowcast is doing" },
	{ "kick", command_kick, "ends a user's open streams, which may come back" },
	{ "revoke", command_revoke, "ends them, and refuses all tokens of the user issued until now" },
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void
print_help(FILE *to)
{
	fputs("rowcast pushes the rows of a SQLite table to browsers.\n\n"
	    "  rowcast serve   [-c FILE] [-o KEY=VALUE]...\n"
	    "  rowcast check   [-c FILE] [-o KEY=VALUE]...\n"
	    "  rowcast token   --user U [--topic T]... [--scope S] [--ttl 1h]\n"
	    "  rowcast publish [--user U | --topic T | --all] [--event E] [DATA]\n"
	    "  rowcast tail    [--after ID] [--user U]\n"
	    "  rowcast status  [--streams]\n"
	    "  rowcast kick    --user U\n"
	    "  rowcast revoke  --user U\n"
	    "  rowcast --version | --help\n\n", to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\nEvery command takes -c FILE (default " CONF_DEFAULT_FILE ") and -o KEY=VALUE.\n", to);
}

static bool
is_help(const char *argument)
{
	return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

int
main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--version") == 0) {
		printf("rowcast " PACKAGE_VERSION "\n%s\n", upstream_built_with());
		return command_flush() == 0 ? 0 : 1;
	}
	if (is_help(name)) {
		print_help(stdout);
		return command_flush() == 0 ? 0 : 1;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0) {
			int status = 0;

			if (argc == 3 && is_help(argv[2]))
				print_help(stdout);
			else
				status = commands[i].run(argc - 1, argv + 1);

			return command_flush() == 0 ? status : 1;
		}
	if (*name != '\0')
		fprintf(stderr, "rowcast: there is no command %s\n\n", name);
	print_help(stderr);
	return 2;
}

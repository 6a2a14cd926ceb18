/* The program: finds the command that the first argument names, and runs it in
 * this one thread. Nothing is opened here. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "app/command/command.h"
#include "app/commands.h"
#include "app/probe/probe.h"
#include "app/upstream/upstream.h"

static void
print_help(FILE *to)
{
	fputs("rowcast pushes the rows of a SQLite table to browsers.\n\n"
	    "usage: rowcast COMMAND [OPTION]...\n"
	    "       rowcast --version | --help | COMMAND --help\n\n", to);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nEvery command takes -c FILE (default " CONF_DEFAULT_FILE ") and -o KEY=VALUE,\n"
	    "and --help says what else.\n", to);
}

int
main(int argc, char *argv[])
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(name, commands[i]->name) == 0) {
			int status = commands[i]->run(argc - 1, argv + 1);

			return command_flush() == 0 ? status : 1;
		}
	if (strcmp(name, "--version") == 0) {
		printf("rowcast " PACKAGE_VERSION "\n%s\n%s\n", upstream_built_with(), probe_built_with());
		return command_flush() == 0 ? 0 : 1;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return command_flush() == 0 ? 0 : 1;
	}
	if (*name != '\0')
		fprintf(stderr, "rowcast: there is no command %s\n\n", name);
	print_help(stderr);
	return 2;
}

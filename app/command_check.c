#include <stdio.h>
#include <unistd.h>

#include "app/auth.h"
#include "app/command.h"

static const char usage[] = "check [-c FILE] [-o KEY=VALUE]...";

int
command_check(int argc, char *argv[])
{
	struct command_conf cc = { 0 };
	struct conf conf;
	struct auth *auth = NULL;
	int option;

	while ((option = getopt(argc, argv, COMMAND_CONF_SHORT)) != -1) {
		if (option == '?')
			goto misused;
		command_conf_option(&cc, option);
	}
	if (optind < argc)
		goto misused;
	if (command_conf_load(&cc, &conf) == 0) {
		auth = auth_open(&conf);
		conf_free(&conf);
	}
	command_conf_free(&cc);
	if (auth == NULL)
		return 1;
	auth_close(auth);
	puts("the configuration and the keys are right");
	return 0;
misused:
	command_conf_free(&cc);
	return command_usage(usage);
}

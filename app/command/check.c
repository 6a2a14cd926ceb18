/* rowcast check: reads the configuration and the keys as rowcast serve would, and
 * logs what is wrong with them. One thread; it opens no store and no socket. */

#include <stdio.h>

#include "app/access/auth.h"
#include "app/command/command.h"

static const char usage[] = "check [-c FILE] [-o KEY=VALUE]...";

int
command_check(int argc, char *argv[])
{
	struct command_conf cc = { 0 };
	struct conf conf;
	struct auth *auth = NULL;

	if (command_conf_args(&cc, argc, argv, usage) != 0)
		return 2;
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
}

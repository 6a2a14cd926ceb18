/* Every command there is, in the order in which help lists them: for main, and for
 * whatever makes man pages of their manuals. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include "app/command/manual.h"
#include "app/serve/serve.h"

static const struct manual *const commands[] = {
	&manual_serve,
	&manual_check,
	&manual_token,
	&manual_publish,
	&manual_tail,
	&manual_status,
	&manual_kick,
	&manual_revoke,
	&manual_probe,
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

#endif

/* What the commands share: the configuration, flushing stdout. All of it runs in main's
 * thread. */

#include "app/command/command.h"

#include <stdio.h>

#include "app/upstream/upstream.h"

int
command_conf_load(const struct command_conf *cc, struct conf *conf)
{
	if (conf_load(conf, cc->file, cc->options.values, cc->options.n) < 0)
		return -1;
	if (!upstream_is_possible(conf)) {
		conf_free(conf);
		return -1;
	}
	log_set_level(conf->log_level);
	return 0;
}

int
command_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	log_error("stdout");
	clearerr(stdout);
	return -1;
}

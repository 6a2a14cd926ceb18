/* What the commands share: -c and -o, flushing stdout, the line on usage. All of it
 * runs in main's thread. */

#include "app/command/command.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/mem.h"

void
command_conf_option(struct command_conf *cc, int option)
{
	if (option == 'c') {
		cc->file = optarg;
		return;
	}
	cc->options = mem_realloc(cc->options, (cc->n_options + 1) * sizeof(char *));
	cc->options[cc->n_options++] = optarg;
}

int
command_conf_args(struct command_conf *cc, int argc, char *argv[], const char *usage)
{
	static const struct option none[] = { { 0 } };  /* so that a long one is named in full */
	int option;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, none, NULL)) != -1
	    && option != '?')
		command_conf_option(cc, option);
	if (option == -1 && optind == argc)
		return 0;
	command_conf_free(cc);
	return command_usage(usage);
}

int
command_conf_load(const struct command_conf *cc, struct conf *conf)
{
	if (conf_load(conf, cc->file, cc->options, cc->n_options) < 0)
		return -1;
	if (!upstream_is_possible(conf)) {
		conf_free(conf);
		return -1;
	}
	log_set_level(conf->log_level);
	return 0;
}

void
command_conf_free(struct command_conf *cc)
{
	free(cc->options);
	*cc = (struct command_conf){ 0 };
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

int
command_usage(const char *usage)
{
	fprintf(stderr, "usage: rowcast %s\n", usage);
	return 2;
}

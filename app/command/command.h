/* The commands of the command line, and what they share. Each takes its own
 * arguments, argv[0] being its name, and returns the program's exit status: 0 done,
 * 1 not, 2 for a wrong usage. They run in main's thread, the only one there is (but
 * see serve/serve.h). */
#ifndef APP_COMMAND_COMMAND_H
#define APP_COMMAND_COMMAND_H

#include <getopt.h>
#include <stddef.h>

#include "app/setting/conf.h"

typedef int command(int argc, char *argv[]);

command command_check;     /* each in the file of its name, but for the last two: control.c */
command command_token;
command command_publish;
command command_tail;
command command_status;
command command_kick;
command command_revoke;

/* What every command takes: -c FILE and -o KEY=VALUE. */
struct command_conf {
	const char *file;     /* lent by argv; NULL: the default one */
	char **options;       /* owned array of strings lent by argv */
	size_t n_options;
};

#define COMMAND_CONF_SHORT "c:o:"

/* command_conf_option takes option c or o with getopt's optarg. */
void command_conf_option(struct command_conf *cc, int option);

/* command_conf_args takes the arguments of a command that has no others. 0, or
 * 2 after saying how it is used, and then there is nothing to free. */
int command_conf_args(struct command_conf *cc, int argc, char *argv[], const char *usage);

/* command_conf_load loads the configuration, as far as this program can do what it asks
 * for. -1: logged. */
int command_conf_load(const struct command_conf *cc, struct conf *conf);

void command_conf_free(struct command_conf *cc);

/* command_flush: has all that was printed come to where stdout goes? A disk may
 * be full, a reader gone. 0, or -1: logged, once. */
int command_flush(void);

/* command_usage says how the command is used, on stderr, and returns 2. */
int command_usage(const char *usage);

#endif

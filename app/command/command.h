/* The commands of the command line, and what they share. Each takes its own
 * arguments, argv[0] being its name, and returns the program's exit status: 0 done,
 * 1 not, 2 for a wrong usage. They run in main's thread, the only one there is (but
 * see serve/serve.h). What is to be known of each stands in its manual (manual.h). */
#ifndef APP_COMMAND_COMMAND_H
#define APP_COMMAND_COMMAND_H

#include <stddef.h>

#include "app/setting/conf.h"

typedef int command(int argc, char *argv[]);

struct manual;

extern const struct manual manual_check;  /* each in the file of its name, but for the */
extern const struct manual manual_token;  /* last two: control.c */
extern const struct manual manual_publish;
extern const struct manual manual_tail;
extern const struct manual manual_status;
extern const struct manual manual_probe;
extern const struct manual manual_kick;
extern const struct manual manual_revoke;

/* What was given for an option that may be repeated. */
struct command_list {
	char **values;        /* owned array of n strings that argv lends */
	size_t n;
};

/* What every command takes: -c FILE and -o KEY=VALUE. */
struct command_conf {
	const char *file;     /* lent by argv; NULL: the default one */
	struct command_list options;
};

/* command_conf_load loads the configuration, as far as this program can do what it asks
 * for. -1: logged. */
int command_conf_load(const struct command_conf *cc, struct conf *conf);

/* command_flush: has all that was printed come to where stdout goes? A disk may
 * be full, a reader gone. 0, or -1: logged, once. */
int command_flush(void);

#endif

/* A manual: all that is to be known of one command. What it takes is one table, by which
 * its arguments are read, and from which its help is printed, and its manual made. Main's
 * thread. */
#ifndef APP_COMMAND_MANUAL_H
#define APP_COMMAND_MANUAL_H

#include <stdbool.h>
#include <stddef.h>

#include "app/command/command.h"

/* One option, and the field that it goes to in a struct of the command's own, which begins
 * with a struct command_conf. All zero ends a table. */
struct manual_option {
	const char *name;     /* without dashes: of one letter it has one, else two; or an operand's */
	const char *value;    /* what stands for its value, "U"; NULL: a flag, the field is a bool */
	const char *meaning;
	size_t offset;        /* of a const char *, lent by argv: the last one given, or NULL */
	bool repeats;         /* the field is a struct command_list */
};

struct manual_exit {
	int status;
	const char *when;
};

struct manual_example {
	const char *line;
	const char *does;
};

struct manual {
	const char *name;
	command *run;
	const char *summary;      /* for the list of commands */
	const char *synopsis;     /* behind the name, without -c and -o; a line for each way */
	const char *description;  /* what it does, in two sentences or some more */
	const struct manual_option *options;   /* its own; NULL: none */
	struct manual_option operand;          /* all zero: it takes none */
	const struct manual_exit *exits;       /* the last one's `when` is NULL */
	const struct manual_example *examples; /* the last one's line is NULL */
};

/* manual_common lends the options that every command takes, ended as a table. */
const struct manual_option *manual_common(void);

/* manual_read reads argv into *arguments, which is all zero and begins with a struct
 * command_conf. true: manual_free is due. false: there is nothing more to do, or to free,
 * and *status says what to return: the help was printed, or it is wrongly used, and that
 * was said. */
bool manual_read(const struct manual *manual, int argc, char *argv[], void *arguments, int *status);
void manual_free(const struct manual *manual, void *arguments);

/* manual_misused says on stderr what is wrong, and how the command is used. Returns 2. */
int manual_misused(const struct manual *manual, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* manual_print prints the manual on stdout. */
void manual_print(const struct manual *manual);

#endif

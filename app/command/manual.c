/* Reads a command's arguments by its table, and prints its help from the same one. All
 * of it runs in main's thread. */

#include "app/command/manual.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

enum {
	COLUMNS = 80,
	OPTION_COLUMNS = 22,  /* in which an option stands, and its meaning behind it */
	FIRST_VALUE = 0x100,  /* of what getopt returns for an option: above all letters */
};

static const struct manual_option common[] = {
	{ "c", "FILE", "the configuration; without it " CONF_DEFAULT_FILE ", if that is there",
	    offsetof(struct command_conf, file), false },
	{ "o", "KEY=VALUE", "a setting that replaces what the file says; may be repeated",
	    offsetof(struct command_conf, options), true },
	{ 0 },
};

const struct manual_option *
manual_common(void)
{
	return common;
}

static size_t
count(const struct manual_option *options)
{
	size_t n = 0;

	while (options != NULL && options[n].name != NULL)
		n++;
	return n;
}

/* ---- wrapping ---- */

/* word_len: a word ends at a blank, but not in brackets that it begins with. */
static size_t
word_len(const char *text)
{
	size_t len = text[0] == '[' ? strcspn(text, "]") : 0;

	return len + strcspn(text + len, " ");
}

/* print_wrapped prints the words of text, the first from `column` on, where something
 * stands already, the lines after it indented by `indent`. */
static void
print_wrapped(FILE *to, const char *text, size_t column, size_t indent)
{
	bool is_first = true;

	while (*text != '\0') {
		size_t len = word_len(text);

		if (!is_first && column + 1 + len > COLUMNS) {
			fprintf(to, "\n%*s", (int)indent, "");
			column = indent;
			is_first = true;
		}
		fprintf(to, "%s%.*s", is_first ? "" : " ", (int)len, text);
		column += len + (is_first ? 0 : 1);
		is_first = false;
		text += len;
		text += strspn(text, " ");
	}
	putc('\n', to);
}

/* print_usage prints each way of using the command, which are lines of the synopsis. */
static void
print_usage(FILE *to, const struct manual *manual)
{
	const char *head = "usage:", *way = manual->synopsis;

	do {
		size_t len = strcspn(way, "\n");
		char *text = mem_printf("%.*s%s[-c FILE] [-o KEY=VALUE]...", (int)len, way,
		    len > 0 ? " " : "");
		int column = fprintf(to, "%s rowcast %s ", head, manual->name);

		print_wrapped(to, text, (size_t)column, (size_t)column);
		free(text);
		head = "      ";
		way += len + (way[len] == '\n');
	} while (*way != '\0');
}

/* ---- reading ---- */

/* What getopt is asked with. */
struct question {
	struct option *names;               /* owned */
	struct buf letters;
	const struct manual_option **options; /* owned: by the value that getopt returns */
	size_t n;
};

static void
ask_for(struct question *question, const struct manual_option *options)
{
	for (size_t i = 0, n = count(options); i < n; i++) {
		bool has_value = options[i].value != NULL;

		if (strlen(options[i].name) == 1)
			buf_printf(&question->letters, "%s%s", options[i].name, has_value ? ":" : "");
		question->names[question->n] = (struct option){ options[i].name,
			has_value ? required_argument : no_argument, NULL, FIRST_VALUE + (int)question->n };
		question->options[question->n++] = &options[i];
	}
}

static void
question_make(struct question *question, const struct manual *manual)
{
	size_t n = count(manual->options) + count(common);

	question->letters = (struct buf)BUF_EMPTY;
	question->names = mem_zalloc((n + 2) * sizeof(*question->names));
	question->options = mem_alloc(n * sizeof(*question->options));
	question->n = 0;
	buf_add_char(&question->letters, 'h');
	ask_for(question, manual->options);
	ask_for(question, common);
	question->names[n] = (struct option){ "help", no_argument, NULL, 'h' };
	buf_add_char(&question->letters, '\0');
}

static void
question_free(struct question *question)
{
	free(question->names);
	free(question->options);
	buf_free(&question->letters);
}

/* option_of: the one that getopt has found; NULL: --help. */
static const struct manual_option *
option_of(const struct question *question, int found)
{
	if (found >= FIRST_VALUE)
		return question->options[found - FIRST_VALUE];
	for (size_t i = 0; i < question->n; i++)
		if (question->options[i]->name[0] == found && question->options[i]->name[1] == '\0')
			return question->options[i];
	return NULL;
}

/* put puts what was given into its field; of what does not repeat the last one counts. */
static void
put(const struct manual_option *option, void *arguments, char *value)
{
	void *field = (char *)arguments + option->offset;
	struct command_list *list = field;

	if (option->repeats) {
		list->values = mem_realloc(list->values, (list->n + 1) * sizeof(*list->values));
		list->values[list->n++] = value;
	} else if (option->value == NULL) {
		*(bool *)field = true;
	} else {
		*(const char **)field = value;
	}
}

static int
misused(const struct manual *manual)
{
	print_usage(stderr, manual);
	fprintf(stderr, "`rowcast %s --help` says more.\n", manual->name);
	return 2;
}

int
manual_misused(const struct manual *manual, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", manual->name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	putc('\n', stderr);
	return misused(manual);
}

/* read_operand takes what is left of argv. */
static int
read_operand(const struct manual *manual, int argc, char *argv[], void *arguments)
{
	if (argc - optind > (manual->operand.name != NULL ? 1 : 0))
		return manual_misused(manual, "%s is too much",
		    argv[optind + (manual->operand.name != NULL ? 1 : 0)]);
	if (optind < argc)
		put(&manual->operand, arguments, argv[optind]);
	return 0;
}

bool
manual_read(const struct manual *manual, int argc, char *argv[], void *arguments, int *status)
{
	struct question question;
	bool wants_help = false;
	int found;

	*status = 0;
	question_make(&question, manual);
	optind = 0;  /* glibc: begin anew */
	while (*status == 0 && !wants_help && (found = getopt_long(argc, argv,
	    question.letters.bytes, question.names, NULL)) != -1) {
		const struct manual_option *option = found != '?' ? option_of(&question, found) : NULL;

		if (found == '?')  /* getopt has said so */
			*status = misused(manual);
		else if (option == NULL)
			wants_help = true;
		else
			put(option, arguments, optarg);
	}
	if (*status == 0 && !wants_help)
		*status = read_operand(manual, argc, argv, arguments);
	question_free(&question);
	if (wants_help)
		manual_print(manual);
	if (*status == 0 && !wants_help)
		return true;
	manual_free(manual, arguments);
	return false;
}

static void
drop_lists(const struct manual_option *options, void *arguments)
{
	for (size_t i = 0, n = count(options); i < n; i++) {
		struct command_list *list = (void *)((char *)arguments + options[i].offset);

		if (!options[i].repeats)
			continue;
		free(list->values);
		*list = (struct command_list){ 0 };
	}
}

void
manual_free(const struct manual *manual, void *arguments)
{
	drop_lists(manual->options, arguments);
	drop_lists(common, arguments);
}

/* ---- printing ---- */

/* print_entry prints a head, and behind it, or below it where that is long, what it means. */
static void
print_entry(const char *head, const char *meaning, size_t indent)
{
	size_t column = (size_t)printf("  %s", head);

	if (column + 2 > indent) {
		putchar('\n');
		column = 0;
	}
	printf("%*s", (int)(indent - column), "");
	print_wrapped(stdout, meaning, indent, indent);
}

static void
print_options(const struct manual_option *options)
{
	for (size_t i = 0, n = count(options); i < n; i++) {
		const struct manual_option *option = &options[i];
		char *head = mem_printf("%s%s%s%s", option->name[1] == '\0' ? "-" : "--", option->name,
		    option->value != NULL ? " " : "", option->value != NULL ? option->value : "");

		print_entry(head, option->meaning, OPTION_COLUMNS);
		free(head);
	}
}

void
manual_print(const struct manual *manual)
{
	print_usage(stdout, manual);
	putchar('\n');
	print_wrapped(stdout, manual->description, 0, 0);
	puts("\nOptions:");
	if (manual->operand.name != NULL)
		print_entry(manual->operand.name, manual->operand.meaning, OPTION_COLUMNS);
	print_options(manual->options);
	print_options(common);
	print_entry("-h, --help", "prints this", OPTION_COLUMNS);
	puts("\nExit status:");
	for (const struct manual_exit *exit = manual->exits; exit->when != NULL; exit++) {
		char *head = mem_printf("%d", exit->status);

		print_entry(head, exit->when, 5);
		free(head);
	}
	puts("\nExamples:");
	for (const struct manual_example *example = manual->examples; example->line != NULL; example++) {
		printf("  %s\n      ", example->line);
		print_wrapped(stdout, example->does, 6, 6);
	}
}

/* Manuals: each command's own, whether what stands in one agrees with itself; and one of
 * the test's, how its table is read. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"

#include "app/commands.h"
#include "app/setting/conf.h"
#include "lib/mem.h"

struct arguments {
	struct command_conf conf;
	const char *user, *data;
	struct command_list topics;
	bool all;
};

static const struct manual_option options[] = {
	{ "user", "U", "who", offsetof(struct arguments, user), false },
	{ "topic", "T", "what about", offsetof(struct arguments, topics), true },
	{ "all", NULL, "everyone", offsetof(struct arguments, all), false },
	{ 0 },
};

static const struct manual_exit exits[] = { { 0, "done" }, { 0 } };
static const struct manual_example examples[] = { { "rowcast try x", "tries x" }, { 0 } };

static const struct manual manual = {
	.name = "try", .summary = "tries", .synopsis = "[--user U] [--topic T]... [--all] [DATA]",
	.description = "Tries it.", .options = options,
	.operand = { "DATA", "DATA", "what to try", offsetof(struct arguments, data), false },
	.exits = exits, .examples = examples,
};

/* ---- verbs ---- */

static struct arguments arguments;
static int status;

/* reads returns what manual_read does with these words. */
static bool
reads(const struct manual *of, const char *const *words)
{
	static char text[32][64], *argv[33];  /* what is read is lent by them */
	int argc = 0;

	snprintf(text[argc], sizeof(text[0]), "%s", of->name);
	for (argv[argc] = text[argc]; *words != NULL; words++) {
		argc++;
		snprintf(text[argc], sizeof(text[0]), "%s", *words);
		argv[argc] = text[argc];
	}
	argv[++argc] = NULL;
	arguments = (struct arguments){ 0 };
	return manual_read(of, argc, argv, &arguments, &status);
}

/* misuses: it is refused, and stderr says so, and how the command is used. */
static void
misuses(const struct manual *of, const char *const *words, const char *why)
{
	const char *said;
	bool result;

	capture_begin();
	result = reads(of, words);
	said = capture_end();
	assert_false(result);
	assert_int_equal(status, 2);
	assert_says(said, why);
	assert_says(said, "usage: rowcast ");
	assert_int_equal(arguments.topics.n, 0);
	assert_null(arguments.topics.values);
}

/* printed returns what manual_print prints; the caller frees it. */
static char *
printed(const struct manual *of)
{
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	char *text = mem_zalloc(65536);

	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	manual_print(of);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	assert_true(pread(fileno(file), text, 65535, 0) > 0);
	fclose(file);
	return text;
}

/* ---- reading ---- */

TEST(every_kind_of_option_goes_to_its_field)
{
	assert_true(reads(&manual, LIST("--topic", "a", "-c", "/f", "--user=42", "x", "--all", "-ok=1",
	    "--topic", "b", "-o", "l=2")));
	assert_string_equal(arguments.user, "42");
	assert_string_equal(arguments.data, "x");
	assert_true(arguments.all);
	assert_int_equal(arguments.topics.n, 2);
	assert_string_equal(arguments.topics.values[0], "a");
	assert_string_equal(arguments.topics.values[1], "b");
	assert_string_equal(arguments.conf.file, "/f");
	assert_int_equal(arguments.conf.options.n, 2);
	assert_string_equal(arguments.conf.options.values[0], "k=1");
	assert_string_equal(arguments.conf.options.values[1], "l=2");
	manual_free(&manual, &arguments);
	assert_null(arguments.topics.values);
	assert_null(arguments.conf.options.values);
}

TEST(of_what_does_not_repeat_the_last_one_counts)
{
	assert_true(reads(&manual, LIST("--user", "1", "-c", "/f", "--user", "2", "-c", "/g")));
	assert_string_equal(arguments.user, "2");
	assert_string_equal(arguments.conf.file, "/g");
	manual_free(&manual, &arguments);
}

TEST(what_is_not_given_stays_nothing)
{
	assert_true(reads(&manual, LIST(NULL)));
	assert_null(arguments.user);
	assert_null(arguments.data);
	assert_false(arguments.all);
	assert_int_equal(arguments.topics.n, 0);
	assert_null(arguments.conf.file);
	manual_free(&manual, &arguments);
}

TEST(behind_two_dashes_everything_is_an_operand)
{
	assert_true(reads(&manual, LIST("--", "--help")));
	assert_string_equal(arguments.data, "--help");
	manual_free(&manual, &arguments);
	assert_true(reads(&manual, LIST("--", "")));
	assert_string_equal(arguments.data, "");
	manual_free(&manual, &arguments);
}

TEST(a_wrong_use_is_named)
{
	misuses(&manual, LIST("--nobody"), "'--nobody'");
	misuses(&manual, LIST("--topic", "a", "--user"), "'--user' requires an argument");
	misuses(&manual, LIST("--all=1"), "'--all' doesn't allow an argument");
	misuses(&manual, LIST("-x"), "'x'");
	misuses(&manual, LIST("--topic", "a", "one", "two"), "try: two is too much\n");
	misuses(&manual_serve, LIST("one"), "serve: one is too much\nusage: rowcast serve [-c FILE]");
}

TEST(help_is_printed_wherever_it_is_asked_for)
{
	static const char *const ways[][4] = {
		{ "--help" }, { "-h" }, { "--topic", "a", "--help" }, { "x", "--hel", "y" },
	};

	for (size_t i = 0; i < 4; i++) {
		FILE *file = tmpfile();
		int before = dup(STDOUT_FILENO);
		bool result;

		fflush(stdout);
		assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
		result = reads(&manual, ways[i]);
		fflush(stdout);
		assert_true(dup2(before, STDOUT_FILENO) >= 0);
		close(before);
		assert_false(result);
		assert_int_equal(status, 0);
		assert_true(fseek(file, 0, SEEK_END) == 0 && ftell(file) > 100);
		fclose(file);
		assert_null(arguments.topics.values);
	}
}

/* ---- what is printed ---- */

/* squeeze leaves one space of each run: where a line ends depends on how long the place of
 * the configuration is. */
static char *
squeeze(char *text)
{
	char *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		bool is_space = *at == ' ' || *at == '\n';

		if (!is_space || to == text || to[-1] != ' ')
			*to++ = is_space ? ' ' : *at;
	}
	*to = '\0';
	return text;
}

TEST(help_says_all_that_stands_in_the_table)
{
	char *text = printed(&manual), *expected = mem_strdup(
	    "usage: rowcast try [--user U] [--topic T]... [--all] [DATA] [-c FILE]\n"
	    "                   [-o KEY=VALUE]...\n\n"
	    "Tries it.\n\n"
	    "Options:\n"
	    "  DATA                what to try\n"
	    "  --user U            who\n"
	    "  --topic T           what about\n"
	    "  --all               everyone\n"
	    "  -c FILE             the configuration; without it " CONF_DEFAULT_FILE ",\n"
	    "                      if that is there\n"
	    "  -o KEY=VALUE        a setting that replaces what the file says; may be\n"
	    "                      repeated\n"
	    "  -h, --help          prints this\n\n"
	    "Exit status:\n"
	    "  0  done\n\n"
	    "Examples:\n"
	    "  rowcast try x\n"
	    "      tries x\n");

	/* Where it is short, to the letter. */
	if (strlen(CONF_DEFAULT_FILE) < 32)
		assert_string_equal(text, expected);
	assert_string_equal(squeeze(text), squeeze(expected));
	free(expected);
	free(text);
}

/* ---- every command's own ---- */

static void
synopsis_has(const struct manual *of, const char *name, const char *value)
{
	char *mark = mem_printf("--%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");

	if (strstr(of->synopsis, mark) == NULL)
		fail_msg("rowcast %s: %s is not in its synopsis", of->name, mark);
	free(mark);
}

static bool
has_option(const struct manual *of, const char *name, size_t len)
{
	for (const struct manual_option *o = of->options; o != NULL && o->name != NULL; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return true;
	return false;
}

TEST(each_synopsis_has_the_options_of_its_table_and_no_others)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		for (const struct manual_option *o = commands[i]->options; o != NULL && o->name != NULL; o++)
			synopsis_has(commands[i], o->name, o->value);
		for (const char *at = commands[i]->synopsis; (at = strstr(at, "--")) != NULL;) {
			size_t len = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");

			if (!has_option(commands[i], at + 2, len))
				fail_msg("rowcast %s: %.*s is not in its table", commands[i]->name, (int)len + 2, at);
			at += 2 + len;
		}
		if (commands[i]->operand.name != NULL)
			assert_non_null(strstr(commands[i]->synopsis, commands[i]->operand.name));
	}
}

TEST(each_manual_is_whole)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct manual *of = commands[i];
		char *mark = mem_printf("rowcast %s", of->name), *text = printed(of);
		size_t n = 0;

		assert_non_null(of->run);
		assert_true(strlen(of->summary) > 10 && strlen(of->summary) <= 69);
		assert_true(strlen(of->description) > 50);
		assert_int_equal(of->description[strlen(of->description) - 1], '.');
		for (const struct manual_option *o = of->options; o != NULL && o->name != NULL; o++)
			assert_true(strlen(o->meaning) > 5);
		for (const struct manual_exit *e = of->exits; e->when != NULL; e++)
			n += e->status == 2;
		assert_int_equal(n, 1);
		n = 0;
		for (const struct manual_example *e = of->examples; e->line != NULL; e++, n++)
			assert_true(strstr(e->line, "rowcast ") != NULL && strlen(e->does) > 5);
		assert_in_range(n, 2, 3);
		assert_non_null(strstr(text, mark));
		/* No line is longer than a terminal is wide, but for a path that configure was given. */
		for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
			if (strlen(line) > 80 && strstr(line, CONF_DEFAULT_FILE) == NULL)
				fail_msg("%s: %s", of->name, line);
		free(text);
		free(mark);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_kind_of_option_goes_to_its_field),
	cmocka_unit_test(of_what_does_not_repeat_the_last_one_counts),
	cmocka_unit_test(what_is_not_given_stays_nothing),
	cmocka_unit_test(behind_two_dashes_everything_is_an_operand),
	cmocka_unit_test(a_wrong_use_is_named),
	cmocka_unit_test(help_is_printed_wherever_it_is_asked_for),
	cmocka_unit_test(help_says_all_that_stands_in_the_table),
	cmocka_unit_test(each_synopsis_has_the_options_of_its_table_and_no_others),
	cmocka_unit_test(each_manual_is_whole),
};

RUN_TESTS(tests)

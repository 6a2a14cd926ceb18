#include "tests/unit/capture.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "lib/thread.h"

static void
say_all(void)
{
	log_errorx("a: %d", 1);
	log_warnx("b: %d", 2);
	log_info("c: %d", 3);
	log_debug("d: %d", 4);
}

static void
says_at(enum log_level level, const char *expected)
{
	log_set_level(level);
	capture_begin();
	say_all();
	log_set_level(LOG_LEVEL_INFO);
	assert_string_equal(capture_end(), expected);
}

TEST(a_level_drops_what_is_less_urgent)
{
	says_at(LOG_LEVEL_ERROR, "error: a: 1\n");
	says_at(LOG_LEVEL_WARN, "error: a: 1\nwarn: b: 2\n");
	says_at(LOG_LEVEL_INFO, "error: a: 1\nwarn: b: 2\ninfo: c: 3\n");
	says_at(LOG_LEVEL_DEBUG, "error: a: 1\nwarn: b: 2\ninfo: c: 3\ndebug: d: 4\n");
}

TEST(info_is_the_level_before_any_was_set)
{
	assert_true(log_wants(LOG_LEVEL_INFO));
	assert_false(log_wants(LOG_LEVEL_DEBUG));
}

TEST(arguments_of_a_dropped_line_are_not_evaluated)
{
	int n = 0;

	capture_begin();
	log_debug("%d", ++n);
	log_info("%d", ++n);
	assert_string_equal(capture_end(), "info: 1\n");
	assert_int_equal(n, 1);
}

TEST(a_macro_is_one_statement)
{
	int n = 0;

	capture_begin();
	if (n == 0)
		log_info("then");
	else
		log_info("else");
	assert_string_equal(capture_end(), "info: then\n");
}

TEST(errno_is_added_where_it_counts_and_kept)
{
	char expected[256];

	capture_begin();
	errno = ENOENT;
	log_warn("conf: open %s", "x");
	assert_int_equal(errno, ENOENT);
	log_error("conf: open");
	log_warnx("conf: x");
	log_info("conf: i");
	assert_int_equal(errno, ENOENT);
	snprintf(expected, sizeof(expected),
	    "warn: conf: open x: %s\nerror: conf: open: %s\nwarn: conf: x\ninfo: conf: i\n",
	    strerror(ENOENT), strerror(ENOENT));
	assert_string_equal(capture_end(), expected);
}

TEST(errno_is_kept_even_where_nobody_can_be_told)
{
	int kept = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	errno = EAGAIN;
	log_warnx("into the void");
	assert_int_equal(errno, EAGAIN);
	dup2(kept, STDERR_FILENO);
	close(kept);
}

TEST(control_characters_cannot_start_a_line_of_their_own)
{
	capture_begin();
	log_info("peer: %s", "a\nerror: forged\r\x1b[2J\t\x7f\x01 z");
	assert_string_equal(capture_end(), "info: peer: a?error: forged??[2J??? z\n");
}

TEST(text_beyond_ascii_is_passed_on)
{
	capture_begin();
	log_info("gr\xc3\xbc\xc3\x9f");
	assert_string_equal(capture_end(), "info: gr\xc3\xbc\xc3\x9f\n");
}

/* Each length about the bound, with and without a reason behind it. */
TEST(long_lines_are_cut_and_still_end)
{
	char text[2000];

	memset(text, 'x', sizeof(text));
	for (int n = 900; n < 1500; n++) {
		for (int with_reason = 0; with_reason < 2; with_reason++) {
			const char *said;
			size_t len;

			capture_begin();
			errno = ENOSPC;
			if (with_reason)
				log_error("%.*s", n, text);
			else
				log_errorx("%.*s", n, text);
			said = capture_end();
			len = strlen(said);
			assert_in_range(len, 908, 1024);
			assert_ptr_equal(strchr(said, '\n'), said + len - 1);
			assert_memory_equal(said, "error: xxx", 10);
			if (!with_reason && n < 1000)
				assert_int_equal(len, n + 8);
		}
	}
}

/* expect_death: run, in a child, writes that line and exits with status 1. */
static void
expect_death(void (*run)(void), const char *line)
{
	pid_t child;
	int status;

	fflush(stdout);
	capture_begin();
	child = fork();
	if (child == 0) {
		run();
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_string_equal(capture_end(), line);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void
die_with_reason(void)
{
	errno = EACCES;
	fatal("listen: %s", "socket");
}

static void
die_without_reason(void)
{
	errno = EACCES;
	log_set_level(LOG_LEVEL_ERROR);
	fatalx("listen: no\nsocket");
}

TEST(fatal_says_why_and_ends_the_process)
{
	char line[128];

	snprintf(line, sizeof(line), "error: listen: socket: %s\n", strerror(EACCES));
	expect_death(die_with_reason, line);
	expect_death(die_without_reason, "error: listen: no?socket\n");
}

enum { N_THREADS = 4, N_LINES = 500 };

static void *
write_lines(void *arg)
{
	const char *name = arg;
	char text[512];

	memset(text, *name, sizeof(text));
	for (int i = 0; i < N_LINES; i++)
		log_info("%.*s", 100 + i % 400, text);
	return NULL;
}

TEST(the_lines_of_several_threads_never_mix)
{
	static char names[N_THREADS] = { 'a', 'b', 'c', 'd' };
	pthread_t threads[N_THREADS];
	char line[1024];
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO), n = 0;

	/* Like a log file: whoever writes writes at its end. */
	assert_non_null(file);
	assert_true(fcntl(fileno(file), F_SETFL, O_APPEND) == 0);
	dup2(fileno(file), STDERR_FILENO);
	for (int i = 0; i < N_THREADS; i++)
		thread_start(&threads[i], "writer", write_lines, &names[i]);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	for (; fgets(line, sizeof(line), file) != NULL; n++) {
		size_t same;

		assert_memory_equal(line, "info: ", 6);
		same = strspn(line + 6, (char[]){ line[6], '\0' });
		assert_in_range(same, 100, 499);
		assert_string_equal(line + 6 + same, "\n");
	}
	assert_int_equal(n, N_THREADS * N_LINES);
	fclose(file);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(info_is_the_level_before_any_was_set),
	cmocka_unit_test(a_level_drops_what_is_less_urgent),
	cmocka_unit_test(arguments_of_a_dropped_line_are_not_evaluated),
	cmocka_unit_test(a_macro_is_one_statement),
	cmocka_unit_test(errno_is_added_where_it_counts_and_kept),
	cmocka_unit_test(errno_is_kept_even_where_nobody_can_be_told),
	cmocka_unit_test(control_characters_cannot_start_a_line_of_their_own),
	cmocka_unit_test(text_beyond_ascii_is_passed_on),
	cmocka_unit_test(long_lines_are_cut_and_still_end),
	cmocka_unit_test(fatal_says_why_and_ends_the_process),
	cmocka_unit_test(the_lines_of_several_threads_never_mix),
};

RUN_TESTS(tests)

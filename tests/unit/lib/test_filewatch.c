#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <errno.h>
#include <poll.h>

#include "lib/filewatch.h"

static struct filewatch watch;
static char folder[64];

/* begin watches x.db in a folder of this program's own; there_already says
 * whether the file stands before that. */
static void
begin(int there_already)
{
	const char *path = capture_file("x.db", "", 0, 0600);
	char copy[128];

	strcpy(copy, path);
	strcpy(folder, capture_folder_name);
	if (!there_already)
		unlink(copy);
	assert_int_equal(filewatch_open(&watch, copy), 0);
}

/* told: has something happened to ours? An event is queued before the system
 * call that made it returns, so there is nothing to wait for. */
static int
told(void)
{
	struct pollfd p = { .fd = watch.fd, .events = POLLIN };
	int was_readable = poll(&p, 1, 0) == 1;
	int ours = filewatch_read(&watch);

	assert_true(was_readable || !ours);
	assert_int_equal(poll(&p, 1, 0), 0); /* it was all taken */
	return ours;
}

static void
append_to(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

TEST(nothing_happened_is_nothing_told)
{
	begin(1);
	assert_int_equal(told(), 0);
	filewatch_close(&watch);
}

TEST(a_write_is_told_once)
{
	begin(1);
	append_to("x.db");
	assert_int_equal(told(), 1);
	assert_int_equal(told(), 0);
	append_to("x.db");
	append_to("x.db");
	assert_int_equal(told(), 1);
	assert_int_equal(told(), 0);
	filewatch_close(&watch);
}

TEST(a_file_beside_it_whose_name_begins_alike_is_told)
{
	begin(1);
	capture_file("x.db-wal", "", 0, 0600);
	assert_int_equal(told(), 1);
	append_to("x.db-wal");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(unrelated_names_are_ignored)
{
	begin(1);
	capture_file("y.db", "y", 1, 0600);
	capture_file("x.d", "y", 1, 0600);
	capture_file("ax.db", "y", 1, 0600);
	append_to("y.db");
	assert_int_equal(told(), 0);
	append_to("y.db");
	append_to("x.db");
	append_to("y.db");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(a_file_created_later_is_told)
{
	begin(0);
	assert_int_equal(told(), 0);
	capture_file("x.db", "", 0, 0600);
	assert_int_equal(told(), 1);
	append_to("x.db");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(a_replacement_by_rename_is_told_and_so_are_later_writes)
{
	char from[128], to[128];

	begin(1);
	snprintf(from, sizeof(from), "%s", capture_file("new", "new", 3, 0600));
	snprintf(to, sizeof(to), "%s/x.db", folder);
	assert_int_equal(told(), 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(told(), 1);
	append_to("x.db");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(a_removed_file_that_comes_again_is_told)
{
	char path[128];

	begin(1);
	snprintf(path, sizeof(path), "%s/x.db", folder);
	assert_int_equal(unlink(path), 0);
	told();
	capture_file("x.db", "", 0, 0600);
	assert_int_equal(told(), 1);
	append_to("x.db");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(more_events_than_one_read_takes_are_all_taken)
{
	begin(1);
	capture_file("y.db", "", 0, 0600);
	capture_file("z.db", "", 0, 0600);
	for (int i = 0; i < 1000; i++) {
		/* Equal events in a row would be queued as one. */
		append_to("y.db");
		append_to(i == 500 ? "x.db" : "z.db");
	}
	assert_int_equal(told(), 1);
	assert_int_equal(told(), 0);
	filewatch_close(&watch);
}

TEST(a_name_without_a_folder_lies_in_the_folder_we_are_in)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	begin(1);
	filewatch_close(&watch);
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(filewatch_open(&watch, "x.db"), 0);
	assert_int_equal(fchdir(here), 0);
	close(here);
	append_to("x.db");
	assert_int_equal(told(), 1);
	filewatch_close(&watch);
}

TEST(without_a_descriptor_there_is_no_watch_and_closing_it_is_fine)
{
	rlim_t before = no_descriptors();
	int result = filewatch_open(&watch, "/tmp/x.db"), error = errno;

	limit(RLIMIT_NOFILE, before);
	assert_int_equal(result, -1);
	assert_int_equal(error, EMFILE);
	assert_int_equal(filewatch_read(&watch), 0);
	filewatch_close(&watch);
}

TEST(without_its_folder_there_is_no_watch_and_closing_it_is_fine)
{
	errno = 0;
	assert_int_equal(filewatch_open(&watch, "/nowhere/at/all/x.db"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(watch.fd, -1);
	assert_int_equal(filewatch_read(&watch), 0);
	filewatch_close(&watch);
	filewatch_close(&watch);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nothing_happened_is_nothing_told),
	cmocka_unit_test(a_write_is_told_once),
	cmocka_unit_test(a_file_beside_it_whose_name_begins_alike_is_told),
	cmocka_unit_test(unrelated_names_are_ignored),
	cmocka_unit_test(a_file_created_later_is_told),
	cmocka_unit_test(a_replacement_by_rename_is_told_and_so_are_later_writes),
	cmocka_unit_test(a_removed_file_that_comes_again_is_told),
	cmocka_unit_test(more_events_than_one_read_takes_are_all_taken),
	cmocka_unit_test(a_name_without_a_folder_lies_in_the_folder_we_are_in),
	cmocka_unit_test(without_a_descriptor_there_is_no_watch_and_closing_it_is_fine),
	cmocka_unit_test(without_its_folder_there_is_no_watch_and_closing_it_is_fine),
};

RUN_TESTS(tests)

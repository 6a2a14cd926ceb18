/* Permissions are the kernel's: tried by a child that is nobody, on files that root
 * makes. Who is not root tries what an owner may take from himself. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <grp.h>
#include <stdbool.h>

#include "lib/mem.h"
#include "lib/permission.h"

enum { NOBODY = 65534 };

/* What the child asks, and what it is to hear: NULL: nothing is in the way. */
static struct {
	const char *path;
	int mode;
	gid_t group;      /* that it is in, beside its own; 0: in none */
	const char *expected;
} question;

static bool asks_of_folder;

static void
ask(void)
{
	char *why;

	if (geteuid() == 0 && (setgroups(question.group != 0, &question.group) < 0 || setgid(NOBODY) < 0
	    || setuid(NOBODY) < 0))
		abort();
	why = asks_of_folder ? permission_folder_refusal(question.path, question.mode)
	    : permission_refusal(question.path, question.mode, NULL);
	if (question.expected == NULL && why != NULL)
		fprintf(stderr, "%s\n", why);
	else if (question.expected != NULL && (why == NULL || strcmp(why, question.expected) != 0))
		fprintf(stderr, "expected: %s\nis:       %s\n", question.expected, why != NULL ? why : "nothing");
	else
		fputs("as expected\n", stderr);
	free(why);
}

/* hears takes the sentence that is expected. */
static void
hears(const char *path, int mode, gid_t group, char *expected)
{
	question.path = path;
	question.mode = mode;
	question.group = group;
	question.expected = expected;
	ends(ask, 0, "as expected");
	free(expected);
}

static const char *
file_of(uid_t uid, gid_t gid, mode_t mode)
{
	const char *path = capture_file("file", "x", 1, 0600);

	assert_int_equal(chmod(capture_folder_name, 0711), 0);
	assert_int_equal(chown(path, uid, gid), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* A group that nobody is in. */
static gid_t
other_group(void)
{
	const struct group *group = getgrnam("daemon");

	assert_non_null(group);
	return group->gr_gid;
}

TEST(where_we_may_or_nothing_is_there_it_says_nothing)
{
	const char *path = file_of(geteuid(), getegid(), 0600);

	assert_null(permission_refusal(path, R_OK | W_OK, NULL));
	assert_null(permission_refusal("/", R_OK | X_OK, NULL));
	assert_null(permission_refusal("/nowhere/at/all", R_OK, NULL));
	/* What is no folder cannot be entered, whoever one is. */
	assert_null(permission_refusal("/etc/passwd/x", R_OK, NULL));
	assert_null(permission_refusal("", R_OK, NULL));
	if (geteuid() != 0)
		return;
	hears(file_of(0, other_group(), 0660), R_OK | W_OK, other_group(), NULL);
	hears(file_of(NOBODY, 0, 0400), R_OK, 0, NULL);
	hears(file_of(0, 0, 0604), R_OK, 0, NULL);
}

TEST(the_owner_is_told_to_change_the_mode)
{
	const char *path = file_of(geteuid(), getegid(), 0200);
	char *why;

	if (geteuid() == 0) {
		path = file_of(NOBODY, 0, 0200);
		hears(path, R_OK, 0, mem_printf("%s: cannot be read: Permission denied: it belongs to"
		    " nobody:root with mode 0200, and this is nobody: `chmod u+r %s`", path, path));
		return;
	}
	why = permission_refusal(path, R_OK, NULL);
	assert_says(why, ": cannot be read: Permission denied: it belongs to ");
	assert_says(why, "with mode 0200, and this is ");
	assert_says(why, ": `chmod u+r ");
	free(why);
}

TEST(who_is_in_the_group_is_told_to_let_it)
{
	const char *path;

	if (geteuid() != 0)
		return;
	path = file_of(0, other_group(), 0640);
	hears(path, R_OK | W_OK, other_group(), mem_printf("%s: cannot be read and written: Permission"
	    " denied: it belongs to root:daemon with mode 0640, and this is nobody: `chmod g+rw %s`", path, path));
}

TEST(who_is_not_in_the_group_is_told_to_join_it)
{
	const char *path;

	if (geteuid() != 0)
		return;
	path = file_of(0, other_group(), 0660);
	hears(path, W_OK, 0, mem_printf("%s: cannot be written: Permission denied: it belongs to"
	    " root:daemon with mode 0660, and this is nobody: `usermod -aG daemon nobody`, and log in again", path));
	path = file_of(0, other_group(), 0600);
	hears(path, W_OK, 0, mem_printf("%s: cannot be written: Permission denied: it belongs to"
	    " root:daemon with mode 0600, and this is nobody: `chmod g+w %s && usermod -aG daemon nobody`, and log in again", path, path));
}

TEST(nobody_is_told_to_join_the_group_of_root)
{
	const char *path;

	if (geteuid() != 0)
		return;
	path = file_of(0, 0, 0640);
	hears(path, R_OK, 0, mem_printf("%s: cannot be read: Permission denied: it belongs to root:root with"
	    " mode 0640, and this is nobody: `chgrp nogroup %s && chmod g+r %s`", path, path, path));
}

/* What a folder of root's and daemon's says to nobody. */
#define ENTER_2750 "%s: its folder %s cannot be entered: Permission denied: it belongs to" \
	" root:daemon with mode 2750, and this is nobody: `usermod -aG daemon nobody`, and log in again"
#define WRITE_0755 "%s: its folder %s cannot be written: Permission denied: it belongs to" \
	" root:daemon with mode 0755, and this is nobody: `chmod g+wx %s && usermod -aG daemon nobody`," \
	" and log in again"

TEST(a_folder_above_it_that_cannot_be_entered_is_what_is_named)
{
	const char *path, *folder = capture_folder_name;
	char *inside;

	if (geteuid() != 0)
		return;
	path = file_of(0, 0, 0644);
	inside = mem_printf("%s/not/there", folder);
	assert_int_equal(chown(folder, 0, other_group()), 0);
	assert_int_equal(chmod(folder, 02750), 0);
	hears(path, R_OK, 0, mem_printf(ENTER_2750, path, folder));
	hears(inside, R_OK, 0, mem_printf(ENTER_2750, inside, folder));
	asks_of_folder = true;
	hears(path, W_OK | X_OK, 0, mem_printf("%s: its folder %s cannot be written: Permission denied: it"
	    " belongs to root:daemon with mode 2750, and this is nobody: `chmod g+wx %s && usermod -aG"
	    " daemon nobody`, and log in again", path, folder, folder));
	hears(inside, W_OK | X_OK, 0, mem_printf(ENTER_2750, inside, folder));
	assert_int_equal(chmod(folder, 0755), 0);
	hears(path, W_OK | X_OK, 0, mem_printf(WRITE_0755, path, folder, folder));
	hears(path, X_OK, 0, NULL);
	asks_of_folder = false;
	assert_int_equal(chown(folder, 0, 0), 0);
	free(inside);
}

TEST(the_command_names_what_goes_with_it)
{
	const char *path = file_of(geteuid(), getegid(), 0400);
	char *why;

	if (geteuid() == 0)
		return;
	why = permission_refusal(path, W_OK, "these files*");
	assert_says(why, "`chmod u+w these files*`");
	free(why);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(where_we_may_or_nothing_is_there_it_says_nothing),
	cmocka_unit_test(the_owner_is_told_to_change_the_mode),
	cmocka_unit_test(who_is_in_the_group_is_told_to_let_it),
	cmocka_unit_test(who_is_not_in_the_group_is_told_to_join_it),
	cmocka_unit_test(nobody_is_told_to_join_the_group_of_root),
	cmocka_unit_test(a_folder_above_it_that_cannot_be_entered_is_what_is_named),
	cmocka_unit_test(the_command_names_what_goes_with_it),
};

RUN_TESTS(tests)

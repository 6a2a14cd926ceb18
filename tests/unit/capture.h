/* What is said on stderr while a test does something, and a folder for it to
 * do it in. */
#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

#include "tests/unit/check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAPTURE_BYTES = 16384 };

static int capture_stderr = -1;

/* From capture_begin on stderr goes to a file; capture_end puts it back and
 * returns what came, as a string that is good until the next capture_end. */
static inline void
capture_begin(void)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	fflush(stderr);
	capture_stderr = dup(STDERR_FILENO);
	assert_true(capture_stderr >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	fclose(file);
}

static inline const char *
capture_end(void)
{
	static char text[CAPTURE_BYTES];
	ssize_t n;

	n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
	assert_true(dup2(capture_stderr, STDERR_FILENO) >= 0);
	close(capture_stderr);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* assert_says fails, and shows both, where text does not contain part. */
static inline void
assert_says(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("expected to read \"%s\" in \"%s\"", part, text);
}

/* capture_folder returns the name of this program's own folder, which is
 * removed, with what capture_file wrote there, when the program ends. */
static char capture_folder_name[] = "/tmp/rowcast-test-XXXXXX";
static char capture_paths[64][sizeof(capture_folder_name) + 32];
static size_t capture_n_paths;

static inline void
capture_remove(void)
{
	while (capture_n_paths > 0)
		unlink(capture_paths[--capture_n_paths]);
	rmdir(capture_folder_name);
}

/* capture_file writes len bytes to a file of that name and mode in the folder,
 * in place of what it had, and returns its path. */
static inline const char *
capture_file(const char *name, const void *bytes, size_t len, mode_t mode)
{
	static char path[sizeof(capture_paths[0])];
	size_t known = 0;
	int fd;

	if (capture_n_paths == 0) {
		assert_non_null(mkdtemp(capture_folder_name));
		atexit(capture_remove);
	}
	snprintf(path, sizeof(path), "%s/%s", capture_folder_name, name);
	while (known < capture_n_paths && strcmp(capture_paths[known], path) != 0)
		known++;
	if (known == capture_n_paths) {
		assert_true(capture_n_paths < 64);
		strcpy(capture_paths[capture_n_paths++], path);
	}
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0); /* whatever the umask */
	close(fd);
	return capture_paths[known];
}

#endif

/* The keys in tests/unit/keys, which are for tests and nothing else. */
#ifndef TESTS_UNIT_KEYS_H
#define TESTS_UNIT_KEYS_H

#include "tests/unit/capture.h"

#include "lib/mem.h"

/* key_text returns the text of tests/unit/keys/test-only-NAME.pem; the caller frees
 * it. Beside the source, wherever the test was built (`make check` says where). */
static inline char *
key_text(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char *path = mem_printf("%s/tests/unit/keys/test-only-%s.pem", srcdir != NULL ? srcdir : ".", name);
	char *text = mem_zalloc(CAPTURE_BYTES);
	FILE *file = fopen(path, "re");

	if (file == NULL)
		fail_msg("%s is missing; is srcdir set?", path);
	assert_in_range(fread(text, 1, CAPTURE_BYTES - 1, file), 1, CAPTURE_BYTES - 2);
	fclose(file);
	free(path);
	return text;
}

/* key_file returns the path of a copy with the permissions a key file needs,
 * which a checkout may not have given the original. */
static inline const char *
key_file(const char *name)
{
	char *text = key_text(name);
	const char *path = capture_file(name, text, strlen(text), 0600);

	free(text);
	return path;
}

#endif

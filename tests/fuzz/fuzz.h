/* What every target needs: a condition that has to hold, an input that is taken
 * apart piece by piece, and a second opinion on UTF-8. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* libFuzzer calls these; the second, where there is one, once at the start. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Not assert(): NDEBUG must not take it away. */
#define REQUIRE(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

struct input {
	const char *at;
	size_t left;
};

/* input_byte takes a byte, 0 where there are no more. */
static inline unsigned char
input_byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return (unsigned char)*in->at++;
}

/* input_line takes what comes before the next LF, and the LF. The caller frees
 * it; a NUL inside ends the string early. */
static inline char *
input_line(struct input *in)
{
	const char *end = in->left > 0 ? memchr(in->at, '\n', in->left) : NULL;
	size_t len = end != NULL ? (size_t)(end - in->at) : in->left;
	char *line = mem_strndup(len > 0 ? in->at : "", len);

	len += end != NULL;
	if (len > 0)
		in->at += len;
	in->left -= len;
	return line;
}

/* input_option takes a line that begins with '+' as a string, which the caller
 * frees; any other line stands for something that is not there: NULL. */
static inline char *
input_option(struct input *in)
{
	char *line = input_line(in);
	bool given = line[0] == '+';

	if (given)
		memmove(line, line + 1, strlen(line));
	else
		free(line);
	return given ? line : NULL;
}

/* text_is_utf8 goes by the value of each character, where lib/utf8.c goes by
 * the ranges of its bytes. */
static inline bool
text_is_utf8(const char *text, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i = 0;

	while (i < len) {
		unsigned char first = (unsigned char)text[i++];
		size_t n_bytes = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 :
		    first >> 3 == 30 ? 4 : 0;
		uint32_t value = n_bytes > 1 ? first & (0x7fu >> n_bytes) : first;

		if (n_bytes == 0 || n_bytes - 1 > len - i)
			return false;
		for (size_t rest = n_bytes - 1; rest > 0; rest--, i++) {
			if ((text[i] & 0xc0) != 0x80)
				return false;
			value = value << 6 | ((unsigned char)text[i] & 0x3f);
		}
		if (value < least[n_bytes] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
			return false;
	}
	return true;
}

/* text_is_sentence: what a person is told: not empty, UTF-8, no control
 * characters. */
static inline bool
text_is_sentence(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == '\x7f')
			return false;
	return *text != '\0' && text_is_utf8(text, strlen(text));
}

#endif

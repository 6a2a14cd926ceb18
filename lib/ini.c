/* Reading a file of `key = value` lines, one at a time, into a bounded buffer. Any
 * thread; what a handler touches is its own affair. */

#include "lib/ini.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"  /* some editors begin a file with it, unseen */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* trim returns the text without the blanks around it, in place. */
static char *
trim(char *text)
{
	size_t len;

	while (is_blank(*text))
		text++;
	len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static void
cut_comment(char *text)
{
	for (char *at = text; *at != '\0'; at++) {
		if (*at == '#' && (at == text || is_blank(at[-1]))) {
			*at = '\0';
			return;
		}
	}
}

/* read_line hands over one line, a string without its line break. */
static void
read_line(char *text, unsigned int line, const struct ini_handler *handler, void *arg)
{
	char *equals, *key;

	if (line == 1 && strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		text += strlen(BYTE_ORDER_MARK);
	cut_comment(text);
	text = trim(text);
	if (*text == '\0')
		return;
	equals = strchr(text, '=');
	if (equals == NULL) {
		handler->fault(arg, line, "expected `key = value`");
		return;
	}
	*equals = '\0';
	key = trim(text);
	if (*key == '\0') {
		handler->fault(arg, line, "there is no key before the '='");
		return;
	}
	if (key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0') {
		handler->fault(arg, line, "a key is made of a-z, 0-9 and _");
		return;
	}
	handler->pair(arg, line, key, trim(equals + 1));
}

int
ini_read(const char *path, const struct ini_handler *handler, void *arg)
{
	char text[INI_LINE_MAX_BYTES + 1];
	unsigned int line = 1;
	size_t len = 0;
	bool has_nul = false;
	bool too_long = false;
	int result = -1, saved;
	FILE *file;
	int c;

	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while ((c = getc(file)) != EOF || len > 0 || has_nul || too_long) {
		if (line > INI_MAX_LINES) {
			handler->fault(arg, line, "the file has too many lines");
			break;
		}
		if (c != '\n' && c != EOF) {
			if (c == '\0')
				has_nul = true;
			else if (len == INI_LINE_MAX_BYTES)
				too_long = true;
			else
				text[len++] = (char)c;
			continue;
		}
		if (ferror(file))
			break;
		text[len] = '\0';
		if (has_nul)
			handler->fault(arg, line, "a NUL byte is not text");
		else if (too_long)
			handler->fault(arg, line, "the line is too long");
		else
			read_line(text, line, handler, arg);
		len = 0;
		has_nul = too_long = false;
		line++;
	}
	saved = errno;
	if (!ferror(file))
		result = 0;
	fclose(file);
	errno = saved;
	return result;
}

/* Allocating memory, or ending the process where there is none. Any thread. */

#include "lib/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
must(void *p)
{
	if (p == NULL) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

/* malloc(0) may be NULL without being out of memory, hence the `+ !n`. */

void *
mem_alloc(size_t n_bytes)
{
	return must(malloc(n_bytes + !n_bytes));
}

void *
mem_zalloc(size_t n_bytes)
{
	return must(calloc(1, n_bytes + !n_bytes));
}

void *
mem_realloc(void *p, size_t n_bytes)
{
	return must(realloc(p, n_bytes + !n_bytes));
}

char *
mem_strdup(const char *s)
{
	return must(strdup(s));
}

char *
mem_strndup(const char *s, size_t n)
{
	char *copy = mem_alloc(n + 1);

	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *
mem_printf(const char *format, ...)
{
	va_list ap;
	char *s;

	va_start(ap, format);
	if (vasprintf(&s, format, ap) < 0)
		s = NULL;
	va_end(ap);
	return must(s);
}

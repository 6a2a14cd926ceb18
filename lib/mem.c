/* Allocating memory, or ending the process where there is none. Any thread. */

#include "lib/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gcc says by which sanitizer it builds, and clang is asked. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif
#ifdef HAS_SANITIZER
size_t __sanitizer_get_current_allocated_bytes(void);  /* its header is not everywhere */
#endif

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

size_t
mem_allocated(void)
{
#if defined(HAS_SANITIZER)
	return __sanitizer_get_current_allocated_bytes();
#elif defined(HAVE_MALLINFO2)
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

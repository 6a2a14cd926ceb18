/* Allocating memory. Where there is none left the process ends, so no caller
 * checks. Any thread. */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stddef.h>

/* Each returns memory that the caller owns and frees with free(). Where there
 * is none left they write one line to stderr and abort: a server that cannot
 * allocate a few bytes has no answer to give that would not need some. */
void *mem_alloc(size_t n_bytes) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t n_bytes) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t n_bytes) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));

/* mem_strndup copies n bytes of s, which need not end in NUL, and adds one. */
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));

/* mem_printf formats like printf into memory of the right size. */
char *mem_printf(const char *format, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* mem_allocated returns how many bytes of memory the program has now; 0 where the
 * system does not tell. What was freed does not count, whether or not the allocator
 * has given it back. It looks through all free memory, so it is no call to make
 * often. */
size_t mem_allocated(void);

/* The struct of which `member` is the member that p points to. */
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

#endif

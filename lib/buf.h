/* A growing run of bytes. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *bytes;      /* owned; NULL while nothing was ever added */
	size_t len;       /* bytes in use */
	size_t capacity;  /* bytes allocated */
};

/* A buf that is all zero is empty and ready; so is one after buf_free. */
#define BUF_EMPTY ((struct buf){ NULL, 0, 0 })

/* buf_free releases the bytes and leaves the buf empty. */
void buf_free(struct buf *b);

/* buf_reserve makes room for n more bytes and returns where they go; the
 * caller writes there and adds what it wrote to b->len. The pointer is good
 * until the next call that adds. */
char *buf_reserve(struct buf *b, size_t n);

/* Each adds at the end. */
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_add_number(struct buf *b, int64_t number);  /* in decimal digits */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* buf_trim gives back the memory that the buf does not need for what it holds. */
void buf_trim(struct buf *b);

/* buf_take gives the bytes, ended by a NUL that is not counted, to the caller,
 * who frees them, and leaves the buf empty. Never NULL. */
char *buf_take(struct buf *b);

#endif

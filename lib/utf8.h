/* UTF-8, strictly (RFC 3629). */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* utf8_is_valid: are the len bytes of text nothing but whole characters, each
 * in its shortest form, none a surrogate, none above U+10FFFF? No bytes at all
 * are valid. text need not end in NUL. */
bool utf8_is_valid(const char *text, size_t len);

/* utf8_is_text is utf8_is_valid that also refuses U+0000, so that the bytes
 * make a C string with nothing lost. */
bool utf8_is_text(const char *text, size_t len);

#endif

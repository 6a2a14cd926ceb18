/* UTF-8, strictly (RFC 3629). */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

/* utf8_is_valid: are the len bytes of text nothing but whole characters, each
 * in its shortest form, none a surrogate, none above U+10FFFF? No bytes at all
 * are valid. text need not end in NUL. */
bool utf8_is_valid(const char *text, size_t len);

/* utf8_is_text is utf8_is_valid that also refuses U+0000, so that the bytes
 * make a C string with nothing lost. */
bool utf8_is_text(const char *text, size_t len);

/* utf8_add_repaired adds text to out as valid UTF-8: what is valid as it is, and
 * U+FFFD for each ill-formed part, one for each maximal subpart (Unicode 3.9,
 * "U+FFFD Substitution of Maximal Subparts"; so does the WHATWG's decoder). */
void utf8_add_repaired(struct buf *out, const char *text, size_t len);

#endif

/* Base64 (RFC 4648), decoding only and strictly. */
#ifndef LIB_BASE64_H
#define LIB_BASE64_H

#include <stddef.h>

#include "lib/buf.h"

/* Each adds the bytes that the len characters of text stand for to out. 0; or
 * -1 and errno EINVAL where a character is not of the alphabet, where a piece
 * is missing, or where bits that stand for nothing are not zero; what out then
 * has is unspecified. */

/* base64url_decode: the alphabet with - and _, without padding (RFC 7515 2). */
int base64url_decode(struct buf *out, const char *text, size_t len);

/* base64_decode: the alphabet with + and /, padded with '='; line breaks and
 * blanks are passed over (RFC 7468 3). */
int base64_decode(struct buf *out, const char *text, size_t len);

#endif

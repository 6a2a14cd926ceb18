/* The bytes of FastCGI records, version 1 (FastCGI Specification, sections 3,
 * 5 and 8): what we write ourselves, and a look at what is about to be read. */
#ifndef LIB_FCGI_H
#define LIB_FCGI_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum {
	FCGI_HEADER_BYTES = 8,
	FCGI_CONTENT_MAX = 65535,    /* content of one record */
	/* Parameters of a request. Web servers make some thirty, and one of each header
	 * of the client's; libfcgi allocates for each and goes through them by name.
	 * Picked, not tuned. */
	FCGI_PARAMS_MAX = 500,
	FCGI_END_BYTES = 3 * FCGI_HEADER_BYTES,
};

/* fcgi_stdout_header writes the header of an FCGI_STDOUT record that
 * content_len bytes (1 to FCGI_CONTENT_MAX) follow, without padding. */
void fcgi_stdout_header(unsigned char header[FCGI_HEADER_BYTES], uint16_t request_id,
    size_t content_len);

/* fcgi_end writes what ends a response: the empty FCGI_STDOUT record and an
 * FCGI_END_REQUEST record, status 0, request complete (FastCGI 5.5). */
void fcgi_end(unsigned char records[FCGI_END_BYTES], uint16_t request_id);

/* fcgi_get adds a whole request without a body, of id 1, to out: params are
 * names and values in turn, ended by NULL, none over 127 bytes. */
void fcgi_get(struct buf *out, const char *const params[]);

enum fcgi_scan {
	FCGI_SCAN_PARTIAL,   /* the parameters are not all there yet */
	FCGI_SCAN_BODY,      /* the parameters are, the end of the body is not */
	FCGI_SCAN_WHOLE,     /* the request is there to its last byte */
	FCGI_SCAN_MORE,      /* so it is, and something follows it */
	FCGI_SCAN_BAD,       /* not a responder request: close */
};

/* fcgi_scan looks at the first n bytes of a connection without taking them.
 * A request passes only as BEGIN_REQUEST for a responder, PARAMS up to the
 * empty one, STDIN up to the empty one, all of one id, and only where every
 * name-value pair lies within the parameters, and no empty record is padded. Whoever
 * reads it afterwards then finds every length true, and waits for nothing but the
 * body. scratch holds n bytes for it to work in. */
enum fcgi_scan fcgi_scan(const unsigned char *bytes, size_t n, unsigned char *scratch);

#endif

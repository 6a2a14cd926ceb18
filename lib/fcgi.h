/* The bytes of FastCGI records, version 1 (FastCGI Specification, sections 3,
 * 5 and 8): what we write ourselves, and a look at what is about to be read. */
#ifndef LIB_FCGI_H
#define LIB_FCGI_H

#include <stdbool.h>
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
 * names and values in turn, ended by NULL, and fit in one record. */
void fcgi_get(struct buf *out, const char *const params[]);

/* fcgi_add_content adds what the FCGI_STDOUT records among these n bytes hold, as far as
 * they are whole. */
void fcgi_add_content(struct buf *out, const char *records, size_t n);

enum fcgi_scan_state {
	FCGI_SCAN_PARTIAL,   /* the parameters are not all there yet */
	FCGI_SCAN_BODY,      /* the parameters are, the end of the body is not */
	FCGI_SCAN_WHOLE,     /* the request was there to its last byte */
	FCGI_SCAN_ABORTED,   /* ABORT_REQUEST came instead of more (FastCGI 5.4) */
	FCGI_SCAN_BAD,       /* not a responder request, or one that could be read in two ways */
};

/* A scan of the bytes of one request as they come, each looked at once. */
struct fcgi_scan {
	enum fcgi_scan_state state;
	uint16_t request_id;      /* from the first header on */
	bool begun;               /* BEGIN_REQUEST has come */
	bool keep;                /* and asks to keep the connection */
	size_t head_bytes, head_max_bytes;

	/* The record that the scan is in. */
	unsigned char header[FCGI_HEADER_BYTES], n_header;
	unsigned char padding_left;
	uint16_t content_left;
	unsigned char begin[8], n_begin;   /* what came of BEGIN_REQUEST's content */

	/* The name-value pair that it is in (FastCGI 3.4). */
	unsigned char n_lengths;  /* that are read to their end: name, value */
	unsigned char length_left;
	uint32_t length;
	size_t pair_left;         /* name and value, as far as their lengths are read */
	size_t n_pairs;           /* whose lengths are read */
};

/* fcgi_scan_init begins with the first byte of a request. BEGIN_REQUEST and
 * PARAMS together may have so many bytes; a request with more is bad. */
void fcgi_scan_init(struct fcgi_scan *scan, size_t head_max_bytes);

/* fcgi_scan takes the next bytes and returns how many: all n, or fewer where
 * scan->state changes with the last one taken; then call it again with the rest,
 * but after WHOLE, ABORTED and BAD. What it takes of the body's content is added
 * to body (NULL: to nothing).
 *
 * A request passes only as BEGIN_REQUEST for a responder, PARAMS up to the
 * empty one, STDIN up to the empty one, all of one id, and only where every
 * name-value pair lies within the parameters, which are at most FCGI_PARAMS_MAX,
 * and neither BEGIN_REQUEST nor an empty record is padded: see fcgi.c for why. Whoever reads it afterwards then
 * finds every length true, and waits for nothing but the body. */
size_t fcgi_scan(struct fcgi_scan *scan, const unsigned char *bytes, size_t n, struct buf *body);

/* fcgi_is_abort: are these bytes ABORT_REQUEST of that request and no more? */
bool fcgi_is_abort(const unsigned char *bytes, size_t n, uint16_t request_id);

#endif

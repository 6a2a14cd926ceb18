#include "tests/bench/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fcgi.h"
#include "lib/mem.h"
#include "tests/unit/hs256.h"

enum { BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, RECORD_MAX_BYTES = 65535, TOKEN_MAX_BYTES = 8192 };

const char inputs_key[] = "a secret of thirty-two bytes or more";
static const char jwt_header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

void
inputs_free(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++)
		buf_free(&inputs->list[i].bytes);
	inputs->n = 0;
}

static struct buf *
add(struct inputs *inputs, const char *name)
{
	struct input *input = &inputs->list[inputs->n++];

	if (inputs->n > INPUTS_MAX)
		abort();
	*input = (struct input){ .name = name };
	return &input->bytes;
}

/* repeat adds a piece again and again, up to n bytes at most. */
static void
repeat_n(struct buf *out, const char *piece, size_t piece_len, size_t n)
{
	for (; n >= piece_len; n -= piece_len)
		buf_add(out, piece, piece_len);
}

static void
repeat(struct buf *out, const char *piece, size_t n)
{
	repeat_n(out, piece, strlen(piece), n);
}

/* pick adds n bytes, or a few less, of pieces in an order that no branch
 * predictor learns; the same each time. */
static void
pick(struct buf *out, const char *const pieces[], size_t n_pieces, size_t n)
{
	uint64_t state = 1;
	size_t end = out->len + n;

	for (;;) {
		const char *piece;

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		piece = pieces[(state >> 33) % n_pieces];
		if (out->len + strlen(piece) > end)
			return;
		buf_add_str(out, piece);
	}
}

#define PICK(out, n, ...) \
	pick(out, (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), n)

/* ---- texts ---- */

void
inputs_texts(struct inputs *inputs, size_t size)
{
	static const struct { const char *name, *piece; } repeated[] = {
		{ "plain", "x" },
		{ "all CR", "\r" }, { "all LF", "\n" }, { "all CRLF", "\r\n" },
		{ "a CR", "a\r" }, { "a LF", "a\n" }, { "abcdefg CR", "abcdefg\r" },
		{ "65 and CR", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r" },
		{ "2-byte characters", "\xc3\xa9" }, { "3-byte characters", "\xe2\x82\xac" },
		{ "4-byte characters", "\xf0\x9f\x99\x82" }, { "a and 4 bytes", "a\xf0\x9f\x99\x82" },
		{ "quotes", "\"" }, { "controls", "\x01" },
	};
	for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++)
		repeat(add(inputs, repeated[i].name), repeated[i].piece, size);
	PICK(add(inputs, "CR, LF, a, at random"), size, "\r", "\n", "a");
	PICK(add(inputs, "characters at random"), size, "a", "\xc3\xa9", "\xe2\x82\xac",
	    "\xf0\x9f\x99\x82");
	PICK(add(inputs, "a, quotes, controls, at random"), size, "a", "\"", "\x02");
}

void
inputs_ill_formed(struct inputs *inputs, size_t size)
{
	struct buf *out;

	repeat(add(inputs, "plain"), "x", size);
	repeat(add(inputs, "all FF"), "\xff", size);
	repeat(add(inputs, "cut characters"), "\xe2\x82", size);
	out = add(inputs, "plain, the last byte FF");
	repeat(out, "x", size - 1);
	buf_add_char(out, '\xff');
	PICK(add(inputs, "bytes at random"), size, "a", "\x80", "\xbf", "\xc3", "\xe2", "\xf0", "\xff",
	    "\x9f", "\r");
}

/* ---- tokens ---- */

/* sign returns a token of about n bytes: its claims are before, the piece again
 * and again, behind. The caller frees it. */
static char *
sign(const char *before, const char *piece, const char *behind, size_t n)
{
	struct buf claims = BUF_EMPTY;
	size_t room = n * 3 / 4 - 80 - strlen(before) - strlen(behind);
	char *token;

	buf_add_str(&claims, before);
	repeat(&claims, piece, room);
	buf_add_str(&claims, behind);
	token = hs256_sign_bytes(inputs_key, jwt_header, claims.bytes, claims.len);
	buf_free(&claims);
	return token;
}

/* sign_members is for members of as many different names. */
static char *
sign_members(size_t n)
{
	struct buf claims = BUF_EMPTY;
	char *token;

	buf_add_str(&claims, "{\"sub\":\"42\"");
	for (unsigned i = 0; claims.len < n * 3 / 4 - 100; i++)
		buf_printf(&claims, ",\"%x\":0", i);
	buf_add_char(&claims, '}');
	token = hs256_sign_bytes(inputs_key, jwt_header, claims.bytes, claims.len);
	buf_free(&claims);
	return token;
}

static void
add_token(struct inputs *inputs, const char *name, char *token)
{
	buf_add(add(inputs, name), token, strlen(token) + 1);
	free(token);
}

void
inputs_tokens(struct inputs *inputs, size_t size)
{
	struct buf header = BUF_EMPTY, *out;

	add_token(inputs, "plain", sign("{\"sub\":\"42\",\"name\":\"", "x", "\"}", size));
	add_token(inputs, "topics", sign("{\"sub\":\"42\",\"topics\":[\"a\"", ",\"b\"", "]}", size));
	add_token(inputs, "audiences", sign("{\"sub\":\"42\",\"aud\":[\"a\"", ",\"b\"", "]}", size));
	add_token(inputs, "scopes", sign("{\"sub\":\"42\",\"scope\":\"", "a ", "\"}", size));
	add_token(inputs, "escapes", sign("{\"sub\":\"42\",\"name\":\"", "\\u0041", "\"}", size));
	add_token(inputs, "empty arrays", sign("{\"sub\":\"42\",\"x\":[0", ",[]", "]}", size));
	add_token(inputs, "numbers", sign("{\"sub\":\"42\",\"x\":[0", ",1", "]}", size));
	add_token(inputs, "reals", sign("{\"sub\":\"42\",\"x\":[0", ",1e9", "]}", size));
	add_token(inputs, "one long real", sign("{\"sub\":\"42\",\"x\":0.", "1", "}", size));
	add_token(inputs, "deep", sign("{\"sub\":\"42\",\"x\":", "[", "", size));
	add_token(inputs, "blanks", sign("{\"sub\":\"42\"", " ", "}", size));
	add_token(inputs, "members", sign_members(size));

	/* The header is read before the signature is checked: anybody can send it. */
	buf_add_str(&header, "{\"alg\":\"HS256\",\"x\":[0");
	repeat(&header, ",[]", size * 3 / 4 - 150);
	buf_add_str(&header, "]}");
	out = add(inputs, "empty arrays in the header");
	hs256_base64url(out, header.bytes, header.len);
	buf_add(out, ".e30.AAAA", sizeof(".e30.AAAA"));
	buf_free(&header);
	out = add(inputs, "no base64");
	repeat(out, "A", size - 100);
	buf_add(out, "!.e30.AAAA", sizeof("!.e30.AAAA"));
	out = add(inputs, "dots");
	repeat(out, ".", size);
	buf_add_char(out, '\0');
}

/* ---- requests ---- */

static void
add_record(struct buf *out, unsigned char type, const char *content, size_t len)
{
	const unsigned char header[8] = { 1, type, 0, 1, (unsigned char)(len >> 8), (unsigned char)len };

	buf_add(out, header, sizeof(header));
	buf_add(out, content, len);
}

/* add_stream puts bytes into records of at most that many, and ends them. */
static void
add_stream(struct buf *out, unsigned char type, const struct buf *bytes, size_t record_bytes)
{
	for (size_t at = 0, len; at < bytes->len; at += len) {
		len = bytes->len - at < record_bytes ? bytes->len - at : record_bytes;
		add_record(out, type, bytes->bytes + at, len);
	}
	add_record(out, type, NULL, 0);
}

static void
add_length(struct buf *out, size_t len)
{
	if (len > 127) {
		buf_add_char(out, (char)(len >> 24 | 0x80));
		buf_add_char(out, (char)(len >> 16));
		buf_add_char(out, (char)(len >> 8));
	}
	buf_add_char(out, (char)len);
}

static void
add_param(struct buf *out, const char *name, const char *value, size_t len)
{
	add_length(out, strlen(name));
	add_length(out, len);
	buf_add_str(out, name);
	buf_add(out, value, len);
}

/* finish_request makes a request of parameters and a body and frees both. */
static void
finish_request(struct buf *out, struct buf *params, struct buf *body, size_t record_bytes)
{
	static const char begin[8] = { 0, 1 };

	add_record(out, BEGIN_REQUEST, begin, sizeof(begin));
	add_stream(out, PARAMS, params, record_bytes);
	add_stream(out, STDIN, body, RECORD_MAX_BYTES);
	buf_free(params);
	buf_free(body);
}

/* add_events begins the parameters of GET /events; token may be NULL. */
static void
add_events(struct buf *params, const char *token)
{
	char *authorization = mem_printf("Bearer %s", token != NULL ? token : "");

	add_param(params, "REQUEST_METHOD", "GET", 3);
	add_param(params, "SCRIPT_NAME", "/events", 7);
	if (token != NULL)
		add_param(params, "HTTP_AUTHORIZATION", authorization, strlen(authorization));
	free(authorization);
}

enum place { COOKIE, QUERY, HEADER, TINY, MANY, RECORDS };

/* add_head adds a request whose head has a piece again and again at a place. */
static void
add_head(struct inputs *inputs, const char *name, size_t size, enum place place,
    const char *piece, const char *token)
{
	static const char query[] = "&topic=";
	struct buf params = BUF_EMPTY, value = BUF_EMPTY, none = BUF_EMPTY;
	size_t room = size - 400 - (token != NULL ? strlen(token) : 0);

	add_events(&params, token);
	if (place == TINY) {
		repeat_n(&params, "\0", 2, room);
	} else if (place == MANY) {
		/* As many as there may be, with a few of the request's own. */
		repeat(&value, piece, room / FCGI_PARAMS_MAX - 10);
		for (int i = 0; i < FCGI_PARAMS_MAX - 5; i++)
			add_param(&params, "HTTP_X", value.bytes, value.len);
	} else if (place == RECORDS) {
		/* Eight bytes of header for one of content. */
		repeat(&value, piece, size / 9 - 400);
		add_param(&params, "HTTP_COOKIE", value.bytes, value.len);
	} else {
		repeat(&value, piece, room);
		if (place == QUERY)
			buf_add_str(&value, query);
		add_param(&params, place == QUERY ? "QUERY_STRING" : place == COOKIE ? "HTTP_COOKIE"
		    : "HTTP_X", value.bytes, value.len);
	}
	if (place != QUERY)
		add_param(&params, "QUERY_STRING", query, strlen(query));
	finish_request(add(inputs, name), &params, &none, place == RECORDS ? 1 : RECORD_MAX_BYTES);
	buf_free(&value);
}

void
inputs_heads(struct inputs *inputs, size_t size)
{
	/* Cookies and the query's tokens count where the header has none. */
	static const struct { const char *name, *piece; enum place place; } without[] = {
		{ "query of token=a&", "token=a&", QUERY },
		{ "query of token=&", "token=&", QUERY },
		{ "cookies of ;", ";", COOKIE }, { "cookies of a;", "a;", COOKIE },
		{ "cookies of blanks", " ", COOKIE },
		{ "cookies of rowcast_token=;", "rowcast_token=;", COOKIE },
		{ "cookies of rowcast_token=a;", "rowcast_token=a;", COOKIE },
		{ "cookies of rowcast_token=..;", "rowcast_token=..;", COOKIE },
		{ "cookies of rowcast_token", "rowcast_token", COOKIE },
	};
	struct buf many = BUF_EMPTY;
	char *token = sign("{\"sub\":\"42\"}", " ", "", 200);

	add_head(inputs, "plain", size, HEADER, "x", token);
	add_head(inputs, "parameters without name and value", size, TINY, "", token);
	add_head(inputs, "500 parameters", size, MANY, "x", token);
	add_head(inputs, "1,000 pairs in the query", size, QUERY,
	    "_=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx&", token);
	add_head(inputs, "records of one byte", size, RECORDS, "x", token);
	add_head(inputs, "query of &", size, QUERY, "&", token);
	add_head(inputs, "query of a&", size, QUERY, "a&", token);
	add_head(inputs, "query of %41", size, QUERY, "%41", token);
	add_head(inputs, "query of topic=a&", size, QUERY, "topic=a&", token);
	for (int i = 0; i < 32; i++)  /* as many as there may be */
		buf_printf(&many, "topic=%c&", 'A' + i);
	buf_add_char(&many, '\0');
	add_head(inputs, "query of 32 topics, repeated", size, QUERY, many.bytes, token);
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		add_head(inputs, without[i].name, size, without[i].place, without[i].piece, NULL);
	buf_free(&many);
	free(token);
}

void
inputs_grants(struct inputs *inputs, size_t size)
{
	static const struct { const char *name, *before, *piece, *behind; } tokens[] = {
		{ "plain", "{\"sub\":\"42\",\"topics\":[\"t*\"],\"name\":\"", "x", "\"}" },
		{ "a token of short topics", "{\"sub\":\"42\",\"topics\":[\"a\"", ",\"t\"", ",\"t*\"]}" },
		{ "a token of prefixes", "{\"sub\":\"42\",\"topics\":[\"a\"", ",\"topic-of-n*\"", ",\"t*\"]}" },
	};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		struct buf params = BUF_EMPTY, query = BUF_EMPTY, none = BUF_EMPTY;
		char *token = sign(tokens[i].before, tokens[i].piece, tokens[i].behind, size);

		for (int topic = 0; topic < 31; topic++)
			buf_printf(&query, "topic=topic-of-%d&", topic);
		buf_add_str(&query, "topic=z");   /* which none grants */
		add_events(&params, token);
		add_param(&params, "QUERY_STRING", query.bytes, query.len);
		finish_request(add(inputs, tokens[i].name), &params, &none, RECORD_MAX_BYTES);
		buf_free(&query);
		free(token);
	}
}

/* add_body adds a POST whose body is before, the piece again and again, behind;
 * it takes the body. */
static void
add_body(struct inputs *inputs, const char *name, const char *type, const char *query,
    struct buf *body)
{
	struct buf params = BUF_EMPTY;
	char *token = sign("{\"sub\":\"42\"}", " ", "", 200), *bearer = mem_printf("Bearer %s", token);
	char length[32];

	snprintf(length, sizeof(length), "%zu", body->len);
	add_param(&params, "REQUEST_METHOD", "POST", 4);
	add_param(&params, "SCRIPT_NAME", "/msg", 4);
	add_param(&params, "HTTP_AUTHORIZATION", bearer, strlen(bearer));
	add_param(&params, "CONTENT_TYPE", type, strlen(type));
	add_param(&params, "CONTENT_LENGTH", length, strlen(length));
	add_param(&params, "QUERY_STRING", query, strlen(query));
	finish_request(add(inputs, name), &params, body, RECORD_MAX_BYTES);
	free(bearer);
	free(token);
}

static void
add_repeated(struct inputs *inputs, const char *name, const char *type, const char *before,
    const char *piece, const char *behind, size_t size)
{
	struct buf body = BUF_EMPTY;

	buf_add_str(&body, before);
	repeat(&body, piece, size - strlen(before) - strlen(behind));
	buf_add_str(&body, behind);
	add_body(inputs, name, type, "", &body);
}

void
inputs_forms(struct inputs *inputs, size_t size)
{
	static const char type[] = "application/x-www-form-urlencoded";
	struct buf body = BUF_EMPTY;

	add_repeated(inputs, "plain", type, "all=1&msg=", "x", "", size);
	add_repeated(inputs, "%41", type, "all=1&msg=", "%41", "", size);
	add_repeated(inputs, "%F0%9F%99%82", type, "all=1&msg=", "%F0%9F%99%82", "", size);
	add_repeated(inputs, "+", type, "all=1&msg=", "+", "", size);
	add_repeated(inputs, "=", type, "all=1&msg=", "=", "", size);
	add_repeated(inputs, "&", type, "all=1&", "&", "msg=x", size);
	add_repeated(inputs, "4-byte characters", type, "all=1&msg=", "\xf0\x9f\x99\x82", "", size);
	buf_add_str(&body, "all=1&msg=");
	PICK(&body, size - 10, "a", "+", "%41", "\xc3\xa9", "%E2%82%AC", "\xf0\x9f\x99\x82");
	add_body(inputs, "characters and escapes at random", type, "", &body);
}

void
inputs_objects(struct inputs *inputs, size_t size)
{
	static const char type[] = "application/json", before[] = "{\"all\":1,\"msg\":\"";
	static const struct { const char *name, *before, *piece, *behind; } objects[] = {
		{ "plain", before, "x", "\"}" },
		{ "\\u0041", before, "\\u0041", "\"}" },
		{ "\\ud83d\\ude42", before, "\\ud83d\\ude42", "\"}" },
		{ "\\n", before, "\\n", "\"}" },
		{ "4-byte characters", before, "\xf0\x9f\x99\x82", "\"}" },
		{ "2-byte characters", before, "\xc3\xa9", "\"}" },
		{ "blanks", "{\"all\":1,\"msg\":\"x\"", " ", "}" },
		{ "line ends", "{\"all\":1,\"msg\":\"x\"", "\n", "}" },
		{ "deep arrays", "{\"msg\":", "[", "" },
		{ "deep objects", "{\"msg\":", "{\"a\":", "" },
		{ "empty arrays", "{\"msg\":[0", ",[]", "]}" },
		{ "empty objects", "{\"msg\":[0", ",{}", "]}" },
		{ "numbers", "{\"msg\":[0", ",1", "]}" },
		{ "reals", "{\"msg\":[0", ",1e9", "]}" },
		{ "one long number", "{\"msg\":", "1", "}" },
		{ "one long real", "{\"msg\":0.", "1", "}" },
		{ "one member, repeated", "{\"msg\":\"x\"", ",\"a\":0", "}" },
		{ "one null member, repeated", "{\"msg\":\"x\"", ",\"a\":null", "}" },
		{ "strings", "{\"msg\":[\"\"", ",\"\"", "]}" },
	};
	struct buf body = BUF_EMPTY;

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
		add_repeated(inputs, objects[i].name, type, objects[i].before, objects[i].piece,
		    objects[i].behind, size);
	buf_add_str(&body, "{\"msg\":\"x\",\"all\":1");
	for (unsigned i = 0; body.len < size - 20; i++)
		buf_printf(&body, ",\"%x\":null", i);
	buf_add_char(&body, '}');
	add_body(inputs, "members that are null", type, "", &body);
	buf_add_str(&body, "{\"all\":1");
	for (unsigned i = 0; i < 90; i++)  /* as many as there may be, and a few less */
		buf_printf(&body, ",\"%x\":null", i);
	buf_add_str(&body, ",\"msg\":\"");
	repeat(&body, "x", size - body.len - 2);
	buf_add_str(&body, "\"}");
	add_body(inputs, "90 members that are null", type, "", &body);
	buf_add_str(&body, before);
	PICK(&body, size - 30, "a", "\\n", "\\u0041", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x99\x82");
	buf_add_str(&body, "\"}");
	add_body(inputs, "characters and escapes at random", type, "", &body);
}

/* add_lines adds up to 10,000 lines with a piece in each, the last of them for
 * all, and blank lines up to the size. */
static void
add_lines(struct inputs *inputs, const char *name, const char *before, const char *piece,
    const char *behind, const char *blank, size_t size)
{
	static const char last[] = "{\"msg\":\"x\",\"all\":true}\n";
	struct buf body = BUF_EMPTY, line = BUF_EMPTY;
	size_t bytes_a_line = size / 10000;

	buf_add_str(&line, before);
	if (*piece != '\0')
		repeat(&line, piece, bytes_a_line - strlen(before) - strlen(behind));
	buf_add_str(&line, behind);
	for (int i = 0; i < 9999 && body.len + line.len + sizeof(last) < size; i++)
		buf_add(&body, line.bytes, line.len);
	repeat(&body, blank, size - body.len - sizeof(last));
	buf_add_str(&body, last);
	add_body(inputs, name, "application/x-ndjson", "", &body);
	buf_free(&line);
}

void
inputs_lines(struct inputs *inputs, size_t size)
{
	add_lines(inputs, "plain", "{\"msg\":\"", "x", "\"}\n", "\n", size);
	add_lines(inputs, "10,000 empty messages and blank lines", "{\"msg\":\"\"}\n", "", "", "\n", size);
	add_lines(inputs, "10,000 empty messages and CRLF", "{\"msg\":\"\"}\n", "", "", "\r\n", size);
	add_lines(inputs, "\\u0041", "{\"msg\":\"", "\\u0041", "\"}\n", "\n", size);
	add_lines(inputs, "4-byte characters", "{\"msg\":\"", "\xf0\x9f\x99\x82", "\"}\n", "\n", size);
	add_lines(inputs, "all fields", "{\"msg\":\"\",\"user\":1,\"topic\":\"t\",\"event\":\"e\",\"key\":2,"
	    "\"ttl\":\"9\",\"all\":0}\n", "", "", "\n", size);
	add_lines(inputs, "members that are null", "{\"msg\":\"\",\"a\":null,\"b\":null,\"c\":null,"
	    "\"d\":null,\"e\":null,\"f\":null,\"g\":null}\n", "", "", "\n", size);
	add_lines(inputs, "nothing but blank lines", "", "", "", "\n", size);
	add_lines(inputs, "nothing but blanks", "", "", "", " ", size);
}

void
inputs_bodies(struct inputs *inputs, size_t size)
{
	struct inputs texts = { .n = 0 };

	inputs_texts(&texts, size);
	for (size_t i = 0; i < texts.n; i++)
		add_body(inputs, texts.list[i].name, "text/plain", "all=1", &texts.list[i].bytes);
	inputs_free(&texts);
}

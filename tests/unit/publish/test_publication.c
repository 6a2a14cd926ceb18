/* Parsing a publication, in each form that a request can have, and who may send to
 * whom: what is accepted becomes which message, what is refused hears which
 * sentence. No server and no store: one thread calls publication_parse. */

#include "tests/unit/check.h"

#include <stdbool.h>

#include "app/publish/publication.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define FORM "application/x-www-form-urlencoded"
#define JSON "application/json"
#define TEXT "text/plain"
#define NDJSON "application/x-ndjson"
#define FIELDS "the fields are msg, user, topic, event, all, key and ttl"

enum { MAX_MESSAGE = 1000 };

static struct publication p;
static const struct message *m; /* the first of p */

/* ---- verbs ---- */

/* The body is lent from memory that ends where it ends. */
static int
parse(const char *query, const char *type, const char *body, size_t len)
{
	char *copy = calloc(len > 0 ? len : 1, 1);
	int status;

	memset(&p, 0x5a, sizeof(p));
	memcpy(copy, body, len);
	status = publication_parse(&p, query, type, copy, len, MAX_MESSAGE);
	free(copy);
	m = status == 0 ? &p.drafts[0].message : NULL;
	return status;
}

static void
takes_with(const char *query, const char *type, const char *body)
{
	int status = parse(query, type, body, strlen(body));

	if (status != 0)
		fail_msg("%s %s: %d %s", query, body, status, p.error);
}

static void
takes(const char *type, const char *body)
{
	takes_with("", type, body);
	assert_int_equal(p.n, 1);
	assert_false(p.many);
	assert_int_equal(p.drafts[0].line, 0);
}

/* body_of puts a value in its place: it is the last, in what begin begins. */
static char *
body_of(const char *type, const char *begin, const char *value)
{
	return mem_printf("%s%s%s", begin, value, strcmp(type, JSON) == 0 ? "}" : "");
}

static void
refuses_bytes(const char *query, const char *type, const char *body, size_t len, int status,
    const char *error)
{
	int got = parse(query, type, body, len);

	if (got == 0)
		fail_msg("%s %s: taken", query, body);
	assert_string_equal(p.error, error);
	assert_int_equal(got, status);
	assert_null(p.drafts);
	assert_int_equal(p.n, 0);
}

static void
refuses(const char *type, const char *body, int status, const char *error)
{
	refuses_bytes("", type, body, strlen(body), status, error);
}

/* refuses_each tries bodies that differ in their last value; begin is what comes
 * before it. */
static void
refuses_each(const char *type, const char *begin, const char *const values[], const char *error)
{
	for (; *values != NULL; values++) {
		char *body = body_of(type, begin, *values);

		refuses(type, body, 400, error);
		free(body);
	}
}

/* form_and_json: the same field, both ways, is refused in the same words. */
static void
form_and_json_refuse(const char *pairs, const char *members, int status, const char *error)
{
	char *form = mem_printf("msg=m&%s", pairs);
	char *json = mem_printf("{\"msg\":\"m\",%s}", members);

	refuses(FORM, form, status, error);
	refuses(JSON, json, status, error);
	refuses_bytes(form, NULL, "", 0, status, error);
	free(form);
	free(json);
}

/* ---- forms of a request ---- */

TEST(a_form_has_all_the_fields)
{
	wall_s before = clock_wall_s();

	takes(FORM, "msg=two+words%21&user=42&topic=t&event=e&all=0&key=k&ttl=10m");
	assert_string_equal(m->data, "two words!");
	assert_int_equal(m->data_len, 10);
	assert_string_equal(m->user, "42");
	assert_string_equal(m->topic, "t");
	assert_string_equal(m->event, "e");
	assert_string_equal(m->key, "k");
	assert_in_range(m->expiry.at, before + 600, clock_wall_s() + 600);
	assert_int_equal(m->id, 0);
	assert_false(p.drafts[0].all);
	publication_free(&p);
}

TEST(a_json_object_has_all_the_fields)
{
	wall_s before = clock_wall_s();

	takes(JSON, " { \"data\" : \"\\u00fc\\n\\\"\\ud83d\\ude00\", \"user\":42, \"topic\":\"t\","
	    "\"event\":\"e\", \"all\":false, \"key\":-7, \"ttl\":1.5 }\n");
	assert_string_equal(m->data, "\xc3\xbc\n\"\xf0\x9f\x98\x80");
	assert_int_equal(m->data_len, 8);
	assert_string_equal(m->user, "42");
	assert_string_equal(m->topic, "t");
	assert_string_equal(m->event, "e");
	assert_string_equal(m->key, "-7");
	assert_in_range(m->expiry.at, before + 2, clock_wall_s() + 2);
	publication_free(&p);
}

TEST(only_a_message_leaves_the_rest_unset)
{
	takes(FORM, "data=hello");
	assert_string_equal(m->data, "hello");
	assert_null(m->user);
	assert_null(m->topic);
	assert_null(m->event);
	assert_null(m->key);
	assert_false(m->expiry.ends);
	assert_false(p.drafts[0].all);
	publication_free(&p);
}

TEST(plain_text_is_the_message_and_the_query_the_rest)
{
	takes_with("user=42&event=e", "text/plain; charset=utf-8", "a=b&c%20+\n");
	assert_string_equal(m->data, "a=b&c%20+\n");
	assert_string_equal(m->user, "42");
	assert_string_equal(m->event, "e");
	publication_free(&p);

	takes(TEXT, "");
	assert_string_equal(m->data, "");
	publication_free(&p);

	refuses_bytes("msg=x", TEXT, "y", 1, 400, "msg is given twice");
	refuses_bytes("data=x", TEXT, "y", 1, 400,
	    "msg and data are two names of one field; give one of them");
	refuses(TEXT, "\xff", 400, "msg is not valid UTF-8");
	refuses_bytes("", TEXT, "a\0b", 3, 400, "msg may not contain U+0000");
}

TEST(the_query_alone_will_do)
{
	takes_with("msg=hello&user=42", NULL, "");
	assert_string_equal(m->data, "hello");
	publication_free(&p);
	takes_with("msg=hello", "", "");
	publication_free(&p);
	takes_with("msg=hello", FORM, "");
	publication_free(&p);
	assert_int_equal(publication_parse(&p, NULL, FORM, "msg=x", 5, MAX_MESSAGE), 0);
	publication_free(&p);
	assert_int_equal(publication_parse(&p, NULL, NULL, NULL, 0, MAX_MESSAGE), 400);
	assert_string_equal(p.error, "msg is missing");
}

TEST(query_and_body_are_one_set_of_fields)
{
	takes_with("user=42", FORM, "msg=hello");
	assert_string_equal(m->user, "42");
	publication_free(&p);
	takes_with("user=42", JSON, "{\"msg\":\"hello\",\"user\":null}");
	assert_string_equal(m->user, "42");
	publication_free(&p);
	refuses_bytes("user=42", FORM, "msg=m&user=42", 13, 400, "user is given twice");
	refuses_bytes("user=42", JSON, "{\"user\":42,\"msg\":\"m\"}", 21, 400, "user is given twice");
	refuses_bytes("msg=m", JSON, "{\"data\":\"m\"}", 12, 400,
	    "msg and data are two names of one field; give one of them");
}

/* ---- content types ---- */

TEST(content_types_are_read_as_the_standard_says)
{
	static const char *const good[] = {
		FORM, "Application/X-WWW-Form-UrlEncoded", FORM ";charset=UTF-8", FORM "; charset=utf-8",
		FORM " ; charset=\"utf-8\"", FORM "; charset=us-ascii", FORM "; charset=utf8",
		FORM "; x=y; charset=UTF-8", FORM ";", FORM "; ", " " FORM, FORM "; boundary",
		FORM "; x=\"a; charset=latin1\"", FORM ";xcharset=latin1",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		takes(good[i], "msg=m");
		publication_free(&p);
	}
}

TEST(other_content_types_are_refused)
{
	static const char *const bad[] = {
		"multipart/form-data; boundary=x", "text/html", "application/xml", "application/jsonp",
		"application/x-json", "application", "text/plainx", "text/plain/x", "text", ";", "*/*",
		"application/json,text/plain", "application/octet-stream",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuses(bad[i], "msg=m", 415, "this Content-Type is not supported; send "
		    FORM ", " JSON ", " TEXT " or " NDJSON);
	refuses_bytes("msg=m", "multipart/form-data", "", 0, 415, "this Content-Type is not "
	    "supported; send " FORM ", " JSON ", " TEXT " or " NDJSON);
}

TEST(a_body_without_a_content_type_is_refused)
{
	const char *error = "the body has no Content-Type; send " FORM ", " JSON ", " TEXT " or " NDJSON;

	refuses(NULL, "msg=m", 415, error);
	refuses("", "msg=m", 415, error);
	refuses(" ", "msg=m", 415, error);
}

TEST(other_charsets_are_refused)
{
	static const char *const bad[] = {
		"; charset=iso-8859-1", ";charset=utf-16", "; charset=", "; charset=\"\"",
		"; x=y; charset=latin1", "; CHARSET=latin1", "; charset=\"utf-16\"",
		"; charset=utf-8x", "; charset=utf-8; charset=latin1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *type = mem_printf("text/plain%s", bad[i]);

		refuses(type, "m", 415, "the charset must be UTF-8");
		free(type);
	}
}

/* ---- msg ---- */

TEST(a_message_is_there_once)
{
	refuses(FORM, "", 400, "msg is missing");
	refuses(FORM, "user=42", 400, "msg is missing");
	refuses(JSON, "{}", 400, "msg is missing");
	refuses(JSON, "{\"msg\":null}", 400, "msg is missing");
	refuses(FORM, "msg=a&msg=a", 400, "msg is given twice");
	refuses(FORM, "data=a&data=", 400, "data is given twice");
	refuses(FORM, "msg=a&data=a", 400, "msg and data are two names of one field; give one of them");
	refuses(JSON, "{\"data\":\"a\",\"msg\":\"a\"}", 400,
	    "msg and data are two names of one field; give one of them");
	refuses(JSON, "{\"msg\":\"a\",\"msg\":\"a\"}", 400, "a field is given twice");
}

TEST(an_empty_message_is_one)
{
	takes(FORM, "msg=");
	assert_string_equal(m->data, "");
	assert_int_equal(m->data_len, 0);
	publication_free(&p);
	takes(FORM, "msg");
	publication_free(&p);
	takes(JSON, "{\"msg\":\"\",\"data\":null}");
	publication_free(&p);
}

TEST(a_message_is_a_string)
{
	refuses_each(JSON, "{\"msg\":", LIST("1", "1.5", "true", "false", "[]", "{}", "[\"a\"]"),
	    "msg must be a string");
}

TEST(a_message_at_the_bound_is_taken_and_one_byte_more_is_not)
{
	char *at = mem_printf("%0*d", MAX_MESSAGE, 0), *beyond = mem_printf("%0*d", MAX_MESSAGE + 1, 0);
	const char *error = "msg is 1001 bytes long, at most 1000 are allowed";
	char *text;

	takes(TEXT, at);
	assert_int_equal(m->data_len, MAX_MESSAGE);
	publication_free(&p);
	refuses(TEXT, beyond, 413, error);
	text = mem_printf("msg=%s", at);
	takes(FORM, text);
	publication_free(&p);
	free(text);
	text = mem_printf("msg=%s", beyond);
	refuses(FORM, text, 413, error);
	free(text);
	text = mem_printf("{\"msg\":\"%s\"}", beyond);
	refuses(JSON, text, 413, error);
	free(text);
	/* Decoded bytes count: an escape is six characters and two bytes. */
	text = mem_printf("{\"msg\":\"%.*s\\u00fc\"}", MAX_MESSAGE - 2, at);
	takes(JSON, text);
	assert_int_equal(m->data_len, MAX_MESSAGE);
	publication_free(&p);
	free(text);
	free(at);
	free(beyond);
}

TEST(text_is_utf_8_without_u_0000)
{
	refuses(FORM, "msg=%00", 400, "msg may not contain U+0000");
	refuses(FORM, "msg=a%00b", 400, "msg may not contain U+0000");
	refuses(FORM, "msg=%ff", 400, "msg is not valid UTF-8");
	refuses(FORM, "msg=%c0%80", 400, "msg is not valid UTF-8");
	refuses(FORM, "msg=%ed%a0%80", 400, "msg is not valid UTF-8");
	refuses(FORM, "msg=\xe2\x82", 400, "msg is not valid UTF-8");
	refuses(FORM, "msg=m&user=%00", 400, "user may not contain U+0000");
	refuses(FORM, "msg=m&topic=a%00", 400, "topic may not contain U+0000");
	refuses(FORM, "msg=m&event=%fe", 400, "event is not valid UTF-8");
	refuses(FORM, "msg=m&key=%80", 400, "key is not valid UTF-8");
	refuses_bytes("", FORM, "msg=\0", 5, 400, "msg may not contain U+0000");
	refuses(JSON, "{\"msg\":\"\\u0000\"}", 400, "the text may not contain U+0000");
	refuses_bytes("", JSON, "{\"msg\":\"m\",\"ttl\":5\0}", 20, 400,
	    "the text may not contain U+0000");
	refuses_bytes("", NDJSON, "{\"msg\":\"m\",\"all\":true\0}", 23, 400,
	    "line 1: the text may not contain U+0000");
	refuses(JSON, "{\"msg\\u0000\":\"\"}", 400, "the text may not contain U+0000");
	refuses(JSON, "{\"msg\":\"\xff\"}", 400, "the text is not valid UTF-8");
	refuses(JSON, "{\"msg\":\"\xed\xa0\x80\"}", 400, "the text is not valid UTF-8");
	refuses(JSON, "{\"msg\":\"\xc3\"}", 400, "the text is not valid UTF-8");
}

/* ---- the other fields ---- */

TEST(names_are_not_empty)
{
	form_and_json_refuse("user=", "\"user\":\"\"", 400, "user is empty");
	form_and_json_refuse("topic=", "\"topic\":\"\"", 400, "topic is empty");
	form_and_json_refuse("key=", "\"key\":\"\"", 400, "key is empty");
	takes(FORM, "msg=m&event=");
	assert_null(m->event);
	publication_free(&p);
	takes(JSON, "{\"msg\":\"m\",\"event\":\"\"}");
	assert_null(m->event);
	publication_free(&p);
}

TEST(names_keep_to_their_bounds)
{
	static const struct { const char *name; int max; } bounds[] = {
		{ "user", USER_MAX_BYTES }, { "topic", TOPIC_MAX_BYTES },
		{ "event", EVENT_MAX_BYTES }, { "key", KEY_MAX_BYTES },
	};

	for (size_t i = 0; i < 4; i++) {
		const char *name = bounds[i].name;
		char *at = mem_printf("msg=m&%s=%0*d", name, bounds[i].max, 0);
		char *pair = mem_printf("%s=%0*d", name, bounds[i].max + 1, 0);
		char *member = mem_printf("\"%s\":\"%0*d\"", name, bounds[i].max + 1, 0);
		char *error = mem_printf("%s is %d bytes long, at most %d are allowed", name,
		    bounds[i].max + 1, bounds[i].max);

		takes(FORM, at);
		publication_free(&p);
		form_and_json_refuse(pair, member, 400, error);
		free(at);
		free(pair);
		free(member);
		free(error);
	}
}

TEST(json_names_have_their_types)
{
	const char *const *odd = LIST("true", "1.5", "1.0", "[]", "{}", "[\"a\"]");

	refuses_each(JSON, "{\"msg\":\"m\",\"user\":", odd, "user must be a string or an integer");
	refuses_each(JSON, "{\"msg\":\"m\",\"key\":", odd, "key must be a string or an integer");
	refuses_each(JSON, "{\"msg\":\"m\",\"topic\":", odd, "topic must be a string");
	refuses_each(JSON, "{\"msg\":\"m\",\"event\":", odd, "event must be a string");
	refuses(JSON, "{\"msg\":\"m\",\"topic\":1}", 400, "topic must be a string");
	refuses(JSON, "{\"msg\":\"m\",\"event\":1}", 400, "event must be a string");
	refuses(JSON, "{\"msg\":\"m\",\"user\":99999999999999999999}", 400, "a number is too large");
}

TEST(null_is_absent)
{
	takes(JSON, "{\"msg\":\"m\",\"user\":null,\"topic\":null,\"event\":null,\"all\":null,"
	    "\"key\":null,\"ttl\":null,\"data\":null}");
	assert_null(m->user);
	assert_false(m->expiry.ends);
	publication_free(&p);
}

TEST(an_event_is_one_line_and_not_the_servers)
{
	form_and_json_refuse("event=a%0ab", "\"event\":\"a\\nb\"", 400,
	    "event may not contain a line break");
	form_and_json_refuse("event=a%0d", "\"event\":\"a\\r\"", 400,
	    "event may not contain a line break");
	form_and_json_refuse("event=rowcast.gap", "\"event\":\"rowcast.gap\"", 400,
	    "event may not begin with rowcast., those are the server's own");
	form_and_json_refuse("event=rowcast.", "\"event\":\"rowcast.\"", 400,
	    "event may not begin with rowcast., those are the server's own");
	form_and_json_refuse("event=error", "\"event\":\"error\"", 400,
	    "event may not be error or open, those are the browser's own");
	form_and_json_refuse("event=open", "\"event\":\"open\"", 400,
	    "event may not be error or open, those are the browser's own");
	takes(FORM, "msg=m&event=rowcast");
	publication_free(&p);
	takes(FORM, "msg=m&event=Rowcast.gap");
	publication_free(&p);
}

TEST(an_end_has_a_topic_and_is_for_everybody_and_for_good)
{
	form_and_json_refuse("event=rowcast.end", "\"event\":\"rowcast.end\"", 400,
	    "rowcast.end ends a topic: topic is missing");
	form_and_json_refuse("event=rowcast.end&topic=t&user=7",
	    "\"event\":\"rowcast.end\",\"topic\":\"t\",\"user\":\"7\"", 400,
	    "rowcast.end ends a topic for everybody and for good: leave out user");
	form_and_json_refuse("topic=t&event=rowcast.end&ttl=60",
	    "\"ttl\":60,\"event\":\"rowcast.end\",\"topic\":\"t\"", 400,
	    "rowcast.end ends a topic for everybody and for good: leave out ttl");
	form_and_json_refuse("event=rowcast.end&topic=rowcast.control",
	    "\"event\":\"rowcast.end\",\"topic\":\"rowcast.control\"", 400,
	    "a topic that begins with rowcast. does not end");
	form_and_json_refuse("event=rowcast.ends&topic=t", "\"event\":\"rowcast.ends\",\"topic\":\"t\"", 400,
	    "event may not begin with rowcast., those are the server's own");
	takes(FORM, "msg=&event=rowcast.end&topic=t&all=1&key=k");
	assert_string_equal(m->event, "rowcast.end");
	publication_free(&p);
}

static void
all_is(const char *type, const char *body, bool expected)
{
	takes(type, body);
	assert_int_equal(p.drafts[0].all, expected);
	publication_free(&p);
}

TEST(all_is_yes_or_no)
{
	all_is(FORM, "msg=m&all=1", true);
	all_is(FORM, "msg=m&all=true", true);
	all_is(FORM, "msg=m&all=0&user=42", false);
	all_is(FORM, "msg=m&all=false", false);
	all_is(JSON, "{\"msg\":\"m\",\"all\":1}", true);
	all_is(JSON, "{\"msg\":\"m\",\"all\":true}", true);
	all_is(JSON, "{\"msg\":\"m\",\"all\":\"1\"}", true);
	all_is(JSON, "{\"msg\":\"m\",\"all\":\"true\"}", true);
	all_is(JSON, "{\"msg\":\"m\",\"all\":0}", false);
	all_is(JSON, "{\"msg\":\"m\",\"all\":false,\"user\":\"u\"}", false);
	all_is(FORM, "msg=m&all=1&topic=t", true);
	refuses_each(FORM, "msg=m&all=", LIST("", "yes", "2", "on", "TRUE", "01", "1%00", "+1", "-1"),
	    "all must be 1 or 0");
	refuses_each(JSON, "{\"msg\":\"m\",\"all\":",
	    LIST("2", "-1", "1.0", "\"\"", "\"yes\"", "[]", "[1]", "{}"), "all must be 1 or 0");
}

TEST(all_and_user_exclude_each_other)
{
	form_and_json_refuse("all=1&user=42", "\"all\":1,\"user\":\"42\"", 400,
	    "all and user exclude each other");
	form_and_json_refuse("user=42&all=true", "\"user\":42,\"all\":true", 400,
	    "all and user exclude each other");
}

static void
ttl_is(const char *type, const char *begin, const char *ttl, int64_t expected_s)
{
	wall_s before = clock_wall_s();
	char *body = body_of(type, begin, ttl);

	takes(type, body);
	assert_in_range(m->expiry.at, before + expected_s, clock_wall_s() + expected_s);
	publication_free(&p);
	free(body);
}

TEST(ttl_is_seconds_or_a_time)
{
	ttl_is(FORM, "msg=m&ttl=", "1", 1);
	ttl_is(FORM, "msg=m&ttl=", "90s", 90);
	ttl_is(FORM, "msg=m&ttl=", "1ms", 1);
	ttl_is(FORM, "msg=m&ttl=", "1001ms", 2);
	ttl_is(FORM, "msg=m&ttl=", "7d", 604800);
	ttl_is(FORM, "msg=m&ttl=", "3650d", 315360000);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "60", 60);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "\"10m\"", 600);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "\"60\"", 60);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "0.001", 1);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "2.0", 2);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "2.1", 3);
	ttl_is(JSON, "{\"msg\":\"m\",\"ttl\":", "315360000", 315360000);
}

TEST(ttl_keeps_to_its_bounds)
{
	const char *beyond = "ttl must be more than 0 and at most 10 years";
	const char *odd = "ttl must be a number of seconds or a time such as 500ms, 15s, 10m, 1h or 7d";

	refuses_each(FORM, "msg=m&ttl=", LIST("0", "0s", "3651d", "315360001",
	    "9999999999999999999999", "9223372036854775807"), beyond);
	refuses_each(JSON, "{\"msg\":\"m\",\"ttl\":", LIST("0", "0.0", "-1", "-0.5", "315360001",
	    "315360000.5", "1e300", "-1e300", "9223372036854775807", "-9223372036854775808",
	    "\"0\"", "\"3651d\""), beyond);
	refuses_each(JSON, "{\"msg\":\"m\",\"ttl\":", LIST("\"\"", "\"-1\"", "\"1.5\"",
	    "\"soon\"", "\" 1\"", "true", "[]", "{}"), odd);
	refuses_each(FORM, "msg=m&ttl=", LIST("", "1%00"), odd);
}

TEST(an_unknown_field_is_refused_and_shown_only_where_harmless)
{
	form_and_json_refuse("token=x", "\"token\":\"x\"", 400, "the field token is unknown; " FIELDS);
	form_and_json_refuse("Msg=x", "\"Msg\":\"x\"", 400, "the field Msg is unknown; " FIELDS);
	form_and_json_refuse("=x", "\"\":\"x\"", 400, "a field is unknown; " FIELDS);
	form_and_json_refuse("%3Cb%3E=x", "\"<b>\":\"x\"", 400, "a field is unknown; " FIELDS);
	form_and_json_refuse("%C3%BC=x", "\"\\u00fc\":\"x\"", 400, "a field is unknown; " FIELDS);
	form_and_json_refuse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x",
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"x\"", 400,
	    "the field aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa is unknown; " FIELDS);
	form_and_json_refuse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=x",
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"x\"", 400, "a field is unknown; " FIELDS);
	refuses(FORM, "msg=m&user%00=x", 400, "the name of a field may not contain U+0000");
	refuses(FORM, "msg=m&%ff=x", 400, "a field is unknown; " FIELDS);
	refuses(JSON, "{\"msg\":\"m\",\"id\":7}", 400, "the field id is unknown; " FIELDS);
}

TEST(a_malformed_escape_says_where)
{
	refuses(FORM, "msg=%zz", 400, "the body has a malformed percent escape");
	refuses(FORM, "msg=100%", 400, "the body has a malformed percent escape");
	refuses_bytes("msg=100%", NULL, "", 0, 400, "the query has a malformed percent escape");
}

TEST(what_is_no_json_object_is_refused)
{
	char deep[6000];

	refuses(JSON, "", 400, "the body is not valid JSON (line 1, column 0)");
	refuses(JSON, "{", 400, "the body is not valid JSON (line 1, column 1)");
	refuses(JSON, "{\"msg\":\"m\"}\n x", 400, "the body is not valid JSON (line 2, column 2)");
	refuses(JSON, "{\"msg\":\"m\"}{}", 400, "the body is not valid JSON (line 1, column 12)");
	refuses(JSON, "{'msg':'m'}", 400, "the body is not valid JSON (line 1, column 2)");
	refuses(JSON, "{\"msg\":\"\\ud800\"}", 400, "the body is not valid JSON (line 1, column 15)");
	refuses(JSON, "{\"msg\":\"a\nb\"}", 400, "the body is not valid JSON (line 1, column 9)");
	refuses(JSON, "{\"msg\":NaN}", 400, "the body is not valid JSON (line 1, column 10)");
	refuses(JSON, "[]", 400, "the body is not a JSON object");
	refuses(JSON, "[{\"msg\":\"m\"}]", 400, "the body is not a JSON object");
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(parse("", JSON, deep, strlen(deep)), 400);
	assert_int_equal(strncmp(p.error, "the body is not valid JSON (line 1, column ", 43), 0);
}

TEST(the_values_of_an_object_are_bounded_in_number)
{
	struct buf nulls = BUF_EMPTY, nested = BUF_EMPTY, text = BUF_EMPTY;
	char *body;

	buf_add_str(&nulls, "{\"msg\":\"m\"");
	buf_add_str(&nested, "{\"msg\":[0");
	buf_add_str(&text, "{\"msg\":\"\\\"");
	for (int i = 0; i < 101; i++) {
		/* What is in strings does not count. */
		buf_add_str(&text, ",\\\",");
		if (i == 100) {
			body = mem_printf("%.*s}", (int)nulls.len, nulls.bytes);
			takes(JSON, body);
			publication_free(&p);
			free(body);
		}
		buf_printf(&nulls, ",\"x%d\":null", i);
		buf_add_str(&nested, ",{}");
	}
	buf_add_str(&nulls, "}");
	buf_add_str(&nested, "]}");
	buf_add_str(&text, "\"}");
	body = buf_take(&text);
	takes(JSON, body);
	publication_free(&p);
	free(body);
	body = buf_take(&nulls);
	refuses(JSON, body, 400, "the object has too many values; the fields are msg, user, topic, "
	    "event, all, key and ttl");
	free(body);
	body = buf_take(&nested);
	refuses(JSON, body, 400, "the object has too many values; the fields are msg, user, topic, "
	    "event, all, key and ttl");
	free(body);
}

TEST(empty_pairs_of_a_query_are_passed_over)
{
	struct buf query = BUF_EMPTY;
	char *text;

	buf_add_str(&query, "msg=m");
	for (int i = 0; i < 100; i++)
		buf_add_str(&query, "&&&&&&&&&&&&&&&&&&&&");
	text = buf_take(&query);
	takes_with(text, NULL, "");   /* nothing between them is nothing */
	publication_free(&p);
	free(text);
}

/* ---- many ---- */

TEST(each_line_is_a_message)
{
	takes_with("", NDJSON, "{\"msg\":\"a\"}\n\r\n  \n{\"msg\":\"b\",\"user\":7}\r\n{\"msg\":\"c\",\"all\":1}");
	assert_true(p.many);
	assert_int_equal(p.n, 3);
	assert_string_equal(p.drafts[0].message.data, "a");
	assert_null(p.drafts[0].message.user);
	assert_int_equal(p.drafts[0].line, 1);
	assert_string_equal(p.drafts[1].message.data, "b");
	assert_string_equal(p.drafts[1].message.user, "7");
	assert_int_equal(p.drafts[1].line, 4);
	assert_true(p.drafts[2].all);
	publication_free(&p);
	takes_with("", NDJSON, "{\"msg\":\"a\"}\n");
	assert_true(p.many);
	assert_int_equal(p.n, 1);
	publication_free(&p);
}

TEST(a_fault_in_one_line_refuses_all_and_names_it)
{
	refuses(NDJSON, "{\"msg\":\"a\"}\n\n{\"msg\":1}\n{}", 400, "line 3: msg must be a string");
	refuses(NDJSON, "{\"msg\":\"a\"}\n{}", 400, "line 2: msg is missing");
	refuses(NDJSON, "{\"msg\":\"a\"}\nx", 400, "line 2: not valid JSON (column 1)");
	refuses(NDJSON, "{\"msg\":\n\"a\"}", 400, "line 1: not valid JSON (column 7)");
	refuses(NDJSON, "{\"msg\":\"a\"}{\"msg\":\"b\"}", 400, "line 1: not valid JSON (column 12)");
	refuses(NDJSON, "[{\"msg\":\"a\"}]", 400, "line 1: not a JSON object");
	refuses(NDJSON, "{\"msg\":\"a\"}\n{\"msg\":\"a\",\"x\":1}", 400,
	    "line 2: the field x is unknown; " FIELDS);
	refuses(NDJSON, "{\"msg\":\"a\",\"msg\":\"a\"}", 400, "line 1: a field is given twice");
	refuses(NDJSON, "{\"msg\":\"\\u0000\"}", 400, "line 1: the text may not contain U+0000");
	refuses(NDJSON, "{\"msg\":\"\xff\"}", 400, "line 1: the text is not valid UTF-8");
	refuses(NDJSON, "{\"msg\":\"a\",\"all\":1,\"user\":1}", 400,
	    "line 1: all and user exclude each other");
	refuses_bytes("", NDJSON, "{\"msg\":\"a\"}\n\0", 13, 400,
	    "line 2: the text may not contain U+0000");
	{
		char *line = mem_printf("\n{\"msg\":\"%0*d\"}", MAX_MESSAGE + 1, 0);

		refuses(NDJSON, line, 413, "line 2: msg is 1001 bytes long, at most 1000 are allowed");
		free(line);
	}
}

TEST(lines_without_a_message_are_refused)
{
	refuses(NDJSON, "", 400, "the body has no message");
	refuses(NDJSON, "\n \t\r\n\n", 400, "the body has no message");
}

TEST(ndjson_takes_nothing_from_the_query)
{
	refuses_bytes("user=42", NDJSON, "{\"msg\":\"a\"}", 11, 400, "with application/x-ndjson the "
	    "fields belong in the lines, not in the query");
	takes_with("&", NDJSON, "{\"msg\":\"a\"}");
	publication_free(&p);
}

TEST(ten_thousand_lines_are_taken_and_one_more_is_not)
{
	struct buf body = BUF_EMPTY;
	char *text;

	for (int i = 0; i < PUBLICATION_MAX_MESSAGES; i++)
		buf_printf(&body, "{\"msg\":\"%d\"}\n\n", i);
	assert_int_equal(parse("", NDJSON, body.bytes, body.len), 0);
	assert_int_equal(p.n, PUBLICATION_MAX_MESSAGES);
	assert_string_equal(p.drafts[9999].message.data, "9999");
	publication_free(&p);
	buf_add_str(&body, "{}");
	text = buf_take(&body);
	refuses(NDJSON, text, 413, "more than 10000 messages in one request");
	free(text);
}

/* ---- who may ---- */

static char own_user[] = "42";

static int
authorize(const char *type, const char *body, bool may_publish)
{
	struct identity id = { .user = own_user, .may_publish = may_publish };

	takes_with("", type, body);
	return publication_authorize(&p, &id);
}

static void
sends_to(const char *body, bool may_publish, const char *user, const char *topic)
{
	assert_int_equal(authorize(FORM, body, may_publish), 0);
	if (user == NULL)
		assert_null(m->user);
	else
		assert_string_equal(m->user, user);
	if (topic == NULL)
		assert_null(m->topic);
	else
		assert_string_equal(m->topic, topic);
	publication_free(&p);
}

static void
forbids(const char *type, const char *body, const char *error)
{
	assert_int_equal(authorize(type, body, false), 403);
	assert_string_equal(p.error, error);
	publication_free(&p);
}

TEST(a_message_for_nobody_goes_to_oneself)
{
	sends_to("msg=m", false, "42", NULL);
	sends_to("msg=m&event=e&key=k&ttl=1&all=0", false, "42", NULL);
	sends_to("msg=m", true, "42", NULL);
}

TEST(naming_oneself_needs_no_scope)
{
	sends_to("msg=m&user=42", false, "42", NULL);
	assert_int_equal(authorize(JSON, "{\"msg\":\"m\",\"user\":42}", false), 0);
	assert_string_equal(m->user, "42");
	publication_free(&p);
}

TEST(the_scope_opens_users_topics_and_everyone)
{
	sends_to("msg=m&user=43", true, "43", NULL);
	sends_to("msg=m&topic=t", true, NULL, "t");
	sends_to("msg=m&topic=t&user=43", true, "43", "t");
	sends_to("msg=m&all=1", true, NULL, NULL);
	sends_to("msg=m&all=1&topic=t", true, NULL, "t");
}

TEST(without_the_scope_they_are_closed)
{
	forbids(FORM, "msg=m&user=43",
	    "sending to another user needs a token with the scope rowcast:publish");
	forbids(FORM, "msg=m&user=420",
	    "sending to another user needs a token with the scope rowcast:publish");
	forbids(FORM, "msg=m&user=042",
	    "sending to another user needs a token with the scope rowcast:publish");
	forbids(FORM, "msg=m&topic=t",
	    "sending to a topic needs a token with the scope rowcast:publish");
	forbids(FORM, "msg=m&topic=t&user=42",
	    "sending to a topic needs a token with the scope rowcast:publish");
	forbids(FORM, "msg=m&all=1",
	    "sending to everyone needs a token with the scope rowcast:publish");
	forbids(NDJSON, "{\"msg\":\"m\"}\n\n{\"msg\":\"m\",\"user\":\"43\"}",
	    "line 3: sending to another user needs a token with the scope rowcast:publish");
}

TEST(reserved_topics_are_for_administrators)
{
	static const char *const bodies[] = {
		"msg=m&topic=rowcast.control&user=43&event=kick",
		"msg=m&topic=rowcast.control&user=42&event=kick",
		"msg=m&topic=rowcast.control&all=1",
		"msg=m&topic=rowcast.",
		"msg=m&topic=rowcast.of+the+future",
	};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct identity admin = { .user = own_user, .may_admin = true };

		assert_int_equal(authorize(FORM, bodies[i], true), 403);
		assert_string_equal(p.error, "sending to a topic that begins with rowcast. needs a"
		    " token with the scope rowcast:admin");
		publication_free(&p);
		takes_with("", FORM, bodies[i]);
		assert_int_equal(publication_authorize(&p, &admin), 0);
		publication_free(&p);
	}
	sends_to("msg=m&topic=rowcast", true, NULL, "rowcast");
}

TEST(the_scope_of_administrators_opens_nothing_else)
{
	struct identity admin = { .user = own_user, .may_admin = true };

	takes_with("", NDJSON, "{\"msg\":\"m\",\"topic\":\"rowcast.control\"}\n"
	    "{\"msg\":\"m\",\"topic\":\"news\"}");
	assert_int_equal(publication_authorize(&p, &admin), 403);
	assert_string_equal(p.error, "line 2: sending to a topic needs a token with the scope"
	    " rowcast:publish");
	publication_free(&p);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_form_has_all_the_fields),
	cmocka_unit_test(a_json_object_has_all_the_fields),
	cmocka_unit_test(only_a_message_leaves_the_rest_unset),
	cmocka_unit_test(plain_text_is_the_message_and_the_query_the_rest),
	cmocka_unit_test(the_query_alone_will_do),
	cmocka_unit_test(query_and_body_are_one_set_of_fields),
	cmocka_unit_test(content_types_are_read_as_the_standard_says),
	cmocka_unit_test(other_content_types_are_refused),
	cmocka_unit_test(a_body_without_a_content_type_is_refused),
	cmocka_unit_test(other_charsets_are_refused),
	cmocka_unit_test(a_message_is_there_once),
	cmocka_unit_test(an_empty_message_is_one),
	cmocka_unit_test(a_message_is_a_string),
	cmocka_unit_test(a_message_at_the_bound_is_taken_and_one_byte_more_is_not),
	cmocka_unit_test(text_is_utf_8_without_u_0000),
	cmocka_unit_test(names_are_not_empty),
	cmocka_unit_test(names_keep_to_their_bounds),
	cmocka_unit_test(json_names_have_their_types),
	cmocka_unit_test(null_is_absent),
	cmocka_unit_test(an_event_is_one_line_and_not_the_servers),
	cmocka_unit_test(an_end_has_a_topic_and_is_for_everybody_and_for_good),
	cmocka_unit_test(all_is_yes_or_no),
	cmocka_unit_test(all_and_user_exclude_each_other),
	cmocka_unit_test(ttl_is_seconds_or_a_time),
	cmocka_unit_test(ttl_keeps_to_its_bounds),
	cmocka_unit_test(an_unknown_field_is_refused_and_shown_only_where_harmless),
	cmocka_unit_test(a_malformed_escape_says_where),
	cmocka_unit_test(what_is_no_json_object_is_refused),
	cmocka_unit_test(the_values_of_an_object_are_bounded_in_number),
	cmocka_unit_test(empty_pairs_of_a_query_are_passed_over),
	cmocka_unit_test(each_line_is_a_message),
	cmocka_unit_test(a_fault_in_one_line_refuses_all_and_names_it),
	cmocka_unit_test(lines_without_a_message_are_refused),
	cmocka_unit_test(ndjson_takes_nothing_from_the_query),
	cmocka_unit_test(ten_thousand_lines_are_taken_and_one_more_is_not),
	cmocka_unit_test(a_message_for_nobody_goes_to_oneself),
	cmocka_unit_test(naming_oneself_needs_no_scope),
	cmocka_unit_test(the_scope_opens_users_topics_and_everyone),
	cmocka_unit_test(without_the_scope_they_are_closed),
	cmocka_unit_test(reserved_topics_are_for_administrators),
	cmocka_unit_test(the_scope_of_administrators_opens_nothing_else),
};

RUN_TESTS(tests)

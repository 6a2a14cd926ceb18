#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <jansson.h>

#include "app/hub/encoding.h"
#include "lib/mem.h"
#include "lib/utf8.h"

static struct message
message_of(const char *user, const char *topic, const char *event, const char *data)
{
	union { const char *lent; char *text; } u = { user }, t = { topic }, e = { event }, d = { data };

	return (struct message){ .id = 7, .user = u.text, .topic = t.text, .event = e.text,
	    .data = d.text, .data_len = strlen(data), .created_at = 1700000000 };
}

static void
writes(enum encoding encoding, struct message m, const char *bytes)
{
	struct buf out = BUF_EMPTY;
	char *got;

	encoding_add(encoding, &out, &m);
	got = buf_take(&out);
	assert_string_equal(got, bytes);
	free(got);
}

TEST(plain_is_the_message_s_event)
{
	writes(ENCODING_PLAIN, message_of("u", "t", NULL, "a\nb"), "id: 7\ndata: a\ndata: b\n\n");
	writes(ENCODING_PLAIN, message_of(NULL, NULL, "e", ""), "id: 7\nevent: e\ndata: \n\n");
}

TEST(json_is_all_of_the_message_in_one_line)
{
	writes(ENCODING_JSON, message_of("42", "news", "order", "a\r\nb"), "id: 7\ndata: {\"id\":7,"
	    "\"user\":\"42\",\"topic\":\"news\",\"event\":\"order\",\"data\":\"a\\u000d\\u000ab\","
	    "\"created_at\":1700000000}\n\n");
}

TEST(what_a_message_does_not_have_is_not_there)
{
	writes(ENCODING_JSON, message_of(NULL, NULL, NULL, ""),
	    "id: 7\ndata: {\"id\":7,\"data\":\"\",\"created_at\":1700000000}\n\n");
	/* A name without letters is a name. */
	writes(ENCODING_JSON, message_of("", "", "", "x"), "id: 7\ndata: {\"id\":7,\"user\":\"\","
	    "\"topic\":\"\",\"event\":\"\",\"data\":\"x\",\"created_at\":1700000000}\n\n");
}

TEST(what_rowcast_tells_keeps_its_name)
{
	static const char gap[] = "{\"reason\":\"expired\"}";

	writes(ENCODING_JSON, message_of(NULL, NULL, "rowcast.gap", gap),
	    "id: 7\nevent: rowcast.gap\ndata: {\"reason\":\"expired\"}\n\n");
	writes(ENCODING_JSON, message_of(NULL, "t", "rowcast.end", "{}"), "id: 7\nevent: rowcast.end\n"
	    "data: {\"id\":7,\"topic\":\"t\",\"event\":\"rowcast.end\",\"data\":\"{}\",\"created_at\":1700000000}\n\n");
	writes(ENCODING_JSON, message_of(NULL, NULL, "rowcast", "x"),
	    "id: 7\ndata: {\"id\":7,\"event\":\"rowcast\",\"data\":\"x\",\"created_at\":1700000000}\n\n");
}

TEST(what_is_not_utf_8_is_sent_as_the_replacement_character)
{
	writes(ENCODING_JSON, message_of("\xff", "\xc3", "e\xe2\x82", "\xed\xa0\x80z"), "id: 7\ndata: {\"id\":7,"
	    "\"user\":\"\xef\xbf\xbd\",\"topic\":\"\xef\xbf\xbd\",\"event\":\"e\xef\xbf\xbd\","
	    "\"data\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\",\"created_at\":1700000000}\n\n");
}

static void
is_member(const json_t *json, const char *name, const char *text, size_t len)
{
	const json_t *member = json_object_get(json, name);

	if (text == NULL) {
		assert_null(member);
		return;
	}
	assert_true(json_is_string(member));
	assert_int_equal(json_string_length(member), len);
	assert_memory_equal(json_string_value(member), text, len);
}

TEST(any_text_comes_back_as_it_was)
{
	static const char *const parts[] = { "a", "\"", "\\", "\n", "\r", "\t", "/", "\x01", "\x1f", "\x7f",
		"\xc3\xa4", "\xe2\x80\xa8", "\xf0\x9f\x8e\x89", "{", "}", "</script>", "data: ", "\\u0000", " " };

	dice_begin();
	for (int round = 0; round < 2000; round++) {
		struct buf texts[4] = { BUF_EMPTY, BUF_EMPTY, BUF_EMPTY, BUF_EMPTY }, out = BUF_EMPTY;
		struct message m = { .id = (int64_t)dice_throw(1000) << dice_throw(40), .created_at = (wall_s)dice_throw(4000000000) };
		size_t lens[4];
		char *strings[4];
		json_t *json;

		for (int i = 0; i < 4; i++) {
			for (size_t n = dice_throw(i == 3 ? 400 : 8); n > 0; n--)
				buf_add_str(&texts[i], parts[dice_throw(sizeof(parts) / sizeof(parts[0]))]);
			lens[i] = texts[i].len;
			strings[i] = buf_take(&texts[i]);
		}
		m.user = dice_throw(3) ? strings[0] : NULL;
		m.topic = dice_throw(3) ? strings[1] : NULL;
		m.event = dice_throw(3) ? strings[2] : NULL;
		m.data = strings[3];
		m.data_len = lens[3];
		encoding_add(ENCODING_JSON, &out, &m);
		assert_memory_equal(out.bytes, "id: ", 4);
		buf_add_char(&out, '\0');
		{
			char *line = strstr(out.bytes, "\ndata: ") + 7, *end = strchr(line, '\n');

			assert_string_equal(end, "\n\n");
			assert_null(strchr(line, '\r'));
			json = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);
		}
		assert_non_null(json);
		assert_int_equal(json_integer_value(json_object_get(json, "id")), m.id);
		assert_int_equal(json_integer_value(json_object_get(json, "created_at")), m.created_at);
		is_member(json, "user", m.user, lens[0]);
		is_member(json, "topic", m.topic, lens[1]);
		is_member(json, "event", m.event, lens[2]);
		is_member(json, "data", m.data, lens[3]);
		json_decref(json);
		buf_free(&out);
		for (int i = 0; i < 4; i++)
			free(strings[i]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plain_is_the_message_s_event),
	cmocka_unit_test(json_is_all_of_the_message_in_one_line),
	cmocka_unit_test(what_a_message_does_not_have_is_not_there),
	cmocka_unit_test(what_rowcast_tells_keeps_its_name),
	cmocka_unit_test(what_is_not_utf_8_is_sent_as_the_replacement_character),
	cmocka_unit_test(any_text_comes_back_as_it_was),
};

RUN_TESTS(tests)

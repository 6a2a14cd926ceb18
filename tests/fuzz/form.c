/* lib/form.h on any bytes: pairs that are encoded anew, every byte escaped,
 * have to be read as the same pairs; and what is malformed is known without
 * reading pairs, since an escape cannot reach over a '&' or a '='. */

#include "tests/fuzz/fuzz.h"

#include "lib/form.h"

static void
add_escaped(struct buf *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_printf(out, i % 2 ? "%%%02x" : "%%%02X", (unsigned char)bytes[i]);
}

static bool
is_hex(char c)
{
	return memchr("0123456789abcdefABCDEF", c, 22) != NULL;
}

static bool
is_malformed(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == '%' && (len - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2])))
			return true;
	return false;
}

static size_t
count_pairs(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] != '&' && (i == 0 || text[i - 1] == '&');
	return n;
}

static void
check_again(const struct buf *pairs, const struct buf *plain)
{
	struct form form;
	struct buf again = BUF_EMPTY;

	form_init(&form, pairs->bytes, pairs->len);
	while (form_next(&form) == FORM_PAIR) {
		buf_add(&again, form.name, form.name_len + 1);
		buf_add(&again, form.value, form.value_len + 1);
	}
	form_free(&form);
	REQUIRE(again.len == plain->len);
	REQUIRE(again.len == 0 || memcmp(again.bytes, plain->bytes, again.len) == 0);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct buf pairs = BUF_EMPTY, plain = BUF_EMPTY;
	struct form form;
	size_t n = 0;
	int outcome;

	form_init(&form, text, size);
	while ((outcome = form_next(&form)) == FORM_PAIR) {
		REQUIRE(form.name[form.name_len] == '\0' && form.value[form.value_len] == '\0');
		REQUIRE(form.name_len + form.value_len <= size);
		n++;
		buf_add(&plain, form.name, form.name_len + 1);
		buf_add(&plain, form.value, form.value_len + 1);
		add_escaped(&pairs, form.name, form.name_len);
		buf_add_char(&pairs, '=');
		add_escaped(&pairs, form.value, form.value_len);
		buf_add_str(&pairs, "&&");
	}
	REQUIRE(outcome == FORM_TOO_MANY || (outcome == FORM_MALFORMED) == is_malformed(text, size));
	REQUIRE(outcome != 0 || n == count_pairs(text, size));
	REQUIRE(outcome == FORM_TOO_MANY ? n == FORM_MAX_PAIRS : n <= FORM_MAX_PAIRS);
	REQUIRE(form_next(&form) == 0);
	form_free(&form);
	check_again(&pairs, &plain);
	buf_free(&pairs);
	buf_free(&plain);
	return 0;
}

/* rowcast publish: inserts rows into the table, as any other program may. A rowcast
 * that is running sends them; one that is started later replays them. One thread,
 * with a writing handle of the store. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/command/command.h"
#include "app/publish/field.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

static const char usage[] = "publish [--user U | --topic T | --all] [--event E]"
    " [-c FILE] [-o KEY=VALUE]... [DATA]";

enum { READ_BYTES = 64 << 10 };

struct publisher {
	struct store *store;
	struct draft like;  /* user, topic and event of every message */
	struct field_reader options;
	char error[FIELD_ERROR_BYTES];
	size_t max_message_bytes;
};

/* check_data returns NULL, or why the line cannot be a message. */
static const char *
check_data(const struct publisher *p, const char *data, size_t len)
{
	if (len > p->max_message_bytes)
		return "a message is larger than max_message";
	if (!utf8_is_text(data, len))
		return "a message is not UTF-8, or contains U+0000";
	return NULL;
}

/* take_option sets, from the value of --user, --topic or --event, what all messages
 * have, by the rules of /msg. */
static int
take_option(struct publisher *p, const char *field, const char *text)
{
	const struct field_value value = { .kind = FIELD_TEXT, .text = text, .len = strlen(text) };

	if (field_read(&p->options, &p->like, field, &value) == 0)
		return 0;
	log_errorx("publish: %s", p->error);
	return -1;
}

/* append commits n messages in one transaction and prints their ids. -1: logged. */
static int
append(struct publisher *p, struct message *messages, size_t n)
{
	struct append a = { .messages = messages, .n = n, .publisher = "" };
	struct append *appends[] = { &a };

	/* The reason is logged, that is on stderr, for the person who called us. */
	if (store_append(p->store, appends, 1) != 0 || a.refused)
		return -1;
	for (size_t i = 0; i < n; i++)
		printf("%" PRId64 "\n", messages[i].id);
	return command_flush();
}

static int
publish_one(struct publisher *p, char *data)
{
	struct message m = p->like.message;
	const char *fault = check_data(p, data, strlen(data));

	if (fault != NULL) {
		log_errorx("publish: %s", fault);
		return -1;
	}
	m.data = data;
	m.data_len = strlen(data);
	return append(p, &m, 1);
}

/* publish_lines publishes the first n lines of text, each ended by LF or CRLF,
 * in one transaction. */
static int
publish_lines(struct publisher *p, char *text, size_t n)
{
	struct message *messages = mem_alloc(n * sizeof(*messages));
	int rc = -1;

	for (size_t i = 0; i < n; i++) {
		char *end = strchrnul(text, '\n');
		const char *fault;

		messages[i] = p->like.message;
		messages[i].data = text;
		messages[i].data_len = (size_t)(end - text);
		if (end > text && end[-1] == '\r')
			messages[i].data_len--;
		text[messages[i].data_len] = '\0';
		fault = check_data(p, text, messages[i].data_len);
		if (fault != NULL) {
			log_errorx("publish: %s; of what was read last nothing is stored", fault);
			goto done;
		}
		text = end + 1;
	}
	rc = append(p, messages, n);
done:
	free(messages);
	return rc;
}

/* publish_stdin publishes lines as they come, those that come together in one
 * transaction. */
static int
publish_stdin(struct publisher *p)
{
	struct buf text = BUF_EMPTY;
	int rc = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, buf_reserve(&text, READ_BYTES + 1), READ_BYTES);
		size_t n = 0, len = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			log_error("publish: stdin");
			rc = -1;
			break;
		}
		if (memchr(text.bytes + text.len, '\0', (size_t)got) != NULL) {
			log_errorx("publish: a message is not UTF-8 text");
			rc = -1;
			break;
		}
		text.len += (size_t)got;
		if (got == 0 && text.len > 0 && text.bytes[text.len - 1] != '\n')
			buf_add_char(&text, '\n');  /* a last line without its end is one too */
		for (size_t i = 0; i < text.len; i++)
			if (text.bytes[i] == '\n') {
				n++;
				len = i + 1;
			}
		if (n == 0 && text.len > p->max_message_bytes) {
			log_errorx("publish: a message is larger than max_message");
			rc = -1;
			break;
		}
		if (n > 0) {
			if (publish_lines(p, text.bytes, n) < 0) {
				rc = -1;
				break;
			}
			memmove(text.bytes, text.bytes + len, text.len - len);
			text.len -= len;
		}
		if (got == 0)
			break;
	}
	buf_free(&text);
	return rc;
}

/* publish publishes data, or where that is NULL the lines of stdin. -1: logged. */
static int
publish(struct publisher *p, const struct command_conf *cc, char *data)
{
	struct conf conf;
	int rc = -1;

	if (command_conf_load(cc, &conf) < 0)
		return -1;
	p->max_message_bytes = conf.max_message_bytes;
	p->store = store_open(conf.store, STORE_OWNER);
	if (p->store != NULL)
		rc = data != NULL ? publish_one(p, data) : publish_stdin(p);
	store_close(p->store);
	conf_free(&conf);
	return rc;
}

int
command_publish(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "user", required_argument, NULL, 'u' },
		{ "topic", required_argument, NULL, 't' },
		{ "event", required_argument, NULL, 'e' },
		{ "all", no_argument, NULL, 'a' },
		{ 0 },
	};
	struct command_conf cc = { 0 };
	struct publisher p = { .options = { .error = p.error } };
	int option, n_targets = 0, rc = 0;

	while ((option = getopt_long(argc, argv, COMMAND_CONF_SHORT, options, NULL)) != -1) {
		switch (option) {
		case 'u':
			rc |= take_option(&p, "user", optarg);
			n_targets++;
			break;
		case 't':
			rc |= take_option(&p, "topic", optarg);
			n_targets++;
			break;
		case 'e':
			rc |= take_option(&p, "event", optarg);
			break;
		case 'a':
			n_targets++;
			break;
		case '?':
			goto misused;
		default:
			command_conf_option(&cc, option);
		}
	}
	if (n_targets > 1 || argc - optind > 1)
		goto misused;
	if (rc == 0)
		rc = publish(&p, &cc, argv[optind]);
	message_free(&p.like.message);
	command_conf_free(&cc);
	return rc == 0 ? 0 : 1;
misused:
	message_free(&p.like.message);
	command_conf_free(&cc);
	return command_usage(usage);
}

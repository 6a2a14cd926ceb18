/* A stream that is listened to. Only as much of a line is kept as tells what it is. */

#include "app/probe/listening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/random.h"

/* Less than this between two writes is the network's, not silence. */
enum { SILENCE_US = 100 * 1000 };

char *
listening_mark(const char *nonce, int number, size_t n)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
	char *begun = mem_printf("rowcast probe %s %d ", nonce, number);
	size_t len = strlen(begun);
	char *text;

	if (n < len)
		n = len;
	text = mem_alloc(n + 1);
	memcpy(text, begun, len);
	free(begun);
	for (; len < n; len++)
		text[len] = alphabet[random_between(0, 63)];
	text[n] = '\0';
	return text;
}

static void
take_line(struct listening *listening)
{
	static const char mark[] = "data: rowcast probe ";
	size_t nonce_len = strlen(listening->nonce);
	const char *line = listening->line;

	listening->line[listening->line_len] = '\0';
	if (listening->line_len == 0) {
		if (listening->number > listening->newest) {
			listening->newest = listening->number;
			listening->newest_at = clock_mono_us();
		}
		listening->number = 0;
	} else if (strncmp(line, mark, sizeof(mark) - 1) == 0
	    && strncmp(line + sizeof(mark) - 1, listening->nonce, nonce_len) == 0) {
		listening->number = (int)strtol(line + sizeof(mark) - 1 + nonce_len, NULL, 10);
	} else if (strcmp(line, "event: rowcast.busy") == 0) {
		listening->is_busy = true;
	} else if (strcmp(line, "event: rowcast.expired") == 0) {
		listening->is_expired = true;
	}
	if (strncmp(line, "id:", 3) == 0)
		listening->has_begun = true;
	listening->line_len = 0;
}

static void
hear(struct fetch *fetch, const char *bytes, size_t n)
{
	struct listening *listening = fetch->arg;
	mono_us now = clock_mono_us(), silence_us = now - listening->heard_at;

	if (listening->n_bytes > 0 && silence_us > SILENCE_US) {
		listening->n_beats++;
		if (silence_us > listening->longest_us)
			listening->longest_us = silence_us;
	}
	listening->heard_at = now;
	listening->n_bytes += n;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			take_line(listening);
		else if (bytes[i] != '\r' && listening->line_len < sizeof(listening->line) - 1)
			listening->line[listening->line_len++] = bytes[i];
	}
}

void
listening_start(struct listening *listening, struct fetcher *fetcher, const char *url,
    const char *nonce, const struct fetch_how *how)
{
	struct fetch_how whole = *how;

	*listening = (struct listening){ .nonce = nonce };
	whole.is_stream = true;
	whole.hears = hear;
	whole.arg = listening;
	listening->fetch = fetch_start(fetcher, url, &whole);
	listening->heard_at = clock_mono_us();
}

void
listening_stop(struct listening *listening)
{
	fetch_stop(listening->fetch);
	listening->fetch = NULL;
}

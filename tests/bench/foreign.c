#include "tests/bench/foreign.h"

#include <err.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "tests/bench/sse.h"

enum {
	BUSY_MS = 10000,        /* how long another writer is waited for */
	FILL_BATCH = 50000,     /* rows a transaction of foreign_fill; picked */
	OTHER_USERS = 1000      /* users that own what the listeners do not */
};

struct foreign {
	sqlite3 *db;
	sqlite3_stmt *insert, *insert_topic, *newest;
};

static void
must(struct foreign *f, int rc, int wanted, const char *what)
{
	if (rc != wanted)
		errx(1, "%s: %s", what, sqlite3_errmsg(f->db));
}

static void
execute(struct foreign *f, const char *sql)
{
	must(f, sqlite3_exec(f->db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
}

static void
prepare(struct foreign *f, sqlite3_stmt **statement, const char *sql)
{
	must(f, sqlite3_prepare_v2(f->db, sql, -1, statement, NULL), SQLITE_OK, sql);
}

struct foreign *
foreign_open(const char *path)
{
	struct foreign *f = mem_zalloc(sizeof *f);

	must(f, sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK, path);
	sqlite3_busy_timeout(f->db, BUSY_MS);
	execute(f, "PRAGMA synchronous=FULL"); /* as rowcast has it */
	prepare(f, &f->insert, "INSERT INTO message(user, data) VALUES(?1, ?2)");
	prepare(f, &f->insert_topic, "INSERT INTO message(topic, event, data) VALUES(?1, ?2, ?3)");
	prepare(f, &f->newest, "SELECT max(id) FROM message");
	return f;
}

void
foreign_close(struct foreign *f)
{
	sqlite3_finalize(f->insert);
	sqlite3_finalize(f->insert_topic);
	sqlite3_finalize(f->newest);
	sqlite3_close(f->db);
	free(f);
}

/* insert_row adds a row; user NULL: for everyone. */
static void
insert_row(struct foreign *f, const char *user, const char *text, size_t len)
{
	if (user != NULL)
		sqlite3_bind_text(f->insert, 1, user, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(f->insert, 1);
	sqlite3_bind_text(f->insert, 2, text, (int)len, SQLITE_STATIC);
	must(f, sqlite3_step(f->insert), SQLITE_DONE, "insert");
	sqlite3_reset(f->insert);
}

void
foreign_insert(struct foreign *f, const char *text, size_t len)
{
	insert_row(f, NULL, text, len);
}

void
foreign_begin(struct foreign *f)
{
	execute(f, "BEGIN IMMEDIATE");
}

void
foreign_insert_topic(struct foreign *f, const char *topic, const char *event, const char *text, size_t len)
{
	sqlite3_bind_text(f->insert_topic, 1, topic, -1, SQLITE_STATIC);
	if (event != NULL)
		sqlite3_bind_text(f->insert_topic, 2, event, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(f->insert_topic, 2);
	sqlite3_bind_text(f->insert_topic, 3, text, (int)len, SQLITE_STATIC);
	must(f, sqlite3_step(f->insert_topic), SQLITE_DONE, "insert");
	sqlite3_reset(f->insert_topic);
}

void
foreign_commit(struct foreign *f)
{
	execute(f, "COMMIT");
}

int64_t
foreign_newest(struct foreign *f)
{
	int64_t id;

	must(f, sqlite3_step(f->newest), SQLITE_ROW, "newest row");
	id = sqlite3_column_int64(f->newest, 0);
	sqlite3_reset(f->newest);
	return id;
}

int64_t
foreign_fill(struct foreign *f, uint32_t rows, uint32_t users, uint32_t each, bool spread, size_t size)
{
	char *text = mem_alloc(size);
	uint64_t wanted = (uint64_t)users * each;
	uint64_t n_listeners = 0; /* rows for users so far */
	mono_us now = clock_mono_us();
	char user[32];

	execute(f, "PRAGMA synchronous=OFF; PRAGMA cache_size=-400000"); /* KiB: the indices of 10^7 rows */
	for (uint32_t k = 0; k < rows; k++) {
		const char *owner = user;

		if (k % FILL_BATCH == 0)
			execute(f, k == 0 ? "BEGIN IMMEDIATE" : "COMMIT; BEGIN IMMEDIATE");
		message_write(text, size, k + 1, now);
		if (users == 0)
			owner = NULL;
		else if (n_listeners < wanted && (spread ? n_listeners * rows <= k * wanted : k + wanted >= rows))
			snprintf(user, sizeof user, "u%u", (unsigned)(n_listeners++ % users));
		else
			snprintf(user, sizeof user, "other%u", (unsigned)(k % OTHER_USERS));
		insert_row(f, owner, text, size);
	}
	if (rows > 0)
		execute(f, "COMMIT");
	free(text);
	return sqlite3_last_insert_rowid(f->db);
}

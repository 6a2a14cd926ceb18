/* The connection that a store has opened, for a test that turns SQLite's own knobs
 * on it: store.h lends none. For the thread of the test. */
#ifndef TESTS_UNIT_STORE_CONNECTION_H
#define TESTS_UNIT_STORE_CONNECTION_H

#include "tests/unit/check.h"

#include <sqlite3.h>

static sqlite3 *connection_newest;  /* the one opened last while they were noted, by anybody */

static int
connection_opened(sqlite3 *db, char **error, const void *api)
{
	(void)error;
	(void)api;
	connection_newest = db;
	return SQLITE_OK;
}

/* connections_note begins to note every connection that is opened in this
 * process, and connections_ignore ends it. */
static void
connections_note(void)
{
	assert_int_equal(sqlite3_auto_extension((void (*)(void))connection_opened), SQLITE_OK);
}

static void
connections_ignore(void)
{
	sqlite3_cancel_auto_extension((void (*)(void))connection_opened);
}

#endif

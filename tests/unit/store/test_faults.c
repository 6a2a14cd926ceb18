/* The store on a disk that fails: at its first call, at its second, and so on,
 * until the operation gets by without meeting the fault. After each: what was
 * acknowledged is there, what was refused is not, and the next call works.
 *
 * The disk is a VFS of SQLite's between it and the real one. It counts the calls
 * that can fail and lets the n-th do so, once or from then on until it is mended.
 * Nothing is synced, since no test here takes the power away; what a crash would
 * find is read in a copy of the files. All in the thread of the test. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/store/connection.h"

#include <errno.h>
#include <sqlite3.h>

#include "app/store/store.h"
#include "lib/mem.h"

enum { FAULTS_HANG_S = 600, MOST_CALLS = 2000, CHECKPOINT_PAGES = 4 };

/* ---- a disk that fails ---- */

enum fault {
	FAULT_NONE,
	FAULT_IO,     /* whatever call it is */
	FAULT_FULL,   /* a write finds no room */
	FAULT_TORN,   /* a write stops half way */
	FAULT_SYNC,   /* what was written cannot be made safe */
};
static const char *const fault_names[] = { "none", "i/o", "full", "torn", "sync" };

static struct {
	enum fault fault;
	bool lasting;      /* from the n-th call on, not only there */
	int left;          /* calls before it */
	bool met;
	int n_files;       /* open */
} disk;

/* fails: is this the call? */
static bool
fails(bool concerned)
{
	if (disk.fault == FAULT_NONE || !concerned || disk.left-- > 0)
		return false;
	if (disk.met && !disk.lasting)
		return false;
	disk.met = true;
	return true;
}

struct file {
	sqlite3_file base;
	sqlite3_file *real;   /* in the bytes behind */
};

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

static int
file_close(sqlite3_file *file)
{
	disk.n_files--;
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int
file_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_READ;
	return real_of(file)->pMethods->xRead(real_of(file), bytes, n, at);
}

static int
file_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	if (fails(disk.fault != FAULT_SYNC)) {
		if (disk.fault == FAULT_TORN)
			real_of(file)->pMethods->xWrite(real_of(file), bytes, n / 2, at);
		return disk.fault == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
}

static int
file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_TRUNCATE;
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
file_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return fails(disk.fault == FAULT_IO || disk.fault == FAULT_SYNC) ? SQLITE_IOERR_FSYNC
	    : SQLITE_OK;
}

static int
file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_FSTAT;
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int
file_lock(sqlite3_file *file, int lock)
{
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_LOCK;
	return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int
file_unlock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int
file_check_reserved(sqlite3_file *file, int *out)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out);
}

static int
file_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int
file_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
file_characteristics(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int
file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **map)
{
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_SHMMAP;
	/* Room for the shared index is taken from the disk too. */
	if (extend && fails(disk.fault == FAULT_FULL))
		return SQLITE_IOERR_SHMSIZE;
	return real_of(file)->pMethods->xShmMap(real_of(file), region, size, extend, map);
}

static int
file_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n, flags);
}

static void
file_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
file_shm_unmap(sqlite3_file *file, int delete)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), delete);
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 2,
	.xClose = file_close, .xRead = file_read, .xWrite = file_write,
	.xTruncate = file_truncate, .xSync = file_sync, .xFileSize = file_size,
	.xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control, .xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map, .xShmLock = file_shm_lock, .xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *opened, int flags, int *out_flags)
{
	struct file *file = (struct file *)opened;
	int rc;

	(void)vfs;
	file->base.pMethods = NULL;
	file->real = (sqlite3_file *)(file + 1);
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_CANTOPEN;
	rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out_flags);
	if (rc == SQLITE_OK) {
		file->base.pMethods = &file_methods;
		disk.n_files++;
	}
	return rc;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_DELETE;
	return real_vfs->xDelete(real_vfs, name, sync);
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	if (fails(disk.fault == FAULT_IO))
		return SQLITE_IOERR_ACCESS;
	return real_vfs->xAccess(real_vfs, name, flags, out);
}

static int
vfs_full_name(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	(void)vfs;
	return real_vfs->xFullPathname(real_vfs, name, n, out);
}

/* disk_begin puts the disk between SQLite and the real one. */
static void
disk_begin(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	assert_non_null(real_vfs);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
	faulty_vfs.xOpen = vfs_open;
	faulty_vfs.xDelete = vfs_delete;
	faulty_vfs.xAccess = vfs_access;
	faulty_vfs.xFullPathname = vfs_full_name;
	assert_int_equal(sqlite3_vfs_register(&faulty_vfs, 1), SQLITE_OK);
}

static void
break_at(enum fault fault, bool lasting, int n)
{
	disk.fault = fault;
	disk.lasting = lasting;
	disk.left = n;
	disk.met = false;
	capture_begin();
}

/* mend returns what was said meanwhile. */
static const char *
mend(void)
{
	disk.fault = FAULT_NONE;
	return capture_end();
}

/* ---- the store on it, and what it must hold ---- */

enum { MODEL_MOST = 4096 };

static const char *path, *copy;
static char *name;
static struct store *store;

static struct {
	int64_t ids[MODEL_MOST];  /* acknowledged and not deleted, in order */
	size_t n;
} model;

static const char *
beside(const char *file, const char *suffix)
{
	static char full[2][160];
	static int turn;

	turn = !turn;
	snprintf(full[turn], sizeof(full[turn]), "%s%s", file, suffix);
	return full[turn];
}

static void
remove_files(const char *file)
{
	unlink(file);
	unlink(beside(file, "-wal"));
	unlink(beside(file, "-shm"));
}

static void
copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC), out;
	ssize_t n;

	unlink(to);
	if (in < 0)
		return;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static struct append
append(const char *key, size_t n)
{
	static struct message messages[16];
	union { const char *lent; char *text; } k = { key }, data = { "0123456789" };
	struct append a = { .messages = messages, .n = n, .publisher = "p" };

	for (size_t i = 0; i < n; i++)
		messages[i] = (struct message){ .data = data.text, .data_len = 10,
		    .key = i == 0 ? k.text : NULL };
	return a;
}

/* acknowledged: the model has what an append that was answered 0 stored. */
static void
acknowledged(const struct append *a)
{
	for (size_t i = 0; i < a->n; i++) {
		assert_true(model.n == 0 || a->messages[i].id > model.ids[model.n - 1]);
		model.ids[model.n++] = a->messages[i].id;
	}
}

static void
add(size_t n)
{
	struct append a = append(NULL, n), *appends[] = { &a };

	assert_int_equal(store_append(store, appends, 1), 0);
	acknowledged(&a);
}

static bool
note_row(void *context, const struct message *m)
{
	size_t *n = context;

	assert_true(*n < model.n);
	assert_int_equal(m->id, model.ids[*n]);
	assert_string_equal(m->data, "0123456789");
	(*n)++;
	return true;
}

/* holds_the_model: through this handle. */
static void
holds_the_model(struct store *s)
{
	struct store_bounds bounds;
	int64_t upto;
	size_t n = 0;

	assert_int_equal(store_read(s, 0, NULL, note_row, &n, &bounds, &upto), 0);
	assert_int_equal(n, model.n);
}

/* ids_in returns the ids that a program which knows nothing of rowcast finds,
 * after SQLite has checked that the file is sound. */
static size_t
ids_in(const char *file, int64_t ids[])
{
	sqlite3_stmt *rows;
	sqlite3 *db;
	size_t n = 0;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &rows, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(rows, 0), "ok");
	sqlite3_finalize(rows);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT id FROM message ORDER BY id", -1, &rows,
	    NULL), SQLITE_OK);
	while (sqlite3_step(rows) == SQLITE_ROW && n < MODEL_MOST)
		ids[n++] = sqlite3_column_int64(rows, 0);
	sqlite3_finalize(rows);
	sqlite3_close(db);
	return n;
}

/* is_sound_but_for compares the model with what is read through the store, through
 * another connection, and in a copy as a crash at this moment would leave it. Only
 * in that may there be n_unsure messages more. */
static void
is_sound_but_for(size_t n_unsure)
{
	static int64_t ids[MODEL_MOST];
	size_t n;

	copy_file(path, copy);
	copy_file(beside(path, "-wal"), beside(copy, "-wal"));
	unlink(beside(copy, "-shm"));
	holds_the_model(store);
	n = ids_in(path, ids);
	assert_int_equal(n, model.n);
	assert_memory_equal(ids, model.ids, n * sizeof(ids[0]));
	n = ids_in(copy, ids);
	if (n != model.n)
		assert_int_equal(n, model.n + n_unsure);
	assert_memory_equal(ids, model.ids, model.n * sizeof(ids[0]));
}

static void
is_sound(void)
{
	is_sound_but_for(0);
}

static void
open_new(void)
{
	remove_files(path);
	remove_files(copy);
	model.n = 0;
	store = store_open(name, STORE_OWNER);
	assert_non_null(store);
	/* So that most commits also write the log back. */
	sqlite3_wal_autocheckpoint(connection_newest, CHECKPOINT_PAGES);
}

static void
close_all(void)
{
	store_close(store);
	store = NULL;
	assert_int_equal(disk.n_files, 0);
}

static int
begin(void **state)
{
	(void)state;
	alarm(FAULTS_HANG_S);
	connections_note();
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	connections_ignore();
	/* What a test that failed has left. */
	disk.fault = FAULT_NONE;
	store_close(store);
	store = NULL;
	disk.n_files = 0;
	alarm(0);
	return 0;
}

/* An operation to be disturbed; true: it was done, and the model knows. */
typedef bool operation(void);

/* survives disturbs the operation at every one of its calls, in every way, on a
 * store that has n_before messages. Where the last sync fails and so does whatever
 * is tried after it, its n messages are in the log until the next commit is
 * written over them: nobody sees them, but a crash meanwhile would bring them. */
static void
survives(operation *run, size_t n_before, size_t n_messages)
{
	for (int fault = FAULT_IO; fault <= FAULT_SYNC; fault++)
		for (int lasting = 0; lasting <= 1; lasting++) {
			int n, n_failed = 0;

			for (n = 0; n < MOST_CALLS; n++) {
				const char *log;
				bool done, met;

				open_new();
				for (size_t i = 0; i < n_before; i += 10)
					add(10);
				break_at((enum fault)fault, lasting, n);
				done = run();
				met = disk.met;
				log = mend();
				if (!done) {
					n_failed++;
					assert_true(met);
					assert_says(log, path);
				}
				is_sound_but_for(!done && lasting ? n_messages : 0);
				add(2);
				is_sound();
				close_all();
				if (!met)
					break;
			}
			print_message("# %s%s: %d calls disturbed, %d of them refused\n",
			    fault_names[fault], lasting ? ", lasting" : "", n, n_failed);
			assert_true(n < MOST_CALLS);
		}
}

/* ---- appending ---- */

static bool
append_of(size_t n)
{
	struct append a = append("key", n), *appends[] = { &a };

	if (store_append(store, appends, 1) != 0)
		return false;
	acknowledged(&a);
	return true;
}

static bool
append_one(void)
{
	return append_of(1);
}

TEST(an_append_is_all_there_or_not_at_all)
{
	survives(append_one, 20, 1);
}

static bool
append_several(void)
{
	return append_of(12);
}

TEST(an_append_of_several_is_all_there_or_not_at_all)
{
	survives(append_several, 20, 12);
}

TEST(a_full_disk_is_named_as_such)
{
	struct append a = append(NULL, 12), *appends[] = { &a };

	open_new();
	add(1);
	break_at(FAULT_FULL, true, 0);
	assert_int_equal(store_append(store, appends, 1), STORE_FULL);
	assert_int_equal(store_append(store, appends, 1), STORE_FULL);
	holds_the_model(store);
	assert_says(mend(), "no room on the disk");
	assert_int_equal(store_append(store, appends, 1), 0);
	acknowledged(&a);
	is_sound();
	close_all();
}

/* A log that cannot be written back only grows: what is in it is safe. */
TEST(a_commit_stands_though_the_log_cannot_be_written_back)
{
	open_new();
	for (int i = 0; i < 20; i++) {
		struct append a = append(NULL, 10), *appends[] = { &a };

		/* The commit's own is the first; those after it write the log back. */
		break_at(FAULT_SYNC, true, 1);
		assert_int_equal(store_append(store, appends, 1), 0);
		assert_true(disk.met);
		mend();
		acknowledged(&a);
		is_sound();
	}
	close_all();
}

/* ---- retention ---- */

static bool
trim_some(void)
{
	int n = store_trim(store, 0, 10, 15);

	if (n < 0)
		return false;
	assert_int_equal(n, 15);
	memmove(model.ids, model.ids + n, (model.n - (size_t)n) * sizeof(model.ids[0]));
	model.n -= (size_t)n;
	return true;
}

TEST(a_slice_of_retention_is_done_or_not_at_all)
{
	for (int fault = FAULT_IO; fault <= FAULT_SYNC; fault++)
		for (int lasting = 0; lasting <= 1; lasting++) {
			bool met = true;

			for (int n = 0; met; n++) {
				const char *log;
				bool done;

				assert_true(n < MOST_CALLS);
				open_new();
				for (int i = 0; i < 5; i++)
					add(10);
				break_at((enum fault)fault, lasting, n);
				done = trim_some();
				met = disk.met;
				log = mend();
				if (!done)
					assert_says(log, path);
				holds_the_model(store);
				while (trim_some() && model.n > 20)
					;
				assert_int_equal(model.n, 20);
				add(2);
				is_sound();
				close_all();
			}
		}
}

/* ---- reading ---- */

TEST(a_read_that_fails_has_given_nothing_but_the_truth)
{
	for (int lasting = 0; lasting <= 1; lasting++) {
		bool met = true;

		for (int n = 0; met; n++) {
			struct store_bounds bounds;
			struct store *reader;
			int64_t upto = -1;
			size_t n_rows = 0;
			int rc;

			assert_true(n < MOST_CALLS);
			open_new();
			for (int i = 0; i < 40; i++)
				add(10);
			reader = store_open(name, STORE_READER);
			assert_non_null(reader);
			break_at(FAULT_IO, lasting, n);
			rc = store_read(reader, 0, NULL, note_row, &n_rows, &bounds, &upto);
			met = disk.met;
			if (rc != 0) {
				assert_int_equal(rc, -1);
				assert_says(mend(), path);
			} else {
				mend();
				assert_int_equal(n_rows, model.n);
				assert_int_equal(upto, model.ids[model.n - 1]);
			}
			holds_the_model(reader);
			assert_int_equal(store_bounds(reader, &bounds), 0);
			assert_int_equal(bounds.newest, model.ids[model.n - 1]);
			store_close(reader);
			is_sound();
			close_all();
		}
	}
}

/* ---- opening ---- */

/* opens_or_says_why disturbs the opening, of a file that is new or has rows. */
static void
opens_or_says_why(enum store_access access, size_t n_before)
{
	for (int fault = FAULT_IO; fault <= FAULT_SYNC; fault++)
		for (int lasting = 0; lasting <= 1; lasting++) {
			bool met = true;

			for (int n = 0; met; n++) {
				const char *log;

				assert_true(n < MOST_CALLS);
				open_new();
				for (size_t i = 0; i < n_before; i += 10)
					add(10);
				close_all();
				if (n_before == 0)
					remove_files(path);
				break_at((enum fault)fault, lasting, n);
				store = store_open(name, access);
				met = disk.met;
				log = mend();
				if (store == NULL) {
					assert_says(log, path);
					assert_int_equal(disk.n_files, 0);
				}
				store_close(store);
				store = store_open(name, STORE_OWNER);
				assert_non_null(store);
				is_sound();
				add(2);
				is_sound();
				close_all();
			}
		}
}

TEST(a_new_store_is_made_whole_or_another_time)
{
	opens_or_says_why(STORE_OWNER, 0);
}

TEST(a_store_that_is_there_is_opened_or_left_as_it_was)
{
	opens_or_says_why(STORE_OWNER, 20);
}

TEST(a_reader_opens_or_says_why)
{
	opens_or_says_why(STORE_READER, 20);
}

/* A crash leaves a log; whoever opens next brings it home, on a failing disk or
 * later. */
TEST(what_a_crash_left_in_the_log_is_brought_home_however_often_that_fails)
{
	bool met = true;

	for (int n = 0; met; n++) {
		assert_true(n < MOST_CALLS);
		open_new();
		add(10);
		is_sound();
		close_all();
		/* The copy is what the crash left. */
		copy_file(copy, path);
		copy_file(beside(copy, "-wal"), beside(path, "-wal"));
		break_at(FAULT_IO, n % 2 == 0, n);
		store = store_open(name, STORE_OWNER);
		met = disk.met;
		mend();
		store_close(store);
		store = store_open(name, STORE_OWNER);
		assert_non_null(store);
		holds_the_model(store);
		close_all();
	}
}

#define FAULT_TEST(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		FAULT_TEST(an_append_is_all_there_or_not_at_all),
		FAULT_TEST(an_append_of_several_is_all_there_or_not_at_all),
		FAULT_TEST(a_full_disk_is_named_as_such),
		FAULT_TEST(a_commit_stands_though_the_log_cannot_be_written_back),
		FAULT_TEST(a_slice_of_retention_is_done_or_not_at_all),
		FAULT_TEST(a_read_that_fails_has_given_nothing_but_the_truth),
		FAULT_TEST(a_new_store_is_made_whole_or_another_time),
		FAULT_TEST(a_store_that_is_there_is_opened_or_left_as_it_was),
		FAULT_TEST(a_reader_opens_or_says_why),
		FAULT_TEST(what_a_crash_left_in_the_log_is_brought_home_however_often_that_fails),
	};
	int failed;

	path = capture_file("faults.db", "", 0, 0600);
	copy = capture_file("copy.db", "", 0, 0600);
	name = mem_printf("sqlite:%s", path);
	disk_begin();
	failed = cmocka_run_group_tests_name("store_faults", tests, NULL, NULL);
	free(name);
	remove_files(path);
	remove_files(copy);
	return failed;
}

/* May we? Of the file, its -wal and its -shm, and of the folder, in which SQLite makes the
 * latter two, and deletes them when the last connection closes. So who may write the file
 * but not its folder can publish only while another has it open. */

#include "app/store/sqlite/permit.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/permission.h"

/* A file of the store's: `path` is the name that was configured, for the log. */
static int
refuse_file(const char *path, const char *file, const char *all, enum permit_use use, bool *exists)
{
	struct stat st;
	char *why;

	*exists = stat(file, &st) == 0;
	if (!*exists && (errno == ENOENT || errno == EACCES))
		return 0;  /* of EACCES the folder is told */
	if (!*exists) {
		log_error("store: %s", path);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		log_errorx("store: %s: %s is not a regular file", path, file);
		return -1;
	}
	why = permission_refusal(file, use == PERMIT_READ ? R_OK : R_OK | W_OK, all);
	if (why == NULL)
		return 0;
	log_errorx("store: %s", why);
	free(why);
	return -1;
}

static int
refuse_folder(const char *path, const char *file, const char *folder, int mode)
{
	struct stat st;
	char *why = permission_folder_refusal(file, mode);
	int rc = -1;

	if (why != NULL)
		log_errorx("store: %s%s", why, (mode & W_OK) == 0 ? ""
		    : " (SQLite makes and deletes files beside the database)");
	else if (stat(folder, &st) < 0)
		log_error("store: %s: its folder %s", path, folder);
	else if (!S_ISDIR(st.st_mode))
		log_errorx("store: %s: %s is not a folder", path, folder);
	else
		rc = 0;
	free(why);
	return rc;
}

/* refuse_files says in *makes whether one will have to be made. */
static int
refuse_files(const char *path, const char *file, enum permit_use use, bool *makes)
{
	char *wal = mem_printf("%s-wal", file), *shm = mem_printf("%s-shm", file);
	char *all = mem_printf("%s*", file);
	bool has_file, has_wal, has_shm;
	int rc = refuse_file(path, file, all, use, &has_file);

	rc |= refuse_file(path, wal, all, use, &has_wal);
	rc |= refuse_file(path, shm, all, use, &has_shm);
	*makes = use == PERMIT_KEEP || (!has_file && use == PERMIT_WRITE)
	    || (has_file && (!has_wal || !has_shm));
	free(wal);
	free(shm);
	free(all);
	return rc;
}

int
permit_refuse(const char *path, enum permit_use use)
{
	char *real = realpath(path, NULL);  /* -wal and -shm lie beside that one */
	char *file = real != NULL ? real : mem_strdup(path), *copy = mem_strdup(file);
	char *folder = dirname(copy);
	bool makes;
	int rc = refuse_folder(path, file, folder, X_OK);

	if (rc == 0)
		rc = refuse_files(path, file, use, &makes);
	if (rc == 0 && makes)
		rc = refuse_folder(path, file, folder, W_OK | X_OK);
	free(copy);
	free(file);
	return rc;
}

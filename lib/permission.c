/* Puts into words what faccessat() refuses. Which of owner, group and others we are is
 * what decides (path_resolution(7)); an access list may say more than the mode does, and
 * then the sentence is a hint, but the refusal is the kernel's own. */

#include "lib/permission.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum { NAME_BYTES = 4096, GROUPS_MAX = 256 };  /* of one entry of a database; picked, not tuned */

/* ---- names; each is the caller's to free ---- */

static char *
name_user(uid_t uid)
{
	char bytes[NAME_BYTES];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, bytes, sizeof(bytes), &found) == 0 && found != NULL)
		return mem_strdup(entry.pw_name);
	return mem_printf("%u", (unsigned)uid);
}

static char *
name_group(gid_t gid)
{
	char bytes[NAME_BYTES];
	struct group entry, *found = NULL;

	if (getgrgid_r(gid, &entry, bytes, sizeof(bytes), &found) == 0 && found != NULL)
		return mem_strdup(entry.gr_name);
	return mem_printf("%u", (unsigned)gid);
}

/* ---- groups ---- */

static bool
has(const gid_t *groups, int n, gid_t gid)
{
	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* is_in_group: are we, in this process? */
static bool
is_in_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	return getegid() == gid || (n > 0 && has(groups, n, gid));
}

/* will_be_in_group: would we be, if we began anew? */
static bool
will_be_in_group(const char *user, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;

	return getgrouplist(user, getegid(), groups, &n) > 0 && has(groups, n, gid);
}

/* ---- the sentence ---- */

/* describe writes what is to be allowed as chmod has it, and returns the verb. */
static const char *
describe(int mode, bool is_folder, char letters[4])
{
	char *at = letters;

	if ((mode & R_OK) != 0)
		*at++ = 'r';
	if ((mode & W_OK) != 0)
		*at++ = 'w';
	if ((mode & X_OK) != 0)
		*at++ = 'x';
	*at = '\0';
	if (is_folder)
		return (mode & W_OK) != 0 ? "written" : (mode & R_OK) != 0 ? "read" : "entered";
	return (mode & W_OK) == 0 ? "read" : (mode & R_OK) != 0 ? "read and written" : "written";
}

/* advise returns what helps. Nobody is told to join root's group. */
static char *
advise(const char *files, const struct stat *st, int mode, const char *letters)
{
	char *user = name_user(geteuid()), *group = name_group(st->st_gid), *advice;
	mode_t wanted = ((mode & R_OK) != 0 ? S_IRGRP : 0) | ((mode & W_OK) != 0 ? S_IWGRP : 0)
	    | ((mode & X_OK) != 0 ? S_IXGRP : 0);
	bool group_may = (st->st_mode & wanted) == wanted;

	if (st->st_uid == geteuid()) {
		advice = mem_printf("`chmod u+%s %s`", letters, files);
	} else if (is_in_group(st->st_gid)) {
		advice = mem_printf("`chmod g+%s %s`", letters, files);
	} else if (st->st_gid == 0) {
		char *ours = name_group(getegid());

		advice = mem_printf("`chgrp %s %s && chmod g+%s %s`", ours, files, letters, files);
		free(ours);
	} else if (will_be_in_group(user, st->st_gid)) {
		advice = mem_printf("%s is in the group %s, but was not yet when this session began: log in"
		    " again, or start the service anew", user, group);
	} else if (group_may) {
		advice = mem_printf("`usermod -aG %s %s`, and log in again", group, user);
	} else {
		advice = mem_printf("`chmod g+%s %s && usermod -aG %s %s`, and log in again", letters, files,
		    group, user);
	}
	free(user);
	free(group);
	return advice;
}

/* refusal_of judges one file or folder, above which all may be entered; `subject` is the
 * sentence up to the verb. */
static char *
refusal_of(const char *path, int mode, const char *files, const char *subject)
{
	char letters[4], *user, *owner, *group, *advice, *sentence;
	const char *verb;
	struct stat st;
	int error;

	if (faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0)
		return NULL;
	error = errno;
	if (stat(path, &st) < 0 || ((mode & X_OK) != 0 && !S_ISDIR(st.st_mode)))
		return NULL;
	verb = describe(mode, S_ISDIR(st.st_mode), letters);
	if (error == EROFS)
		return mem_printf("%s cannot be %s: its file system is mounted read-only: mount it for"
		    " writing, or choose another place", subject, verb);
	user = name_user(geteuid());
	owner = name_user(st.st_uid);
	group = name_group(st.st_gid);
	advice = advise(files, &st, mode, letters);
	sentence = mem_printf("%s cannot be %s: Permission denied: it belongs to %s:%s with mode %04o, and"
	    " this is %s: %s", subject, verb, owner, group, (unsigned)(st.st_mode & 07777), user, advice);
	free(advice);
	free(group);
	free(owner);
	free(user);
	return sentence;
}

static char *
folder_refusal_of(const char *path, const char *folder, int mode)
{
	char *subject = mem_printf("%s: its folder %s", path, folder);
	char *refusal = refusal_of(folder, mode, folder, subject);

	free(subject);
	return refusal;
}

/* refusal_above judges the folders above path, from the top: what is in one that cannot be
 * entered, nobody can ask. */
static char *
refusal_above(const char *path, const char *whole)
{
	char *above = mem_strdup(path), *refusal = NULL;

	for (char *slash = *above != '\0' ? strchr(above + 1, '/') : NULL;
	    slash != NULL && refusal == NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		refusal = folder_refusal_of(whole, above, X_OK);
		*slash = '/';
	}
	free(above);
	return refusal;
}

char *
permission_refusal(const char *path, int mode, const char *files)
{
	char *refusal = refusal_above(path, path), *subject;

	if (refusal != NULL)
		return refusal;
	subject = mem_printf("%s:", path);
	refusal = refusal_of(path, mode, files != NULL ? files : path, subject);
	free(subject);
	return refusal;
}

char *
permission_folder_refusal(const char *path, int mode)
{
	char *copy = mem_strdup(path), *folder = dirname(copy);
	char *refusal = refusal_above(folder, path);

	if (refusal == NULL)
		refusal = folder_refusal_of(path, folder, mode);
	free(copy);
	return refusal;
}

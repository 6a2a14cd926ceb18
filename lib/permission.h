/* What keeps us from a file: whose it is, and the command that helps. Any thread; it asks
 * the file system and the databases of users and groups, so it may wait. */
#ifndef LIB_PERMISSION_H
#define LIB_PERMISSION_H

/* Each asks whether we, as who we act as, may do what mode says (R_OK, W_OK, X_OK
 * together). NULL where we may, or where nothing is there. Else a sentence that the caller
 * frees: "PATH: cannot be read: Permission denied: ..." or, where a folder is in the way,
 * "PATH: its folder ... cannot be entered: Permission denied: ...". Behind that it names
 * owner, group and mode of what is in the way, who we are, and a command that helps. */

/* permission_refusal: with the file at path. `files` stands for it in that command (NULL:
 * path itself): there may be others that go with it. */
char *permission_refusal(const char *path, int mode, const char *files);

/* permission_folder_refusal: with the folder in which path stands, or would stand. */
char *permission_folder_refusal(const char *path, int mode);

#endif

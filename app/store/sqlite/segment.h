/* The index by address is cut into segments of so many rows: the rows of one lie
 * together in it, ordered by user, topic and id. New rows so go to the few pages of
 * the newest segment, where without segments each would change a page of its own; a
 * replay reads in every segment that has rows after its cursor, some 3 microseconds
 * each, 20 in a large file; but for those that are known to have none for it (learned.h). Part of the schema: a new number is a new version.
 *
 * In a file of our own a segment is so many ids, and its number follows from the id.
 * Ids of a log are sparse: in a copy of it a segment is so many rows as they came, and
 * its number, which stands in each, is the id of the first. */
#ifndef APP_STORE_SQLITE_SEGMENT_H
#define APP_STORE_SQLITE_SEGMENT_H

#define SEGMENT_IDS 2048
#define SEGMENT_IDS_TEXT SEGMENT_TEXT(SEGMENT_IDS)
#define SEGMENT_TEXT(ids) SEGMENT_TEXT_(ids)
#define SEGMENT_TEXT_(ids) #ids

/* SEGMENT_OF(id): of a file of our own, in SQL. */
#define SEGMENT_OF(id) id " / " SEGMENT_IDS_TEXT

#endif

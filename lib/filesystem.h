/* What a file system is. Any thread; it may wait for the file system. */
#ifndef LIB_FILESYSTEM_H
#define LIB_FILESYSTEM_H

/* filesystem_network names the kind of network file system that path is on, a constant;
 * NULL where it is none, or that cannot be known (behind FUSE may be anything). */
const char *filesystem_network(const char *path);

/* filesystem_network_name does so by what statfs(2) calls f_type. */
const char *filesystem_network_name(unsigned long type);

#endif

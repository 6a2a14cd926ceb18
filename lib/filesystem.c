/* The kinds of file systems that other machines have too, by the numbers that the kernel
 * gives them (statfs(2), linux/magic.h). */

#include "lib/filesystem.h"

#include <stddef.h>
#include <sys/vfs.h>

const char *
filesystem_network_name(unsigned long type)
{
	static const struct { unsigned long type; const char *name; } networks[] = {
		{ 0x6969, "NFS" },
		{ 0xff534d42, "SMB (cifs)" },
		{ 0xfe534d42, "SMB (smb3)" },
		{ 0x517b, "SMB (smbfs)" },
		{ 0x01021997, "9p" },
		{ 0x00c36400, "Ceph" },
		{ 0x5346414f, "AFS" },
		{ 0x6b414653, "AFS (kafs)" },
		{ 0x73757245, "Coda" },
		{ 0x0bd00bd0, "Lustre" },
		{ 0x01161970, "GFS2" },
		{ 0x7461636f, "OCFS2" },
		{ 0x47504653, "GPFS" },
		{ 0x564c, "NCP" },
	};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		if (networks[i].type == type)
			return networks[i].name;
	return NULL;
}

const char *
filesystem_network(const char *path)
{
	struct statfs fs;

	/* f_type is signed on some machines. */
	return statfs(path, &fs) == 0 ? filesystem_network_name((unsigned long)fs.f_type & 0xffffffff) : NULL;
}

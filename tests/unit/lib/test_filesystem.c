#include "tests/unit/check.h"

#include <linux/magic.h>

#include "lib/filesystem.h"

TEST(the_kinds_that_other_machines_have_are_known_by_the_numbers_of_the_kernel)
{
	assert_string_equal(filesystem_network_name(NFS_SUPER_MAGIC), "NFS");
	assert_string_equal(filesystem_network_name(0xff534d42), "SMB (cifs)");
	assert_string_equal(filesystem_network_name(0xfe534d42), "SMB (smb3)");
	assert_string_equal(filesystem_network_name(SMB_SUPER_MAGIC), "SMB (smbfs)");
	assert_string_equal(filesystem_network_name(V9FS_MAGIC), "9p");
	assert_string_equal(filesystem_network_name(AFS_SUPER_MAGIC), "AFS");
	assert_string_equal(filesystem_network_name(AFS_FS_MAGIC), "AFS (kafs)");
	assert_string_equal(filesystem_network_name(CODA_SUPER_MAGIC), "Coda");
	assert_string_equal(filesystem_network_name(OCFS2_SUPER_MAGIC), "OCFS2");
}

TEST(those_of_one_machine_are_none)
{
	static const unsigned long types[] = { EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
	    TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC, 0 };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_null(filesystem_network_name(types[i]));
	assert_null(filesystem_network("/proc"));
	assert_null(filesystem_network("/nowhere/at/all"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_kinds_that_other_machines_have_are_known_by_the_numbers_of_the_kernel),
	cmocka_unit_test(those_of_one_machine_are_none),
};

RUN_TESTS(tests)

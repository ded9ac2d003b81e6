/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A directory to be shared, and users who share it.
 */
#ifndef SELFTESTS_FAKE_SHARE_H
#define SELFTESTS_FAKE_SHARE_H

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#define SHARE_USER	64123		/* that nobody is */

static char share_directory[64];

/* An empty directory that all may use, and in it "shared". */
static inline void share_make_directory(void)
{
	char shared[80];

	strcpy(share_directory, "/tmp/keel-share.XXXXXX");
	ASSERT(mkdtemp(share_directory), "a directory");
	ASSERT_EQ(chmod(share_directory, 0777), 0);
	snprintf(shared, sizeof(shared), "%s/shared", share_directory);
	ASSERT_EQ(mkdir(shared, 0777), 0);
	ASSERT_EQ(chmod(shared, 0777), 0);
}

static inline void share_remove_directory(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", share_directory);
	ASSERT_EQ(system(command), 0);
}

static inline const char *share_path(const char *name)
{
	static char path[2][160];
	static u32 turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", share_directory, name);
	return path[turn];
}

static inline void share_write(const char *name, const char *text, mode_t mode)
{
	int fd = open(share_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ASSERT_EQ(write(fd, text, strlen(text)), (int)strlen(text));
	ASSERT_EQ(fchmod(fd, mode), 0);
	close(fd);
}

/* Be that user, for the rest of this process, who is in so many groups. */
static inline void share_become_user(u32 groups)
{
	const gid_t list[] = { SHARE_USER + 1, SHARE_USER + 2, SHARE_USER + 3 };

	REQUIRE(!geteuid(), "not root");
	ASSERT_EQ(setgroups(groups, list), 0);
	ASSERT_EQ(setresgid(SHARE_USER, SHARE_USER, SHARE_USER), 0);
	ASSERT_EQ(setresuid(SHARE_USER, SHARE_USER, SHARE_USER), 0);
	/* As after a login, where the kernel starts programs of the user's. */
	ASSERT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
}

#endif
